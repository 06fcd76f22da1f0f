"""Everything the gate wants to know of a candidate, measured on the test photos."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import metric_intervals, paired_difference
from quality_gate.evaluation.measured import Measured
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.evaluation.scores import ChampionComparison, Evaluation, Scores
from quality_gate.inference import OnnxClassifier, average_views, softmax
from quality_gate.models.manifest import ONNX_FILE
from quality_gate.preprocess import preprocess

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.models.folder import ModelFolder
    from quality_gate.progress import Reporter
    from quality_gate.registry import Champion

EXPORT_CHECK_PHOTOS = 32
LATENCY_PHOTOS = 25


def measure(
    model: ModelFolder,
    baselines: Mapping[str, NDArray[np.float64]],
    champion: Champion | None,
    test: PhotoSet,
    *,
    data_digest: str,
    resamples: int,
    seed: int,
    reporter: Reporter,
) -> Measured:
    """Measure a candidate, its baselines and the champion on the same photos and the same resamples.

    Args:
        model: the candidate; its exported network is measured, the one that is served.
        baselines: probabilities of each baseline by name, shape (test photos, classes).
        champion: the model in production; None while there is none.
        test: the test photos.
        data_digest: of the snapshot.
        resamples: behind every interval.
        seed: of the resamples.
        reporter: told how far it is.
    """
    classifier = OnnxClassifier(model.path)
    manifest = classifier.manifest

    def score(probabilities: NDArray[np.float64]) -> Scores:
        return Scores(
            compute_metrics(test.labels, probabilities, test.classes),
            metric_intervals(test.labels, probabilities, test.classes, test.groups, resamples=resamples, seed=seed),
        )

    candidate = softmax(predict_logits(classifier, test, reporter, "test"), manifest.temperature)
    probabilities = {"candidate": candidate, **baselines}
    comparison = None
    if champion is not None:
        former = OnnxClassifier(champion.folder)
        comparison = ChampionComparison(champion.version, former.manifest.classes, None, None)
        if former.manifest.classes == test.classes:
            logits = predict_logits(former, test, reporter, "test, champion")
            answers = probabilities["champion"] = softmax(logits, former.manifest.temperature)
            difference = paired_difference(test.labels, candidate, answers, test.groups, resamples=resamples, seed=seed)
            comparison = ChampionComparison(champion.version, former.manifest.classes, score(answers), difference)
    assert manifest.routing is not None
    evaluation = Evaluation(
        name=manifest.name,
        classes=test.classes,
        test_photos=len(test),
        data_digest=data_digest,
        candidate=score(candidate),
        baselines={name: score(answers) for name, answers in baselines.items()},
        champion=comparison,
        routing=manifest.routing,
        export_difference=export_difference(model, test),
        model_mb=(model.path / ONNX_FILE).stat().st_size / 1e6,
        latency_ms=latency_ms(model, test),
    )
    return Measured(evaluation, probabilities)


def export_difference(model: ModelFolder, photos: PhotoSet) -> float:
    """Largest difference of a probability, 0..1, between the trained network in torch and the exported one."""
    import torch

    from quality_gate.models.checkpoint import load_network

    classifier = OnnxClassifier(model.path)
    spec, temperature = classifier.manifest.preprocessing, classifier.manifest.temperature
    tensors = np.stack([preprocess(photo, spec) for photo in islice(photos.read(), EXPORT_CHECK_PHOTOS)])
    with torch.inference_mode():
        trained = load_network(model.path)(torch.from_numpy(tensors.reshape(-1, *tensors.shape[2:]))).numpy()
    logits = average_views(trained.reshape(*tensors.shape[:2], -1))
    return float(np.abs(softmax(logits, temperature) - classifier.probabilities(tensors)).max())


def latency_ms(model: ModelFolder, photos: PhotoSet) -> float:
    """Median time from the bytes of one photo to its answer, on one thread, in milliseconds."""
    classifier = OnnxClassifier(model.path)
    times = []
    for photo in islice(photos.read(), LATENCY_PHOTOS):
        start = time.perf_counter()
        classifier.predict([photo])
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000)
