import json
import threading

import pytest

from quality_gate.data.image_facts import audit_bytes
from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE
from quality_gate.inference import OnnxClassifier
from quality_gate.monitoring.database import LogUnavailable
from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.monitoring.prediction import ImageStatistics
from quality_gate.monitoring.prediction_log import PredictionLog, Window
from quality_gate.prediction import streaming

PATHS = ("a.png", "deep/er/b.png", "c.png")


def logged():
    with read_log_settings().open_log() as log:
        return [prediction for page in log.read(Window()) for prediction in page]


@pytest.fixture
def photos(tmp_path, write):
    return write(tmp_path / "photos", *PATHS)


@pytest.fixture
def decoded(monkeypatch):
    """Counts the photos that are decoded."""
    from quality_gate.prediction import answering

    count, lock, decode = [], threading.Lock(), answering.decode

    def counted(data):
        with lock:
            count.append(len(data))
        return decode(data)

    monkeypatch.setattr(answering, "decode", counted)
    return count


def test_every_photo_gets_the_answer_that_the_service_would_give(answer, photos, classifier, record):
    batch = answer(photos)
    assert (batch.gate, batch.model_version, batch.new) == ("visual_quality_gate", "7", 3)
    for one in record(photos).current():
        (expected,) = classifier.predict([(photos / one.path).read_bytes()])
        given = one.prediction
        assert (given.label, given.confidence, dict(given.probabilities)) == (
            expected.label, expected.confidence, expected.probabilities,
        )  # fmt: skip
        assert given.decision == expected.decision


def test_the_log_holds_every_answer_with_the_statistics_of_its_photo(answer, photos):
    answer(photos)
    by_name = {prediction.image_name: prediction for prediction in logged()}
    assert sorted(by_name) == sorted(PATHS)
    facts = audit_bytes((photos / "a.png").read_bytes())
    given = by_name["a.png"]
    assert (given.image_sha256, given.image) == (facts.image_id, ImageStatistics.of(facts))
    assert (given.origin, given.gate, given.model_version, given.threshold) == (
        "batch", "visual_quality_gate", "7", 0.6,
    )  # fmt: skip


def test_a_second_run_answers_only_what_is_new_or_changed(answer, photos, write, encode, decoded, record):
    answer(photos)
    write(photos, "new.png")
    (photos / "a.png").write_bytes(encode(5))
    decoded.clear()
    assert answer(photos).new == len(decoded) == 2
    assert len(logged()) == 5
    assert len(list(record(photos).current())) == 5, "no run was finished, so all are current"


def test_photos_that_people_look_at_are_kept_with_the_reason(answer, photos, home, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_AUDIT_SHARE", "1")
    answer(photos)
    reasons = {"accept": "audit", "review": "review"}
    for given in logged():
        assert (given.review_reason, given.review_share) == (reasons[given.decision], 1.0)
        kept = home.review_photos / given.image_sha256[:2] / given.image_sha256
        assert kept.read_bytes() == (photos / given.image_name).read_bytes()


def test_what_nobody_looks_at_is_not_kept(answer, photos, home, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_AUDIT_SHARE", "0")
    answer(photos)
    reviewed = {given.image_sha256 for given in logged() if given.review_reason == "review"}
    assert reviewed == {given.image_sha256 for given in logged() if given.decision == "review"}
    assert {path.name for path in home.review_photos.glob("*/*")} == reviewed


def test_photos_that_cannot_be_kept_end_a_batch_in_a_sentence(answer, photos, home, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_AUDIT_SHARE", "1")
    home.root.mkdir(parents=True, exist_ok=True)
    home.review_photos.write_text("a file in place of the folder")
    with pytest.raises(UserError, match=r"a photo cannot be kept there .*mend that and run again"):
        answer(photos)


def test_another_champion_answers_all_photos_anew(answer, photos, tmp_path, write_tiny_model):
    answer(photos)
    other = OnnxClassifier(write_tiny_model(tmp_path / "other", version="8", seed=1))
    assert answer(photos, classifier=other).new == 3
    assert sorted(prediction.model_version for prediction in logged()) == ["7"] * 3 + ["8"] * 3


def test_the_same_photo_at_two_paths_is_two_photos(answer, photos):
    (photos / "copy.png").write_bytes((photos / "a.png").read_bytes())
    assert answer(photos).new == 4
    assert len({prediction.id for prediction in logged()}) == 4


def test_answering_again_without_the_record_changes_nothing_in_the_log(answer, photos, home):
    answer(photos)
    before = {prediction.id: prediction for prediction in logged()}
    for file in home.batches("visual_quality_gate").glob("record-*"):
        file.unlink()
    assert answer(photos).new == 3
    assert {prediction.id: prediction for prediction in logged()} == before


def test_a_bad_file_gets_its_reason_and_the_others_their_answers(answer, photos, record):
    (photos / "broken.jpg").write_bytes(b"no photo")
    (photos / "empty.png").write_bytes(b"")
    answer(photos)
    assert {bad.path: bad.problem for bad in record(photos).bad()} == {
        "broken.jpg": "not a photo in one of the formats JPEG, PNG, WEBP, BMP",
        "empty.png": "the file is empty",
    }
    assert len(logged()) == 3


def test_a_bad_file_that_was_mended_is_answered_and_no_longer_bad(answer, photos, encode, record):
    (photos / "broken.png").write_bytes(b"no photo")
    answer(photos)
    (photos / "broken.png").write_bytes(encode(9))
    assert answer(photos).new == 1
    assert list(record(photos).bad()) == []


def test_photos_behind_a_url_are_read_like_those_of_a_folder(answer, encode, record):
    from fsspec import filesystem

    system = filesystem("memory")
    system.store.clear()
    for number in range(5):
        system.pipe(f"/belt/{number}.png", encode(number))
    system.pipe("/belt/.hidden.png", encode(7))
    system.pipe("/belt/notes.txt", b"no photo, and does not say so")
    try:
        assert answer("memory://belt").new == 5
        assert answer("memory://belt").new == 0
        assert [one.path for one in record("memory://belt").current()] == [f"{number}.png" for number in range(5)]
    finally:
        system.store.clear()


def test_progress_begins_with_nothing_and_ends_with_all(answer, photos, reporter):
    answer(photos, reporter=reporter)
    assert reporter.moves[-1] == (3, 3)
    assert all(done < total for done, total in reporter.moves[:-1])


def test_an_empty_inbox_is_no_mistake_and_is_made(answer, home, reporter):
    batch = answer("inbox", reporter=reporter)
    assert (batch.new, home.inbox.is_dir(), reporter.moves) == (0, True, [])


def test_a_file_that_may_still_be_on_its_way_waits_for_the_next_run(answer, home, write):
    write(home.inbox, "late.png")
    batch = answer("inbox", settle_seconds=3600)
    assert (batch.new, batch.on_their_way) == (0, 1)
    assert answer("inbox").new == 1


def test_only_files_of_the_inbox_are_waited_for(answer, photos):
    assert answer(photos, settle_seconds=3600).new == 3


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "{path} does not exist; expected a folder of photos, or the URL of one."),
        (lambda path: path.write_bytes(b"x"), "{path} is a file; expected a folder of photos, or the URL of one."),
        (
            lambda path: path.mkdir(),
            "{path}: there are no photos; expected files such as .jpg or .png in it or below.",
        ),
    ],
)
def test_a_source_without_photos_is_told_in_one_sentence(answer, tmp_path, make, sentence):
    path = tmp_path / "source"
    make(path)
    with pytest.raises(UserError) as caught:
        answer(path)
    assert caught.value.message == sentence.format(path=path)


