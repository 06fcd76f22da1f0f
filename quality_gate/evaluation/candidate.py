"""Everything the gate wants to know of a candidate, measured on the test photos."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import metric_intervals, paired_difference
from quality_gate.evaluation.measured import Measured
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.evaluation.predictions import member_probabilities, predict_logits
from quality_gate.evaluation.scores import (
    ChampionComparison,
    CrossValidation,
    Evaluation,
    Margin,
    MemberScores,
    RollingTest,
    Scores,
)
from quality_gate.evaluation.watched import measure_watched
from quality_gate.inference import OnnxClassifier, average_views, softmax
from quality_gate.models.manifest import ONNX_FILE, ModelManifest
from quality_gate.preprocess import preprocess

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.models.folder import ModelFolder
    from quality_gate.progress import Reporter
    from quality_gate.registry import Champion

EXPORT_CHECK_PHOTOS = 32
LATENCY_PHOTOS = 25


@dataclass(frozen=True)
class _Outcome:
    """What both models answered, and how good that was."""

    candidate: Scores
    champion: ChampionComparison | None
    probabilities: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class _Duel:
    """Candidate and champion, to be held against each other on sets of photos with the same resamples."""

    candidate: OnnxClassifier
    champion: Champion | None
    resamples: int
    seed: int
    reporter: Reporter

    def on(self, photos: PhotoSet, what: str) -> _Outcome:
        """Let both answer the photos, which ``what`` names for a person."""
        answers = _answers(self.candidate, photos, self.reporter, what)
        scores, champion = self.scores(photos, answers), self.champion
        if champion is None:
            return _Outcome(scores, None, {"candidate": answers})
        former = OnnxClassifier(champion.folder)
        classes = former.manifest.classes
        if classes != photos.classes:
            return _Outcome(scores, ChampionComparison(champion.version, classes, None, None), {"candidate": answers})
        its = _answers(former, photos, self.reporter, f"{what}, champion")
        difference = paired_difference(
            photos.labels, answers, its, photos.groups, resamples=self.resamples, seed=self.seed
        )
        comparison = ChampionComparison(
            champion.version,
            classes,
            self.scores(photos, its),
            difference,
            coverage_change(answers, self.candidate.manifest, its, former.manifest),
        )
        return _Outcome(scores, comparison, {"candidate": answers, "champion": its})

    def scores(self, photos: PhotoSet, answers: NDArray[np.float64]) -> Scores:
        """Metrics of answers, shape (photos, classes), with their intervals."""
        labels, classes = photos.labels, photos.classes
        return Scores(
            compute_metrics(labels, answers, classes),
            metric_intervals(labels, answers, classes, photos.groups, resamples=self.resamples, seed=self.seed),
        )


def coverage_change(
    answers: NDArray[np.float64],
    manifest: ModelManifest,
    former_answers: NDArray[np.float64],
    former_manifest: ModelManifest,
) -> float | None:
    """How much larger a share of the same photos a model accepts than a former one, in -1..1.

    Args:
        answers: probabilities, shape (photos, classes).
        manifest: which of them are accepted.
        former_answers: the same of the former model.
        former_manifest: the same of the former model.

    Returns:
        None where the two promise different things: whoever promises more must accept less.
    """
    promise = _promise(manifest)
    if promise is None or promise != _promise(former_manifest):
        return None
    return _coverage(answers, manifest) - _coverage(former_answers, former_manifest)


def _promise(manifest: ModelManifest) -> tuple[object, ...] | None:
    """All that is promised of the accepted answers, and of the class that must not be missed."""
    routing, watched = manifest.routing, manifest.watched
    if routing is None:
        return None
    return (routing.alpha, routing.delta, (watched.label, watched.min_recall) if watched else None)


def _coverage(answers: NDArray[np.float64], manifest: ModelManifest) -> float:
    routing = manifest.routing
    assert routing is not None
    return float(np.mean([routing.decide(confidence) == "accept" for confidence in manifest.answer(answers)[1]]))


def _answers(classifier: OnnxClassifier, photos: PhotoSet, reporter: Reporter, what: str) -> NDArray[np.float64]:
    return softmax(predict_logits(classifier, photos, reporter, what), classifier.manifest.temperature)


def measure(
    model: ModelFolder,
    baselines: Mapping[str, NDArray[np.float64]],
    champion: Champion | None,
    test: PhotoSet,
    *,
    rolling_test: PhotoSet | None = None,
    cross_validation: CrossValidation | None = None,
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
        rolling_test: reviewed photos of the operation that the candidate has not learnt from, if there are any.
        cross_validation: of the method, if there was one.
        data_digest: of the snapshot.
        resamples: behind every interval.
        seed: of the resamples.
        reporter: told how far it is.
    """
    classifier = OnnxClassifier(model.path)
    manifest = classifier.manifest
    duel = _Duel(classifier, champion, resamples, seed, reporter)
    tested = duel.on(test, "test")
    rolled = duel.on(rolling_test, "rolling test") if rolling_test else None
    assert manifest.routing is not None
    evaluation = Evaluation(
        name=manifest.name,
        classes=test.classes,
        test_photos=len(test),
        data_digest=data_digest,
        candidate=tested.candidate,
        baselines={name: duel.scores(test, answers) for name, answers in baselines.items()},
        champion=tested.champion,
        routing=manifest.routing,
        export_difference=export_difference(model, test),
        model_mb=(model.path / ONNX_FILE).stat().st_size / 1e6,
        latency_ms=latency_ms(model, test),
        watched=measure_watched(test, tested.probabilities["candidate"], manifest.watched, manifest.routing)
        if manifest.watched
        else None,
        cross_validation=cross_validation,
        members=_members(duel, test, tested.probabilities["candidate"]),
        rolling=RollingTest(len(rolling_test), rolled.candidate, rolled.champion) if rolling_test and rolled else None,
    )
    answers = {**tested.probabilities, **baselines}
    return Measured(evaluation, answers, rolled.probabilities if rolled else {})


def _members(duel: _Duel, test: PhotoSet, answers: NDArray[np.float64]) -> tuple[MemberScores, ...]:
    """What each member of an ensemble is worth by itself, and what all of them together have more."""
    members = duel.candidate.manifest.members
    if not members:
        return ()
    each = member_probabilities(duel.candidate, test, duel.reporter)
    found = []
    for place, member in enumerate(members):
        gain = paired_difference(
            test.labels, answers, each[:, place], test.groups, resamples=duel.resamples, seed=duel.seed
        )
        margin = Margin(gain.estimate, gain.interval)
        found.append(MemberScores(member.architecture, member.weight, duel.scores(test, each[:, place]), margin))
    return tuple(found)


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
