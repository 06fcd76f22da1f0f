import errno
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from quality_gate.monitoring.journal import SHIPPED_FILE, Shipped, decode_line, journals, write_shipped
from quality_gate.monitoring.outbox import Outbox, OutboxFull, OutboxUnavailable


@pytest.fixture
def outbox(tmp_path):
    outbox = Outbox(tmp_path / "outbox")
    yield outbox
    outbox.close()


def kept(folder):
    """The predictions in the whole lines of an outbox, the torn ends left out."""
    lines = [line for path in journals(folder) for line in path.read_bytes().splitlines(keepends=True)]
    return [decode_line(line) for line in lines if line.endswith(b"\n")]


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_was_appended_is_in_the_outbox(outbox, make_prediction):
    first, second, third = (make_prediction() for _ in range(3))
    outbox.append([first])
    outbox.append([second, third])
    assert kept(outbox.folder) == [first, second, third]


def test_to_append_nothing_writes_nothing(outbox):
    outbox.append([])
    assert journals(outbox.folder) == []


def test_appending_returns_after_the_disk_has_it(outbox, make_prediction, monkeypatch):
    synced = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (real(file), synced.append(kept(outbox.folder))))
    prediction = make_prediction()
    outbox.append([prediction])
    assert synced == [[prediction]]


def test_against_the_death_of_the_process_no_disk_is_waited_for(tmp_path, make_prediction, monkeypatch):
    monkeypatch.setattr(os, "fdatasync", lambda _: pytest.fail("waited for the disk"))
    outbox = Outbox(tmp_path, durability="process_kill")
    prediction = make_prediction()
    outbox.append([prediction])
    assert kept(tmp_path) == [prediction]
    outbox.close()


def test_what_comes_while_the_disk_works_goes_to_it_together(outbox, make_prediction, monkeypatch):
    begun, go_on, syncs = threading.Event(), threading.Event(), []

    def slow_sync(_):
        syncs.append(len(kept(outbox.folder)))
        begun.set()
        assert go_on.wait(30)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    predictions = [make_prediction() for _ in range(9)]
    threads = [threading.Thread(target=outbox.append, args=([prediction],)) for prediction in predictions]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(outbox._waiting) == 8)
    go_on.set()
    for thread in threads:
        thread.join()
    assert syncs == [1, 9]
    assert {one.id for one in kept(outbox.folder)} == {one.id for one in predictions}


def test_many_threads_lose_nothing_and_mix_nothing(tmp_path, make_prediction):
    outbox = Outbox(tmp_path, durability="process_kill", max_bytes=2**22)
    predictions = [[make_prediction() for _ in range(200)] for _ in range(8)]
    threads = [threading.Thread(target=lambda mine: [outbox.append([one]) for one in mine], args=(mine,))
               for mine in predictions]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.close()
    assert len(journals(tmp_path)) > 1
    found = kept(tmp_path)
    assert len(found) == 1600
    assert {one.id: one for one in found} == {one.id: one for mine in predictions for one in mine}


def test_a_full_disk_is_told_to_everybody_who_waits_for_it(outbox, make_prediction, monkeypatch):
    kept_before = make_prediction()
    outbox.append([kept_before])
    begun, go_on, told = threading.Event(), threading.Event(), []

    def full(_):
        begun.set()
        assert go_on.wait(30)
        raise OSError(errno.ENOSPC, "No space left on device")

    def append():
        try:
            outbox.append([make_prediction()])
        except OutboxUnavailable as error:
            told.append(str(error))

    monkeypatch.setattr(os, "fdatasync", full)
    threads = [threading.Thread(target=append) for _ in range(4)]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(outbox._waiting) == 3)
    go_on.set()
    for thread in threads:
        thread.join()
    assert told == [f"{outbox.folder}: the outbox cannot be written (No space left on device)"] * 4
    assert kept(outbox.folder) == [kept_before]


