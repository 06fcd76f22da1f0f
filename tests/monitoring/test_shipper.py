import json
import logging
import threading
import time

import pytest

from quality_gate.monitoring.database import LogUnavailable
from quality_gate.monitoring.journal import REFUSED_FILE, SHIPPED_FILE, encode_line, journals, read_shipped
from quality_gate.monitoring.outbox import Outbox
from quality_gate.monitoring.prediction_log import PredictionLog, Refusal, Window
from quality_gate.monitoring.shipper import Shipper

SECONDS = 60.0


class StubLog:
    """A log in memory that fails, and refuses, as a test wants it to."""

    def __init__(self):
        self.written = []
        self.problem = None
        self.refused_labels = ()
        self.opened = 0
        self.allow = threading.Event()
        self.allow.set()

    def open(self):
        self.opened += 1
        if self.problem:
            raise LogUnavailable(self.problem)
        return self

    def write(self, predictions):
        assert self.allow.wait(SECONDS)
        if self.problem:
            raise LogUnavailable(self.problem)
        refused = [one for one in predictions if one.label in self.refused_labels]
        self.written.append([one for one in predictions if one not in refused])
        return [Refusal(one, "no such crop") for one in refused]

    def close(self):
        pass

    @property
    def rows(self):
        return [one for batch in self.written for one in batch]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outbox"


@pytest.fixture
def outbox(folder):
    outbox = Outbox(folder, durability="process_kill")
    yield outbox
    outbox.close()


@pytest.fixture
def log():
    return StubLog()


@pytest.fixture
def start(folder, log):
    """Starts shippers that are quick to look and to try again; they are closed after the test."""
    started = []

    def start(open_log=log.open, **options):
        shipper = Shipper(folder, open_log, **{"poll_seconds": 0.01, "max_wait_seconds": 0.02} | options)
        shipper.start()
        started.append(shipper)
        return shipper

    yield start
    log.allow.set()
    for shipper in started:
        assert shipper.close(SECONDS)


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_appended_comes_into_the_log(outbox, log, start, make_prediction):
    shipper = start()
    predictions = [make_prediction() for _ in range(5)]
    for prediction in predictions:
        outbox.append([prediction])
    assert shipper.flush(SECONDS)
    assert log.rows == predictions
    assert outbox.backlog().rows == 0
    assert shipper.is_active
    assert shipper.problem is None


def test_a_real_database_gets_the_rows(outbox, database_url, start, make_prediction):
    shipper = start(lambda: PredictionLog.open(database_url), batch_rows=2)
    predictions = [make_prediction() for _ in range(5)]
    outbox.append(predictions)
    assert shipper.flush(SECONDS)
    with PredictionLog.open(database_url) as real:
        assert next(real.read(Window())) == predictions[::-1]


def test_batches_are_no_larger_than_they_may_be(outbox, log, start, make_prediction):
    outbox.append([make_prediction() for _ in range(7)])
    assert start(batch_rows=3).flush(SECONDS)
    assert [len(batch) for batch in log.written] == [3, 3, 1]


def test_nothing_is_shipped_twice(outbox, log, start, make_prediction):
    shipper = start()
    for _ in range(20):
        outbox.append([make_prediction()])
        assert shipper.flush(SECONDS)
    assert len(log.rows) == 20


def test_what_others_left_behind_is_shipped_and_its_journals_removed(folder, log, start, make_prediction):
    predictions = [make_prediction() for _ in range(3)]
    for prediction in predictions:
        dead = Outbox(folder)
        dead.append([prediction])
        dead.close()
    assert start().flush(SECONDS)
    wait_until(lambda: not journals(folder))
    assert log.rows == predictions
    wait_until(lambda: read_shipped(folder) == {})


def test_the_journal_of_a_living_process_stays(outbox, folder, log, start, make_prediction):
    outbox.append([make_prediction()])
    shipper = start()
    assert shipper.flush(SECONDS)
    assert len(journals(folder)) == 1
    outbox.close()
    wait_until(lambda: not journals(folder))
    assert len(log.rows) == 1


def test_a_line_that_was_cut_off_was_never_acknowledged_and_is_left_out(folder, log, start, make_prediction):
    whole, half = make_prediction(), encode_line(make_prediction().to_json())[:-20]
    folder.mkdir()
    (folder / "0001.journal").write_bytes(encode_line(whole.to_json()) + half)
    start()
    wait_until(lambda: not journals(folder))
    assert log.rows == [whole]
    assert not (folder / REFUSED_FILE).exists()


def test_a_damaged_line_is_set_aside_with_the_reason(folder, outbox, log, start, make_prediction, caplog):
    first, last = make_prediction(), make_prediction()
    damaged = encode_line(make_prediction().to_json()).replace(b"potato", b"tomato", 1)
    (folder / "0001.journal").write_bytes(encode_line(first.to_json()) + damaged + encode_line(last.to_json()))
    with caplog.at_level(logging.ERROR):
        start()
        wait_until(lambda: not journals(folder))
    assert log.rows == [first, last]
    (refused,) = map(json.loads, (folder / REFUSED_FILE).read_text().splitlines())
    assert refused["reason"] == "damaged: the checksum does not fit"
    assert refused["record"].encode() == damaged
    assert outbox.backlog().refused == 1
    assert "1 predictions cannot be logged and were set aside" in caplog.text


