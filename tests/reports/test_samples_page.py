import io
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from quality_gate.data.photo_set import PhotoSet
from quality_gate.reports.samples_page import draw_samples, samples_page


@dataclass(frozen=True)
class PhotosByName:
    by_id: dict[str, bytes]

    def photos(self, image_ids):
        return (self.by_id[image_id] for image_id in image_ids)


@pytest.fixture
def photos():
    """20 photos of three classes."""
    names = tuple(f"{number}.png" for number in range(20))
    snapshot = PhotosByName({name: encoded(number) for number, name in enumerate(names)})
    labels = np.arange(20) % 3
    return PhotoSet(snapshot, names, names, ("onion", "potato", "tomato"), labels, np.arange(20))


def encoded(number):
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), (10 * number, 90, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def answers(labels, wrong, sure=0.9):
    """Probabilities that are right but for the photos in ``wrong``."""
    answered = np.where(np.isin(np.arange(len(labels)), wrong), (labels + 1) % 3, labels)
    return np.where(np.arange(3) == answered[:, None], sure, (1 - sure) / 2)


def test_right_and_wrong_answers_are_shown_apart_with_truth_and_confidence(photos, make_evaluation):
    page = samples_page(photos, answers(photos.labels, [4]), make_evaluation(), seed=0)

    right, wrong = page.split("Answered wrong")
    assert "Answered right: 19 of 20 (95.0%)" in right
    assert right.count("<img") == 16
    assert "1 of 20 (5.0%)" in wrong
    assert wrong.count("<img") == 1
    assert "<strong>tomato</strong>, 90.0%" in wrong
    assert "truth: potato" in wrong
    assert "truth: " not in right
    assert "<script" not in page


def test_what_would_pass_unseen_is_marked(photos, make_evaluation):
    accepted = samples_page(photos, answers(photos.labels, [4]), make_evaluation(), seed=0)
    reviewed = samples_page(photos, answers(photos.labels, [4], sure=0.5), make_evaluation(), seed=0)

    assert accepted.split("Answered wrong")[1].count("> accepted</span>") == 1
    assert "> accepted</span>" not in reviewed
    assert "> to review</span>" in reviewed


def test_a_flawless_model_has_none_that_is_wrong(photos, make_evaluation):
    page = samples_page(photos, answers(photos.labels, []), make_evaluation(), seed=0)

    assert page.split("Answered wrong")[1].count("<img") == 0
    assert "<p>None.</p>" in page


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 5), st.integers(0, 20))
def test_samples_are_different_photos_of_their_kind_as_many_as_there_are(correct, seed, most):
    correct = np.array(correct)

    right, wrong = draw_samples(correct, seed, most)

    assert len(right) == min(most, correct.sum())
    assert len(wrong) == min(most, (~correct).sum())
    assert correct[right].all()
    assert not correct[wrong].any()
    assert len({*right, *wrong}) == len(right) + len(wrong)


def test_the_seed_decides_which():
    correct = np.ones(100, dtype=bool)

    assert draw_samples(correct, 1)[0].tolist() == draw_samples(correct, 1)[0].tolist()
    assert draw_samples(correct, 1)[0].tolist() != draw_samples(correct, 2)[0].tolist()
