import io
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from quality_gate.models.watched_class import WatchedClass
from quality_gate.preprocess import PreprocessingSpec, UnreadableImage
from quality_gate.reports.error_photos import Evidence, WorstError, errors_by_class, gather_errors, worst_errors

CLASSES = ("onion", "potato", "tomato")
SPEC = PreprocessingSpec(16, ("crop",), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def encoded(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(buffer, "PNG")
    return buffer.getvalue()


def size_of(source):
    import base64

    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).size


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1000), photos=st.integers(1, 30), limit=st.integers(0, 40))
def test_of_every_class_the_most_confident_errors_are_shown_each_class_in_turn(seed, photos, limit):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=photos)
    probabilities = rng.dirichlet(np.ones(3), photos).round(1)
    chosen = worst_errors(labels, probabilities.argmax(axis=1), probabilities.max(axis=1), limit)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    confidence = probabilities.max(axis=1)
    assert set(chosen) <= set(wrong)
    assert len(set(chosen)) == len(chosen) == min(limit, len(wrong))
    shown, all_wrong = Counter(labels[chosen].tolist()), Counter(labels[wrong].tolist())
    for label, count in all_wrong.items():
        of_class = chosen[labels[chosen] == label]
        assert (np.diff(confidence[of_class]) <= 0).all()
        left = np.setdiff1d(wrong[labels[wrong] == label], of_class)
        assert not len(left) or not len(of_class) or confidence[left].max() <= confidence[of_class].min()
        # A class has fewer than another only where it has no more errors, or the limit came in between.
        assert shown[label] >= min(count, max(shown.values(), default=0) - 1)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), limit=st.integers(0, 40))
def test_errors_of_the_class_that_comes_first_come_before_all_others(seed, limit):
    rng = np.random.default_rng(seed)
    labels, answered, confidence = rng.integers(3, size=30), rng.integers(3, size=30), rng.random(30)
    chosen = worst_errors(labels, answered, confidence, limit, first=1)
    missed = int(((labels == 1) & (answered != 1)).sum())
    assert (labels[chosen[: min(limit, missed)]] == 1).all()
    assert (labels[chosen[missed:]] != 1).all()
    assert len(chosen) == min(limit, int((labels != answered).sum()))


@pytest.fixture
def held_out():
    photos = {f"id{index}": encoded((40 * index, 0, 0)) for index in range(4)}
    snapshot = SimpleNamespace(photos=lambda ids: (photos[name] for name in ids))
    return SimpleNamespace(
        labels=np.array([0, 0, 1, 2]),
        classes=CLASSES,
        image_ids=tuple(photos),
        paths=tuple(f"{index}.jpg" for index in range(4)),
        snapshot=snapshot,
    )


PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7], [0.0, 0.1, 0.9]])


class Explains:
    """Says for a class that the first or the last place speaks for it."""

    def __init__(self):
        self.asked = []

    def maps(self, tensor, classes):
        self.asked.append((tensor.shape, tuple(classes)))
        return tuple(np.eye(4)[::-1] if index else np.eye(4) for index in classes)


def test_errors_are_gathered_with_their_answers(held_out):
    first, second = gather_errors(held_out, PROBABILITIES, SPEC, None, limit=5)
    assert (first.path, first.true_label, first.predicted_label, first.confidence) == ("2.jpg", "potato", "tomato", 0.7)
    assert first.best == (("tomato", 0.7), ("potato", 0.2), ("onion", 0.1))
    assert first.photo == encoded((80, 0, 0))
    assert second.path == "1.jpg"
    assert first.evidence is None


def test_missed_photos_of_the_watched_class_come_first_and_what_it_raised_is_an_error_too(held_out):
    watched = WatchedClass("onion", 0.9, 0.05, 40, 4)
    explainer = Explains()
    errors = gather_errors(held_out, PROBABILITIES, SPEC, explainer, limit=5, watched=watched)
    assert [(error.path, error.predicted_label, error.confidence) for error in errors] == [("2.jpg", "onion", 0.1)]
    assert explainer.asked == [((3, 16, 16), (0, 1))]
    missing = gather_errors(held_out, PROBABILITIES, SPEC, None, limit=5, watched=replace(watched, threshold=0.5))
    assert [error.true_label for error in missing] == ["onion", "potato"]


def test_evidence_is_for_the_answer_and_for_the_truth(held_out):
    explainer = Explains()
    errors = gather_errors(held_out, PROBABILITIES, SPEC, explainer, limit=5)
    assert explainer.asked == [((3, 16, 16), (2, 1)), ((3, 16, 16), (1, 0))]
    last = errors[1].evidence
    assert last.answer != last.truth
    assert Image.open(io.BytesIO(last.answer)).size == (16, 16)


def test_it_is_told_how_many_errors_are_explained(held_out):
    told = []
    gather_errors(held_out, PROBABILITIES, SPEC, Explains(), limit=5, on_progress=lambda *move: told.append(move))
    assert told == [(1, 2), (2, 2)]


def test_a_photo_without_maps_has_no_evidence(held_out):
    explainer = SimpleNamespace(maps=lambda tensor, classes: None)
    assert gather_errors(held_out, PROBABILITIES, SPEC, explainer, limit=1)[0].evidence is None


def error(label, **changes):
    values = {
        "photo": encoded("red"), "path": "a.jpg", "true_label": label, "predicted_label": "potato", "confidence": 0.9,
        "best": (("potato", 0.9),), "evidence": None,
    }  # fmt: skip
    return WorstError(**values | changes)


def test_errors_are_arranged_by_class_with_what_is_not_shown_counted():
    counts = np.array([[5, 3, 0], [0, 4, 0], [0, 1, 9]])
    rows = errors_by_class((error("tomato"), error("onion"), error("onion", path="b.jpg")), counts, CLASSES)
    assert [(row.label, row.photos, row.wrong, len(row.shown)) for row in rows] == [
        ("onion", 8, 3, 2),
        ("tomato", 10, 1, 1),
    ]


def test_the_class_that_comes_first_is_arranged_before_the_others():
    rows = errors_by_class((error("onion"), error("tomato")), np.ones((3, 3), dtype=np.int64), CLASSES, "tomato")
    assert [row.label for row in rows] == ["tomato", "onion"]


def test_pictures_are_small_however_large_the_photo_is():
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    large = buffer.getvalue()
    one = error("onion", photo=large, evidence=Evidence(large, large))
    (row,) = errors_by_class((one,), np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]]), CLASSES)
    (shown,) = row.shown
    assert size_of(shown.photo) == (232, 174)
    assert size_of(shown.for_answer) == size_of(shown.for_truth) == (184, 138)
    # Noise is the worst a photo can be: with 200 such errors a page stays below 20 MB.
    assert len(shown.photo + shown.for_answer + shown.for_truth) < 100_000


def test_a_photo_that_cannot_be_decoded_is_an_error():
    with pytest.raises(UnreadableImage):
        errors_by_class((error("onion", photo=b"none"),), np.ones((3, 3), dtype=np.int64), CLASSES)
