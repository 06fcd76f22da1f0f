"""Duels of two models whose true difference is known, drawn from what was observed of real ones.

A pair of models is described by how often, in each class, exactly one of the two is right, how often neither is, and
what they take the class for when they are wrong. The rates below are those of six trainings of the default settings
with the seeds 42 to 47 on the produce photos of the Grocery Store Dataset (707 test photos), averaged over the fifteen
pairs of them; ``python -m benchmarks.gate_power --measure PHOTOS`` measures them anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import paired_difference
from quality_gate.evaluation.gate import champion_rule
from quality_gate.evaluation.scores import ChampionComparison
from quality_gate.settings import GateSettings

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two models of equal worth.

    Attributes:
        classes: names.
        photos: of each class among the test photos, shape (classes,); only their proportions matter.
        one_right: share of the photos of a class that exactly one of the two answers right, shape (classes,).
        none_right: share that neither answers right, both with the same wrong class, shape (classes,).
        taken_for: what the photos of a class (rows) are taken for when the answer is wrong; rows sum to 1 and the
            diagonal is 0, shape (classes, classes).
    """

    classes: tuple[str, ...]
    photos: Array = field(repr=False)
    one_right: Array = field(repr=False)
    none_right: Array = field(repr=False)
    taken_for: Array = field(repr=False)

    @property
    def shares(self) -> Array:
        """Share of each class among the photos, shape (classes,)."""
        shares: Array = self.photos / self.photos.sum()
        return shares

    def joint(self, worse: float = 0.0) -> Array:
        """Probability of the candidate's and the champion's answer for a photo of a class.

        Args:
            worse: by how many times its own errors the candidate errs more, on photos the champion answers right; it
                stays below the share that both answer right.

        Returns:
            Shape (classes, answers of the candidate, answers of the champion).
        """
        every = np.arange(len(self.classes))
        alone = self.one_right / 2
        extra = np.minimum(worse * (alone + self.none_right), 1 - self.one_right - self.none_right)
        joint = np.zeros((len(every),) * 3)
        joint[every, every, every] = 1 - self.one_right - self.none_right - extra
        joint[every, :, every] += (alone + extra)[:, None] * self.taken_for
        joint[every, every, :] += alone[:, None] * self.taken_for
        joint[every[:, None], every, every] += self.none_right[:, None] * self.taken_for
        return joint

    def difference(self, worse: float) -> float:
        """True macro F1 of the candidate minus that of the champion, over endlessly many photos."""
        joint = self.joint(worse)
        return _macro_f1(self.shares, joint.sum(axis=2)) - _macro_f1(self.shares, joint.sum(axis=1))

    def joint_of_difference(self, difference: float) -> Array:
        """The joint answers of a candidate that is truly better (above 0) or worse (below 0) than the champion.

        A better candidate is the champion of the mirrored pair.

        Raises:
            ValueError: no candidate of this pair differs by so much.
        """
        from scipy.optimize import brentq

        most = 50.0
        if abs(difference) >= -self.difference(most):
            raise ValueError(f"difference: expected one that more errors can make, got {difference}")
        worse = brentq(lambda times: self.difference(times) + abs(difference), 0.0, most) if difference else 0.0
        joint = self.joint(worse)
        return joint.transpose(0, 2, 1) if difference > 0 else joint


def _macro_f1(shares: Array, answers: Array) -> float:
    counts = shares[:, None] * answers
    return float((2 * counts.diagonal() / (shares + counts.sum(axis=0))).mean())


def observed_pair(labels: NDArray[np.int64], answers: list[NDArray[np.int64]], classes: tuple[str, ...]) -> Pair:
    """The average pair of some models.

    Args:
        labels: class number of each photo, shape (photos,); every class occurs.
        answers: of two models or more, each of shape (photos,).
        classes: names in the order of the class numbers.
    """
    every = np.arange(len(classes))
    right = np.stack(answers) == labels
    first, second = (right[list(indices)] for indices in zip(*combinations(range(len(answers)), 2), strict=True))
    wrong = np.zeros((len(every),) * 2)
    for each in answers:
        np.add.at(wrong, (labels[each != labels], each[each != labels]), 1.0)
    return Pair(
        classes=classes,
        photos=np.bincount(labels).astype(np.float64),
        one_right=np.array([(first ^ second)[:, labels == label].mean() for label in every]),
        none_right=np.array([(~first & ~second)[:, labels == label].mean() for label in every]),
        taken_for=wrong / np.maximum(wrong.sum(axis=1, keepdims=True), 1),
    )


PRODUCE = Pair(
    classes=("noise", "onion", "potato", "tomato"),
    photos=np.array([500.0, 37.0, 70.0, 100.0]),
    one_right=np.array([0.0165, 0.0793, 0.1248, 0.0373]),
    none_right=np.array([0.0037, 0.1495, 0.1210, 0.0647]),
    taken_for=np.array([[0.0, 0.19, 0.31, 0.50], [0.90, 0.0, 0.10, 0.0], [0.94, 0.0, 0.0, 0.06], [1.0, 0.0, 0.0, 0.0]]),
)


@dataclass(frozen=True)
class Answers:
    """The answers of both models for the test photos of one duel; every array of shape (photos,)."""

    labels: NDArray[np.int64]
    candidate: NDArray[np.int64]
    champion: NDArray[np.int64]
    groups: NDArray[np.int64]


def draw(pair: Pair, joint: Array, photos: int, rng: np.random.Generator, *, copies: int = 1) -> Answers:
    """Draw the test photos of a duel.

    Args:
        pair: the models.
        joint: their answers, as of ``Pair.joint``.
        photos: how many, in whole groups.
        rng: of the draws.
        copies: photos of a duplicate group; all of a group are answered alike. In the produce test 705 of 706 groups
            are single photos.
    """
    count = len(pair.classes)
    cells = (pair.shares[:, None, None] * joint).ravel()
    drawn = rng.choice(len(cells), size=photos // copies, p=cells / cells.sum()).repeat(copies)
    labels, answers = np.divmod(drawn, count**2)
    candidate, champion = np.divmod(answers, count)
    return Answers(labels, candidate, champion, np.arange(photos // copies).repeat(copies))


def accepted(pair: Pair, answers: Answers, settings: GateSettings, *, resamples: int, seed: int) -> bool:
    """Whether the champion rule of the gate lets the candidate pass."""
    certain = np.eye(len(pair.classes))
    difference = paired_difference(
        answers.labels,
        certain[answers.candidate],
        certain[answers.champion],
        answers.groups,
        resamples=resamples,
        seed=seed,
    )
    comparison = ChampionComparison("1", pair.classes, None, difference)
    return champion_rule(comparison, pair.classes, settings).passed is True


def acceptance_rate(
    pair: Pair,
    difference: float,
    photos: int,
    settings: GateSettings,
    *,
    duels: int,
    seed: int,
    resamples: int = 1000,
    copies: int = 1,
) -> float:
    """Share of the duels in which a candidate of a true difference is accepted, in 0..1."""
    joint = pair.joint_of_difference(difference)
    rng = np.random.default_rng(seed)
    verdicts = [
        accepted(pair, draw(pair, joint, photos, rng, copies=copies), settings, resamples=resamples, seed=duel)
        for duel in range(duels)
    ]
    return float(np.mean(verdicts))
