"""All that was measured of a candidate on the test photos; the gate and the report read nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import Interval, PairedDifference
from quality_gate.evaluation.metrics import Metrics
from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.models.watched_class import answer
from quality_gate.step_value import StepValue


@dataclass(frozen=True)
class Scores:
    """One model on the test photos.

    Attributes:
        metrics: the figures.
        intervals: 95% bootstrap interval of each scalar metric, and of ``recall:<class>``.
    """

    metrics: Metrics
    intervals: dict[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "metrics": self.metrics.to_json(),
            "intervals": {name: interval.to_json() for name, interval in self.intervals.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Scores:
        """Rebuild scores from :meth:`to_json`."""
        intervals = {name: Interval.from_json(interval) for name, interval in values["intervals"].items()}
        return cls(Metrics.from_json(values["metrics"]), intervals)


@dataclass(frozen=True)
class ChampionComparison:
    """The champion beside the candidate.

    Attributes:
        version: of the champion in the registry.
        classes: of the champion.
        scores: of the champion on the same photos; None where its classes are others.
        difference: macro F1 of the candidate minus that of the champion, on the same resamples; None likewise.
        coverage_change: share of the photos that the candidate accepts minus the share that the champion does; None
            likewise, and where they promise different things.
    """

    version: str
    classes: tuple[str, ...]
    scores: Scores | None
    difference: PairedDifference | None
    coverage_change: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        difference = self.difference
        return {
            "version": self.version,
            "classes": list(self.classes),
            "scores": self.scores.to_json() if self.scores else None,
            "difference": {**asdict(difference), "interval": difference.interval.to_json()} if difference else None,
            "coverage_change": self.coverage_change,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ChampionComparison:
        """Rebuild a comparison from :meth:`to_json`."""
        scores, difference = values["scores"], values["difference"]
        return cls(
            values["version"],
            tuple(values["classes"]),
            Scores.from_json(scores) if scores else None,
            PairedDifference(**{**difference, "interval": Interval.from_json(difference["interval"])})
            if difference
            else None,
            # Comparisons written before coverage was compared have none.
            values.get("coverage_change"),
        )


@dataclass(frozen=True)
class RollingTest:
    """The candidate and the champion on reviewed photos of the operation that neither has learnt from.

    Attributes:
        photos: measured on; a class without a photo among them counts 0 in macro figures.
        candidate: the model that wants to go into production.
        champion: the model in production; None while there is none.
    """

    photos: int
    candidate: Scores
    champion: ChampionComparison | None

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "photos": self.photos,
            "candidate": self.candidate.to_json(),
            "champion": self.champion.to_json() if self.champion else None,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RollingTest:
        """Rebuild the figures from :meth:`to_json`."""
        champion = values["champion"]
        return cls(
            values["photos"],
            Scores.from_json(values["candidate"]),
            ChampionComparison.from_json(champion) if champion else None,
        )


@dataclass(frozen=True)
class Margin:
    """Macro F1 of the candidate minus that of another model on the same photos, with its 95% interval."""

    estimate: float
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        """The margin as plain JSON values."""
        return {"estimate": self.estimate, "interval": self.interval.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Margin:
        """Rebuild a margin from :meth:`to_json`."""
        return cls(values["estimate"], Interval.from_json(values["interval"]))


@dataclass(frozen=True)
class MemberScores:
    """A member of an ensemble by itself, with its own temperature, on the test photos.

    Attributes:
        architecture: name of its network.
        weight: share of its probabilities in those of the ensemble, above 0 and at most 1.
        scores: the figures.
        gain: what the ensemble has more.
    """

    architecture: str
    weight: float
    scores: Scores
    gain: Margin

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**asdict(self), "scores": self.scores.to_json(), "gain": self.gain.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> MemberScores:
        """Rebuild the figures from :meth:`to_json`."""
        changed = {"scores": Scores.from_json(values["scores"]), "gain": Margin.from_json(values["gain"])}
        return cls(**{**values, **changed})


@dataclass(frozen=True)
class CrossValidation(StepValue):
    """What cross-validation says.

    Attributes:
        folds: of each repeat.
        repeats: how often the photos were dealt anew.
        photos: tested in every repeat.
        scores: of each method by name, ``candidate`` first; intervals of macro F1, Brier score, calibration error and
            the recall of each class.
        margins: over each baseline by name.
    """

    folds: int
    repeats: int
    photos: int
    scores: dict[str, Scores]
    margins: dict[str, Margin]

    @property
    def candidate(self) -> Scores:
        """Of the method that the candidate is trained by."""
        return self.scores["candidate"]

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "folds": self.folds,
            "repeats": self.repeats,
            "photos": self.photos,
            "scores": {name: scores.to_json() for name, scores in self.scores.items()},
            "margins": {name: margin.to_json() for name, margin in self.margins.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CrossValidation:
        """Rebuild the figures from :meth:`to_json`."""
        scores = {name: Scores.from_json(each) for name, each in values["scores"].items()}
        margins = {name: Margin.from_json(each) for name, each in values["margins"].items()}
        return cls(values["folds"], values["repeats"], values["photos"], scores, margins)


@dataclass(frozen=True)
class Evaluation:
    """The candidate, the models it must beat, and what serving it costs.

    Attributes:
        name: the gate.
        classes: labels in the order of the probabilities.
        test_photos: photos measured on.
        data_digest: of the snapshot.
        candidate: the model that wants to go into production.
        baselines: the models it must beat, by name.
        champion: the model in production; None while there is none.
        routing: the candidate's certificate.
        export_difference: largest difference of a probability between the trained and the exported model, 0..1.
        model_mb: size of the exported model, in megabytes.
        latency_ms: median time to answer one photo on one thread, in milliseconds.
        rolling: the same two models on reviewed photos of the operation; None where there are none.
        watched: the class that must not be missed; None where no class is watched.
        cross_validation: of the method; None where the test photos are all there is.
        members: of the candidate, where it is an ensemble.
    """

    name: str
    classes: tuple[str, ...]
    test_photos: int
    data_digest: str
    candidate: Scores
    baselines: dict[str, Scores]
    champion: ChampionComparison | None
    routing: RoutingCertificate
    export_difference: float
    model_mb: float
    latency_ms: float
    rolling: RollingTest | None = None
    watched: WatchedScores | None = None
    cross_validation: CrossValidation | None = None
    members: tuple[MemberScores, ...] = ()

    def answer(self, probabilities: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What the candidate answers in service: class numbers and confidences, each of shape (photos,).

        Args:
            probabilities: calibrated, shape (photos, classes).
        """
        return answer(probabilities, self.classes, self.watched.chosen if self.watched else None)

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain JSON values."""
        return {
            **asdict(self),
            "candidate": self.candidate.to_json(),
            "baselines": {name: scores.to_json() for name, scores in self.baselines.items()},
            "champion": self.champion.to_json() if self.champion else None,
            "rolling": self.rolling.to_json() if self.rolling else None,
            "watched": self.watched.to_json() if self.watched else None,
            "cross_validation": self.cross_validation.to_json() if self.cross_validation else None,
            "members": [member.to_json() for member in self.members],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Evaluation:
        """Rebuild an evaluation from :meth:`to_json`."""
        # Evaluations of former versions know no rolling test, no watched class, no cross-validation and no members.
        champion, rolling, watched = values["champion"], values.get("rolling"), values.get("watched")
        crossed = values.get("cross_validation")
        return cls(
            **{
                **values,
                "classes": tuple(values["classes"]),
                "candidate": Scores.from_json(values["candidate"]),
                "baselines": {name: Scores.from_json(scores) for name, scores in values["baselines"].items()},
                "champion": ChampionComparison.from_json(champion) if champion else None,
                "routing": RoutingCertificate(**values["routing"]),
                "rolling": RollingTest.from_json(rolling) if rolling else None,
                "watched": WatchedScores.from_json(watched) if watched else None,
                "cross_validation": CrossValidation.from_json(crossed) if crossed else None,
                "members": tuple(MemberScores.from_json(member) for member in values.get("members", ())),
            }
        )
