"""Whether a model may answer in 8-bit integers: faster, and on the test photos as good as in 32-bit floating point."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

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
    from quality_gate.models.manifest import Precision
    from quality_gate.progress import Reporter
    from quality_gate.settings import ServingSettings

LATENCY_PHOTOS = 25
LATENCY_ROUNDS = 3


@dataclass(frozen=True)
class PrecisionFigures:
    """A model in one precision.

    Attributes:
        metrics: on the test photos.
        coverage: share of the test photos whose answers are accepted, 0..1.
        latency_ms: median time of the network for one photo on one thread, in milliseconds.
        megabytes: size of the network's file.
    """

    metrics: Metrics
    coverage: float
    latency_ms: float
    megabytes: float


@dataclass(frozen=True)
class PrecisionComparison:
    """A model in both precisions, and whether 8 bits are good enough.

    Attributes:
        figures: of each precision.
        verdict: the rules for 8-bit integers.
    """

    figures: dict[Precision, PrecisionFigures]
    verdict: GateResult


def compare_precisions(
    folders: Mapping[Precision, Path],
    float32_probabilities: NDArray[np.float64],
    test: PhotoSet,
    settings: ServingSettings,
    reporter: Reporter,
) -> PrecisionComparison:
    """Measure a calibrated model in both precisions.

    Args:
        folders: the model folder of each precision, each with its own temperature and certificate.
        float32_probabilities: the answers in floating point that the gate has judged, shape (test photos, classes).
        test: the test photos.
        settings: what is demanded of 8-bit integers.
        reporter: told how far it is.
    """
    models = {precision: OnnxClassifier(folder) for precision, folder in folders.items()}
    logits = predict_logits(models["int8"], test, reporter, "test in 8 bits")
    answers: dict[Precision, NDArray[np.float64]] = {
        "float32": float32_probabilities,
        "int8": softmax(logits, models["int8"].manifest.temperature),
    }
    latency = _latencies_ms(models, test)
    accepted = {precision: _accepted(model, answers[precision]) for precision, model in models.items()}
    numbers = {precision: model.manifest.answer(answers[precision])[0] for precision, model in models.items()}
    same_label = numbers["float32"] == numbers["int8"]
    agreement = float((same_label & (accepted["float32"] == accepted["int8"])).mean())
    figures = {
        precision: PrecisionFigures(
            metrics=compute_metrics(test.labels, answers[precision], test.classes),
            coverage=float(accepted[precision].mean()),
            latency_ms=latency[precision],
            megabytes=(folders[precision] / model.manifest.network_file).stat().st_size / 1e6,
        )
        for precision, model in models.items()
    }
    return PrecisionComparison(figures, _verdict(figures["float32"], figures["int8"], agreement, settings))


def _verdict(
    float32: PrecisionFigures, int8: PrecisionFigures, agreement: float, settings: ServingSettings
) -> GateResult:
    ratio = int8.latency_ms / float32.latency_ms
    lost_f1 = exact_difference(float32.metrics.macro_f1 - int8.metrics.macro_f1)
    lost_brier = exact_difference(int8.metrics.brier - float32.metrics.brier)
    return GateResult(
        (
            limit_rule("time of an answer against 32 bits", ratio, "at most", settings.max_latency_ratio),
            limit_rule("macro F1 lost", lost_f1, "at most", settings.max_loss),
            limit_rule("Brier score lost", lost_brier, "at most", settings.max_loss),
            limit_rule("same label and decision", agreement, "at least", settings.min_agreement),
        )
    )


def _accepted(model: OnnxClassifier, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.array([model.decide(row).decision == "accept" for row in probabilities], dtype=bool)


def _latencies_ms(models: Mapping[Precision, OnnxClassifier], photos: PhotoSet) -> dict[Precision, float]:
    """Median time of each network for one photo, in milliseconds; in turn, so that other work falls on both alike."""
    times: dict[Precision, list[float]] = {precision: [] for precision in models}
    spec = next(iter(models.values())).manifest.preprocessing
    tensors = [preprocess(photo, spec)[None] for photo in islice(photos.read(), LATENCY_PHOTOS)]
    for tensor in tensors * LATENCY_ROUNDS:
        for precision, model in models.items():
            start = time.perf_counter()
            model.logits(tensor)
            times[precision].append(time.perf_counter() - start)
    return {precision: 1000 * statistics.median(found) for precision, found in times.items()}
