"""Whether a model may answer in 8-bit integers: faster, and on the test photos as good as in 32-bit floating point.

There are two ways to 8 bits: the network as it is, quantised after training, and one that was trained further for them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.gate import GateResult, exact_difference, limit_rule
from quality_gate.evaluation.metrics import Metrics, compute_metrics
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.inference import OnnxClassifier, softmax
from quality_gate.preprocess import preprocess

if TYPE_CHECKING:
    from pathlib import Path

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.progress import Reporter
    from quality_gate.settings import ServingSettings

# A network that might answer: as the gate has judged it, in 8 bits, and in 8 bits after a training for them.
Contender = Literal["float32", "int8", "int8_trained"]

LATENCY_PHOTOS = 25
LATENCY_ROUNDS = 3


@dataclass(frozen=True)
class PrecisionFigures:
    """What a contender is worth.

    Attributes:
        metrics: on the test photos.
        coverage: share of the test photos whose answers are accepted, 0..1.
        agreement: share of the test photos that get the label and the decision they get in 32 bits, 0..1.
        latency_ms: median time of the network for one photo on one thread, in milliseconds.
        megabytes: size of the network's file.
    """

    metrics: Metrics
    coverage: float
    agreement: float
    latency_ms: float
    megabytes: float


@dataclass(frozen=True)
class PrecisionComparison:
    """A model in 32 bits beside its ways to 8 bits, and whether these are good enough.

    Attributes:
        figures: of each contender; ``float32`` first, then ``int8``.
        verdicts: the rules for each contender in 8 bits.
    """

    figures: dict[Contender, PrecisionFigures]
    verdicts: dict[Contender, GateResult]

    @property
    def chosen(self) -> Contender:
        """The one to serve: the first in 8 bits that passes, so that weights change only where that is needed."""
        return next((contender for contender, verdict in self.verdicts.items() if verdict.passed), "float32")


def compare_precisions(
    folders: Mapping[Contender, Path],
    float32_probabilities: NDArray[np.float64],
    test: PhotoSet,
    settings: ServingSettings,
    reporter: Reporter,
) -> PrecisionComparison:
    """Measure a calibrated model in 32 bits and in 8.

    Args:
        folders: the model folder of each contender, each with its own temperature and certificate; ``float32`` first.
        float32_probabilities: the answers in floating point that the gate has judged, shape (test photos, classes).
        test: the test photos.
        settings: what is demanded of 8-bit integers.
        reporter: told how far it is.
    """
    models = {contender: OnnxClassifier(folder) for contender, folder in folders.items()}
    latency = _latencies_ms(models, test)
    as_judged = _served_answers(models["float32"], float32_probabilities)
    figures: dict[Contender, PrecisionFigures] = {}
    for contender, model in models.items():
        probabilities = float32_probabilities
        if contender != "float32":
            logits = predict_logits(model, test, reporter, "test in 8 bits")
            probabilities = softmax(logits, model.manifest.temperature)
        answers = _served_answers(model, probabilities)
        figures[contender] = PrecisionFigures(
            metrics=compute_metrics(test.labels, probabilities, test.classes),
            coverage=float(np.mean([accepted for _, accepted in answers])),
            agreement=float(np.mean([mine == its for mine, its in zip(answers, as_judged, strict=True)])),
            latency_ms=latency[contender],
            megabytes=(folders[contender] / model.manifest.network_file).stat().st_size / 1e6,
        )
    float32 = figures["float32"]
    verdicts = {
        contender: _verdict(float32, found, settings) for contender, found in figures.items() if found is not float32
    }
    return PrecisionComparison(figures, verdicts)


def _verdict(float32: PrecisionFigures, int8: PrecisionFigures, settings: ServingSettings) -> GateResult:
    ratio = int8.latency_ms / float32.latency_ms
    lost_f1 = exact_difference(float32.metrics.macro_f1 - int8.metrics.macro_f1)
    lost_brier = exact_difference(int8.metrics.brier - float32.metrics.brier)
    return GateResult(
        (
            limit_rule("time of an answer against 32 bits", ratio, "at most", settings.max_latency_ratio),
            limit_rule("macro F1 lost", lost_f1, "at most", settings.max_loss),
            limit_rule("Brier score lost", lost_brier, "at most", settings.max_loss),
            limit_rule("same label and decision", int8.agreement, "at least", settings.min_agreement),
        )
    )


def _served_answers(model: OnnxClassifier, probabilities: NDArray[np.float64]) -> list[tuple[str, bool]]:
    """Label of each photo, and whether the answer is accepted."""
    decisions = map(model.decide, probabilities)
    return [(decision.label, decision.decision == "accept") for decision in decisions]


def _latencies_ms(models: Mapping[Contender, OnnxClassifier], photos: PhotoSet) -> dict[Contender, float]:
    """Median time of each network for one photo, in milliseconds; in turn, so that other work falls on all alike."""
    times: dict[Contender, list[float]] = {contender: [] for contender in models}
    spec = next(iter(models.values())).manifest.preprocessing
    tensors = [preprocess(photo, spec)[None] for photo in islice(photos.read(), LATENCY_PHOTOS)]
    for tensor in tensors * LATENCY_ROUNDS:
        for contender, model in models.items():
            start = time.perf_counter()
            model.logits(tensor)
            times[contender].append(time.perf_counter() - start)
    return {contender: 1000 * statistics.median(found) for contender, found in times.items()}
