import io
from uuid import UUID

import pytest
from PIL import Image

from quality_gate.monitoring.prediction import ImageStatistics, Prediction
from quality_gate.prediction.answering import Outcome
from quality_gate.prediction.batch import Batch
from quality_gate.prediction.record import Record
from quality_gate.prediction.summary import BatchSummary
from quality_gate.reports.batch_page import LISTED_BAD_FILES, batch_page

SHA256 = "a" * 64


def outcome(number, *, label="onion", decision="review", problem="", now=None):
    key, path = UUID(int=number + 1), f"belt/{number}.png"
    if problem:
        return Outcome(key, path, SHA256, problem, None)
    answer = Prediction(
        id=key, time=now, image_sha256=SHA256, image_name=path, gate="produce", model_version="7", label=label,
        probabilities={"onion": 0.5, "potato": 0.5}, confidence=0.5, decision=decision, threshold=0.6, latency_ms=1.0,
        origin="batch", image=ImageStatistics(8, 8, 1.0, 0.5, 0.1, 0.5, 0.5, 0.5, 1.0),
    )  # fmt: skip
    return Outcome(key, path, SHA256, "", answer)


@pytest.fixture
def page(tmp_path):
    """Makes the page of outcomes."""
    from datetime import UTC, datetime

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(buffer, "PNG")

    def make(*kinds, read=lambda path: buffer.getvalue(), review_photos=24, share=0.5, **changes):
        now = datetime(2026, 3, 4, tzinfo=UTC)
        whole = {"source": "/photos", "new": sum("problem" not in kind for kind in kinds), "on_their_way": 0}
        batch = Batch("produce", model_version="7", classes=("onion", "potato"), record="", **whole | changes)
        with Record(tmp_path / "record.db") as record:
            record.keep([outcome(number, now=now, **kind) for number, kind in enumerate(kinds)])
            summary = BatchSummary.of(record)
            return batch_page(batch, summary, record, read, review_photos=review_photos, max_unreadable_share=share)

    return make


BAD = {"problem": "<cut off>"}


@pytest.mark.parametrize(
    ("kinds", "headline"),
    [
        ([{}], "Every photo was answered and logged."),
        ([{}, BAD], "Every usable photo was answered and logged."),
        ([{}, BAD, BAD], "66.7% of the files cannot be used."),
        ([], "There were no photos."),
    ],
)
def test_the_page_opens_with_what_came_of_the_photos(page, kinds, headline):
    made = page(*kinds)
    assert headline in made
    assert "/photos, answered by produce:7" in made


def test_the_table_has_every_class_with_its_decisions(page):
    made = page({"decision": "accept"}, {"decision": "accept"}, {})
    row = '<tr><td>onion</td><td class="number">3</td><td class="number">2</td><td class="number">1</td></tr>'
    assert row in made
    assert '<tr><td>potato</td><td class="number">0</td>' in made


def test_only_photos_to_review_are_shown_and_no_more_than_asked_for(page):
    made = page({"decision": "accept"}, *[{}] * 5, review_photos=2)
    assert made.count('<figure class="photo">') == 2
    assert "The first 2 of 5" in made
    assert "belt/1.png" in made
    assert "belt/0.png" not in made


@pytest.mark.parametrize("read", [lambda path: None, lambda path: b"replaced"])
def test_a_photo_that_is_gone_or_replaced_is_left_out(page, read):
    made = page({}, read=read)
    assert '<figure class="photo">' not in made
    assert "Every photo was answered and logged." in made


def test_bad_files_are_listed_with_their_reasons_as_text_up_to_a_limit(page):
    made = page(*[BAD] * (LISTED_BAD_FILES + 5), share=1)
    assert made.count("&lt;cut off&gt;") == LISTED_BAD_FILES
    assert f"The first {LISTED_BAD_FILES} of {LISTED_BAD_FILES + 5}" in made


def test_the_page_says_what_was_answered_before_and_what_is_still_arriving(page):
    made = page({}, {}, new=0, source="inbox", on_their_way=3)
    assert 'answered before</span><span class="value">2<' in made
    assert 'still arriving</span><span class="value">3<' in made