def test_a_database_that_is_away_stops_the_run_before_any_photo(answer, photos, decoded, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://gate:secret@127.0.0.1:9/log")
    with pytest.raises(
        UserError, match=r"^The prediction log cannot be used: .*; mend that and run again\.$"
    ) as caught:
        answer(photos)
    assert "secret" not in caught.value.message
    assert decoded == []


class AwayLog:
    """A log whose database goes away after it was opened."""

    name = "sqlite:///away.db"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, predictions):
        raise LogUnavailable("sqlite:///away.db: gone")


def test_a_database_that_goes_away_keeps_the_answers_for_the_next_run(answer, photos, decoded, monkeypatch):
    monkeypatch.setattr(streaming, "LOGGED_TOGETHER", 1)
    monkeypatch.setattr(streaming, "RECORDED_TOGETHER", 1)
    with monkeypatch.context() as away:
        away.setattr(PredictionLog, "open", lambda url: AwayLog())
        with pytest.raises(
            UserError, match=r"gone; mend that and run again: the answers wait in .*none is given twice"
        ):
            answer(photos)
    assert len(decoded) == 3
    assert answer(photos).new == 0
    assert len(logged()) == 3
    assert len(decoded) == 3


def test_a_log_that_refuses_answers_is_told_and_they_are_kept(answer, photos, monkeypatch, record):
    from quality_gate.monitoring.prediction_log import Refusal

    monkeypatch.setattr(PredictionLog, "write", lambda self, rows: [Refusal(row, "too long") for row in rows])
    with pytest.raises(UserError, match=r"does not take 3 answers, the first because: too long; they are kept in "):
        answer(photos)
    assert len(record(photos).waiting(10)) == 3


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, UserError("a server stopped answering")])
def test_what_was_answered_before_an_interruption_is_kept(answer, photos, decoded, monkeypatch, interruption):
    from quality_gate.prediction.answering import PhotoAnswerer

    outcomes = PhotoAnswerer.outcomes

    def interrupted(self, *arguments, **options):
        for number, outcome in enumerate(outcomes(self, *arguments, **options)):
            if number == 2:
                raise interruption
            yield outcome

    with monkeypatch.context() as broken:
        broken.setattr(PhotoAnswerer, "outcomes", interrupted)
        with pytest.raises((KeyboardInterrupt, UserError)):
            answer(photos)
    decoded.clear()
    assert answer(photos).new == len(decoded) == 1
    assert len(logged()) == 3


def test_each_answer_is_logged_once_on_every_database(answer, photos, database_url, monkeypatch, write):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", database_url)
    answer(photos)
    write(photos, "d.png")
    answer(photos)
    assert sorted(prediction.image_name for prediction in logged()) == sorted([*PATHS, "d.png"])


def test_the_batch_travels_as_json(answer, photos):
    batch = answer(photos)
    assert type(batch).from_json(json.loads(json.dumps(batch.to_json()))) == batch


def test_a_full_disk_is_told_in_one_sentence(answer, photos, write, monkeypatch):
    from quality_gate.prediction.record import Record

    opened = Record.__init__

    def small(self, path):
        opened(self, path)
        self._connection.execute("PRAGMA max_page_count = 1")

    monkeypatch.setattr(Record, "__init__", small)
    write(photos, *(f"{number:0200}.png" for number in range(20)))
    with pytest.raises(UserError, match=rf"the disk is full; free some space, or set {HOME_VARIABLE} "):
        answer(photos)
