from datetime import timedelta

import pytest

from quality_gate.review.intake import ReviewIntake
from quality_gate.review.photos import PhotoStore


@pytest.fixture
def photos(tmp_path):
    return PhotoStore(tmp_path / "photos", max_bytes=100, retention=timedelta(days=10))


def test_what_goes_to_review_is_reviewed_whatever_is_drawn(photos):
    assert ReviewIntake(photos, 0.0, random=lambda: 0.999).draw("review") == ("review", 1.0)


def test_the_share_of_the_accepted_is_drawn(photos):
    numbers = iter([0.0, 0.0099, 0.01, 0.5, 0.999])
    intake = ReviewIntake(photos, 0.01, random=lambda: next(numbers))
    assert [intake.draw("accept") for _ in range(5)] == [("audit", 0.01)] * 2 + [(None, None)] * 3


@pytest.mark.parametrize(("share", "expected"), [(0.0, {(None, None)}), (1.0, {("audit", 1.0)})])
def test_none_and_all_can_be_asked_for(photos, share, expected):
    intake = ReviewIntake(photos, share)
    assert {intake.draw("accept") for _ in range(1000)} == expected


def test_a_photo_is_kept(photos):
    ReviewIntake(photos, 0.0).keep("a" * 64, b"photo")
    assert photos.read("a" * 64) == b"photo"
