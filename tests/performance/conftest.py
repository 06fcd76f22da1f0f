"""A production of which everything is known: photos with their true labels, answers, and who looked at which."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from quality_gate.performance.answers import InspectedAnswer, Volume

CLASSES = ("noise", "onion", "potato", "tomato")
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday


@dataclass(frozen=True)
class Production:
    """A model whose logits are ``signal`` higher for the right class, amid noise of standard deviation 1.

    Attributes:
        shares: of the classes among the photos.
        signal: how well the model tells them apart.
        sharpness: what its logits are multiplied by; its probabilities are right where it is ``signal``.
        threshold: confidence from which answers are accepted.
    """

    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)
    signal: float = 2.2
    sharpness: float = 2.2
    threshold: float = 0.8

    def draw(self, photos, rng):
        """True labels, shape (photos,), and probabilities, shape (photos, classes)."""
        truth = rng.choice(len(self.shares), photos, p=self.shares)
        logits = rng.normal(size=(photos, len(self.shares)))
        logits[np.arange(photos), truth] += self.signal
        logits = self.sharpness * logits + np.log(self.shares)
        likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
        return truth, likelihood / likelihood.sum(axis=1, keepdims=True)

    def week(self, photos, share, rng, *, start=START, version="1"):
        """What people said of a week of photos, and how many answers there were."""
        truth, probabilities = self.draw(photos, rng)
        accepted = probabilities.max(axis=1) >= self.threshold
        seen = ~accepted | (rng.random(photos) < share)
        answers = [
            answer(CLASSES[truth[index]], probabilities[index], accepted[index], share, number=index, version=version,
                   time=start + timedelta(days=7) * (index / photos))
            for index in np.flatnonzero(seen)
        ]  # fmt: skip
        return answers, Volume(int(accepted.sum()), int((~accepted).sum()))


def answer(truth, probabilities, accepted=True, share=0.01, *, number=0, version="1", time=START):
    return InspectedAnswer(
        id=f"answer {number}", time=time, model_version=version, label=CLASSES[int(np.argmax(probabilities))],
        probabilities=dict(zip(CLASSES, map(float, probabilities), strict=True)),
        reason="audit" if accepted else "review", share=share if accepted else 1.0, true_label=truth,
        reviewed_at=None if truth is None else time,
    )  # fmt: skip


@pytest.fixture
def make_answer():
    """Makes a reviewed answer."""
    return answer


@pytest.fixture
def classes():
    return CLASSES


@pytest.fixture
def production():
    """A calibrated model that is right 87 times in 100 and accepts three quarters of its answers."""
    return Production()