def test_a_row_the_database_refuses_is_set_aside_and_the_rest_arrives(folder, outbox, log, start, make_prediction):
    log.refused_labels = ("poison",)
    good, bad, last = (
        make_prediction(),
        make_prediction(label="poison", probabilities={"poison": 1.0}),
        make_prediction(),
    )
    outbox.append([good, bad])
    outbox.append([last])
    assert start().flush(SECONDS)
    assert log.rows == [good, last]
    (refused,) = map(json.loads, (folder / REFUSED_FILE).read_text().splitlines())
    assert refused == {"reason": "no such crop", "record": bad.to_json()}
    assert (outbox.backlog().rows, outbox.backlog().refused) == (0, 1)


def test_while_the_database_is_away_rows_wait_and_the_reason_is_said_once(outbox, log, start, make_prediction, caplog):
    log.problem = "database: connection refused"
    with caplog.at_level(logging.WARNING):
        shipper = start()
        outbox.append([make_prediction()])
        wait_until(lambda: log.opened > 3)
        assert shipper.problem == "database: connection refused"
        assert not shipper.flush(0.1)
        assert outbox.backlog().rows == 1
        log.problem = None
        assert shipper.flush(SECONDS)
        wait_until(lambda: shipper.problem is None)
    assert len(log.rows) == 1
    assert [record.getMessage().partition(" wait in")[0] for record in caplog.records] == [
        "predictions",
        "predictions are logged again",
    ]


def test_a_row_leaves_the_outbox_only_when_the_database_has_it(outbox, log, start, make_prediction):
    log.allow.clear()
    shipper = start()
    outbox.append([make_prediction()])
    outbox.close()
    assert not shipper.flush(0.2)
    assert outbox.backlog().rows == 1
    log.allow.set()
    assert shipper.flush(SECONDS)


def test_the_waits_grow_to_their_limit(outbox, folder, log, make_prediction, monkeypatch):
    log.problem = "away"
    outbox.append([make_prediction()])
    shipper = Shipper(folder, log.open, max_wait_seconds=3.0)
    waits = []
    monkeypatch.setattr(shipper._wake, "wait", lambda seconds: (waits.append(seconds), time.sleep(0.001)))
    shipper.start()
    wait_until(lambda: len(waits) >= 5)
    assert shipper.close(SECONDS)
    assert waits[:5] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_one_ships_at_a_time_and_another_takes_over(outbox, log, start, make_prediction):
    first = start()
    wait_until(lambda: first.is_active)
    second = start()
    outbox.append([make_prediction()])
    assert second.flush(SECONDS)
    assert not second.is_active
    assert first.close(SECONDS)
    wait_until(lambda: second.is_active)
    outbox.append([make_prediction()])
    assert second.flush(SECONDS)
    assert len(log.rows) == 2


def test_who_takes_over_without_a_note_ships_all_again_and_loses_nothing(outbox, folder, log, start, make_prediction):
    predictions = [make_prediction(), make_prediction()]
    outbox.append(predictions[:1])
    first = start()
    assert first.flush(SECONDS)
    assert first.close(SECONDS)
    (folder / SHIPPED_FILE).write_text("[1, 2")
    outbox.append(predictions[1:])
    assert start().flush(SECONDS)
    assert log.rows == [predictions[0], *predictions]


def test_closing_ships_what_came_last(outbox, log, start, make_prediction):
    shipper = start(poll_seconds=50)
    wait_until(lambda: shipper.is_active)
    outbox.append([make_prediction()])
    assert shipper.close(SECONDS)
    assert len(log.rows) == 1
    assert not shipper.is_active


def test_closing_does_not_wait_for_a_database_that_hangs(outbox, log, start, make_prediction):
    log.allow.clear()
    shipper = start()
    outbox.append([make_prediction()])
    wait_until(lambda: log.opened)
    assert not shipper.close(0.1)


def test_a_shipper_that_was_never_started_is_closed(folder, log):
    assert Shipper(folder, log.open).close(SECONDS)


def test_a_note_that_cannot_be_written_stops_nothing(outbox, folder, log, start, make_prediction, caplog):
    (folder / SHIPPED_FILE).mkdir()
    start()
    outbox.append([make_prediction()])
    outbox.close()
    wait_until(lambda: not journals(folder))
    assert len(log.rows) == 1
    assert "cannot note what is shipped" in caplog.text


def test_an_unexpected_error_does_not_end_the_shipper(outbox, log, start, make_prediction):
    def fail():
        if log.opened == 0:
            log.opened += 1
            raise TypeError("a defect")
        return log.open()

    shipper = start(fail)
    outbox.append([make_prediction()])
    assert shipper.flush(SECONDS)