def test_after_a_failure_the_next_append_succeeds(outbox, make_prediction, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(OutboxUnavailable):
            outbox.append([make_prediction()])
    prediction = make_prediction()
    outbox.append([prediction])
    assert kept(outbox.folder) == [prediction]


def test_a_disk_that_takes_half_a_record_leaves_no_half_record(tmp_path, make_prediction):
    # A limit of the file size stands for the end of the disk: the system takes what fits, and then nothing.
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from quality_gate.monitoring.outbox import Outbox, OutboxUnavailable\n"
        "from quality_gate.monitoring.prediction import Prediction\n"
        "prediction = Prediction.from_json(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(len(sys.argv[2]) * 2.5), resource.RLIM_INFINITY))\n"
        "outbox, done = Outbox(Path(sys.argv[1])), 0\n"
        "try:\n"
        "    while True:\n"
        "        outbox.append([prediction])\n"
        "        done += 1\n"
        "except OutboxUnavailable as error:\n"
        "    print(done, error)\n"
    )
    prediction = make_prediction()
    arguments = [sys.executable, "-c", code, str(tmp_path), prediction.to_json()]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert said == f"2 {tmp_path}: the outbox cannot be written (File too large)\n"
    assert kept(tmp_path) == [prediction] * 2
    assert all(path.read_bytes().endswith(b"\n") for path in journals(tmp_path))


def test_an_outbox_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxUnavailable, match="the outbox cannot be made there"):
        Outbox(tmp_path / "file" / "outbox")


def test_a_full_outbox_takes_nothing_until_something_is_shipped(tmp_path, make_prediction):
    outbox = Outbox(tmp_path, durability="process_kill", max_bytes=2**16)
    taken = []

    def append_until_it_is_full():
        while True:
            prediction = make_prediction()
            outbox.append([prediction])
            taken.append(prediction)

    with pytest.raises(OutboxFull, match="bytes wait for the database, and the limit is 65,536"):
        append_until_it_is_full()
    assert kept(tmp_path) == taken
    assert 2**16 <= sum(path.stat().st_size for path in journals(tmp_path)) < 2**16 * 17 / 16 + 1000
    with pytest.raises(OutboxFull):
        outbox.append([make_prediction()])
    first = journals(tmp_path)[0]
    write_shipped(tmp_path, {first.name: Shipped(first.stat().st_size, 1)})
    outbox.append([make_prediction()])
    outbox.close()


def test_a_closed_outbox_takes_nothing(outbox, make_prediction):
    outbox.close()
    with pytest.raises(OutboxUnavailable, match="closed"):
        outbox.append([make_prediction()])


def test_two_processes_write_to_journals_of_their_own(tmp_path, make_prediction):
    one, other = Outbox(tmp_path), Outbox(tmp_path)
    one.append([make_prediction()])
    other.append([make_prediction()])
    assert len(journals(tmp_path)) == 2
    one.close()
    other.close()


def test_the_backlog_counts_what_is_not_shipped(outbox, make_prediction):
    assert (outbox.backlog().rows, outbox.backlog().oldest_seconds) == (0, 0.0)
    old = make_prediction(time=datetime.now(UTC) - timedelta(hours=2))
    new = make_prediction(time=datetime.now(UTC) - timedelta(hours=1))
    outbox.append([old])
    outbox.append([new])
    assert outbox.backlog().rows == 2
    assert 7200 <= outbox.backlog().oldest_seconds < 7300
    journal = journals(outbox.folder)[0]
    write_shipped(outbox.folder, {journal.name: Shipped(journal.read_bytes().index(b"\n") + 1, 1)})
    outbox.append([make_prediction(time=datetime.now(UTC))])
    assert outbox.backlog().rows == 2
    assert 3600 <= outbox.backlog().oldest_seconds < 3700
    journal.unlink()
    assert outbox.backlog().rows == 0


def test_the_backlog_of_a_damaged_note_is_all(outbox, make_prediction):
    outbox.append([make_prediction()])
    (outbox.folder / SHIPPED_FILE).write_text('{"half')
    assert outbox.backlog().rows == 1
