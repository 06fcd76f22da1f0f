import io
import sys

import pytest

from quality_gate import progress
from quality_gate.progress import ConsoleReporter


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_goes_to_the_standard_error_and_leaves_the_output_to_results(capsys):
    ConsoleReporter().say("ingest: 3 photos")
    assert capsys.readouterr() == ("", "ingest: 3 photos\n")


def test_in_a_file_the_end_of_a_task_is_one_line(capsys, clock):
    move = ConsoleReporter().progress("demo photos")
    for done in range(1, 5):
        clock[0] += 0.5
        move(done, 4)
    assert capsys.readouterr().err == "demo photos: 4 photos in 2.0 s\n"


def test_in_a_file_a_long_task_speaks_every_ten_seconds(capsys, clock):
    move = ConsoleReporter().progress("answers")
    for done in range(1, 26):
        clock[0] += 1
        move(done, 100)
    assert capsys.readouterr().err.splitlines() == ["answers: 10 of 100 photos", "answers: 20 of 100 photos"]


def test_after_a_pause_one_line_is_due_and_not_all_that_were_missed(capsys, clock):
    move = ConsoleReporter().progress("answers")
    for seconds in (35, 1, 1):
        clock[0] += seconds
        move(1, 100)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_in_a_terminal_a_bar_moves_and_stands_full_at_the_end(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    move = ConsoleReporter().progress("demo photos")
    for done in range(1, 4):
        move(done, 3)
    shown = terminal.getvalue()
    assert "demo photos" in shown
    assert "3/3" in shown.split("\r")[-1]
