import fcntl
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quality_gate.errors import UserError
from quality_gate.ledger import Ledger, LedgerEntry

# Says that it is ready, waits for a line, then appends entries whose versions count up and says each once it is there.
APPENDER = """
import json, sys
from itertools import count, islice
from pathlib import Path
from quality_gate.ledger import Ledger, LedgerEntry
folder, entry, run, limit = sys.argv[1:]
entry = json.loads(entry)
print("ready", flush=True)
sys.stdin.readline()
for number in islice(count(), int(limit) or None):
    Ledger(Path(folder)).append(LedgerEntry(**{**entry, "run": run, "version": str(number)}))
    print(number, flush=True)
"""


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "registry" / "visual_quality_gate")


@pytest.fixture
def fill(ledger, make_entry):
    """Writes (event, version) pairs into the ledger."""

    def write(*decisions):
        for event, version in decisions:
            ledger.append(make_entry(event, version))
        return ledger

    return write


def start_appender(ledger, entry, run, limit):
    arguments = [str(ledger.path.parent), json.dumps(entry.__dict__), run, str(limit)]
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def test_before_the_first_line_there_is_nothing_and_nothing_is_made(ledger):
    assert (ledger.entries(), ledger.champions(), ledger.champion(), ledger.last_gate()) == ([], [], None, None)
    assert not ledger.path.parent.exists()


def test_what_was_appended_is_read_back_by_another_ledger_of_the_folder(ledger, make_entry):
    entries = [make_entry("promoted", "1"), make_entry("refused", None), make_entry("rolled_back", "1")]
    for entry in entries:
        ledger.append(entry)
    assert Ledger(ledger.path.parent).entries() == entries


def test_a_line_is_never_changed_by_the_next(ledger, make_entry):
    ledger.append(make_entry(version="1"))
    first = ledger.path.read_bytes()
    ledger.append(make_entry(version="2"))
    assert ledger.path.read_bytes().startswith(first)
    assert ledger.path.read_bytes().count(b"\n") == 2


def test_an_entry_knows_when_it_was_made(make_entry):
    values = make_entry().__dict__
    made = LedgerEntry(**{name: value for name, value in values.items() if name != "time"})
    assert made.time.endswith("+00:00")
    assert made.time > "2026"


def test_a_promotion_is_told_by_its_name_and_in_older_ledgers_by_its_version(ledger, make_entry):
    ledger.append(make_entry(version="2"))
    ledger.path.write_text(ledger.path.read_text().replace('"promotion": "", ', ""))
    ledger.append(make_entry(version="3", promotion="third"))
    assert [entry.identity for entry in ledger.entries()] == ["version 2", "third"]


@settings(deadline=None, max_examples=50)
@given(
    texts=st.lists(st.text(max_size=8), min_size=1, max_size=3),
    number=st.floats(allow_nan=False, allow_infinity=False),
)
def test_whatever_an_entry_says_is_read_back(make_entry, texts, number):
    entry = make_entry(run=texts[0], classes=texts, metrics={texts[-1]: number, "none": None}, report="\n".join(texts))
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        ledger.append(entry)
        ledger.append(entry)
        assert ledger.entries() == [entry, entry]


@pytest.mark.parametrize(
    ("decisions", "champions"),
    [
        ([("promoted", "1")], ["1"]),
        ([("refused", None)], []),
        ([("promoted", "1"), ("promoted", "2"), ("refused", None)], ["1", "2"]),
        ([("promoted", "1"), ("promoted", "2"), ("rolled_back", "1")], ["1"]),
        ([("promoted", "1"), ("promoted", "2"), ("rolled_back", "1"), ("promoted", "3")], ["1", "3"]),
        (
            [("promoted", "1"), ("promoted", "2"), ("promoted", "3"), ("rolled_back", "2"), ("rolled_back", "1")],
            ["1"],
        ),
    ],
)
def test_a_promotion_puts_a_champion_on_top_and_a_rollback_takes_it_away(fill, decisions, champions):
    ledger = fill(*decisions)
    assert [entry.version for entry in ledger.champions()] == champions
    assert ledger.champion() == (ledger.champions()[-1] if champions else None)


def test_a_rollback_that_a_promotion_overtook_leaves_the_version_it_names(fill):
    ledger = fill(("promoted", "1"), ("promoted", "2"), ("promoted", "3"), ("rolled_back", "1"))
    assert ledger.champion().version == "1"


def test_two_people_who_roll_back_at_once_go_back_once(fill):
    ledger = fill(("promoted", "1"), ("promoted", "2"), ("promoted", "3"), ("rolled_back", "2"), ("rolled_back", "2"))
    assert [entry.version for entry in ledger.champions()] == ["1", "2"]


def test_the_last_gate_is_the_newest_model_that_was_judged(fill):
    assert fill(("promoted", "1"), ("refused", None)).last_gate().event == "refused"
    assert fill(("promoted", "2"), ("rolled_back", "1")).last_gate().version == "2"


class Decisions(RuleBasedStateMachine):
    """Decisions as the registry takes them, beside a plain list of the models in production."""

    make_entry = None
    met: ClassVar[set[str]] = set()

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger(Path(self.folder.name))
        self.versions = 0
        self.decisions = []
        self.production = []

    def teardown(self):
        self.folder.cleanup()

    def append(self, event, version):
        self.ledger.append(self.make_entry(event, version))
        self.decisions.append((event, version))
        self.met.add(event)

    @rule()
    def promote(self):
        self.versions += 1
        self.append("promoted", str(self.versions))
        self.production.append(str(self.versions))

    @rule()
    def refuse(self):
        self.append("refused", None)

    @precondition(lambda self: len(self.production) > 1)
    @rule()
    def roll_back(self):
        self.production.pop()
        self.append("rolled_back", self.production[-1])

    @rule(rest=st.binary(max_size=20).filter(lambda rest: b"\n" not in rest))
    def be_cut_off_while_writing(self, rest):
        if self.decisions:
            with self.ledger.path.open("ab") as file:
                file.write(rest)
            self.met.add("cut off")

    @invariant()
    def the_ledger_says_what_is_in_production(self):
        assert [entry.version for entry in self.ledger.champions()] == self.production
        champion = self.ledger.champion()
        assert (champion.version if champion else None) == (self.production[-1] if self.production else None)

    @invariant()
    def no_decision_is_lost(self):
        assert [(entry.event, entry.version) for entry in self.ledger.entries()] == self.decisions


def test_any_order_of_decisions_and_interruptions_leaves_the_right_champion(make_entry):
    machine = type("Decisions", (Decisions,), {"make_entry": staticmethod(make_entry), "met": set()})
    run = machine.TestCase("runTest")
    run.settings = settings(deadline=None, max_examples=30, stateful_step_count=15)
    run.runTest()
    # The invariants hold after each step; here, that every kind of step was tried.
    assert machine.met == {"promoted", "refused", "rolled_back", "cut off"}


@pytest.mark.parametrize("rest", [b'{"event": "promo', b"\xff\xfe\xc3", b"\0\0\0\0", b"{}", b"x" * 100_000])
def test_the_rest_of_a_write_that_was_cut_off_counts_for_nothing(fill, rest):
    ledger = fill(("promoted", "1"))
    with ledger.path.open("ab") as file:
        file.write(rest)
    assert [entry.version for entry in ledger.entries()] == ["1"]
    fill(("promoted", "2"))
    assert [entry.version for entry in ledger.entries()] == ["1", "2"]
    assert [json.loads(line)["version"] for line in ledger.path.read_text().splitlines()] == ["1", "2"]


def test_a_whole_entry_without_its_line_end_was_never_appended(fill, make_entry):
    ledger = fill(("promoted", "1"), ("promoted", "2"))
    ledger.path.write_bytes(ledger.path.read_bytes()[:-1])
    assert ledger.champion().version == "1"


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'"promoted"', b"null", b'{"event": "promoted"}', b"\xff", b"=======", b"unknown event"]
)
def test_a_line_that_was_changed_by_hand_is_named_instead_of_left_out(fill, make_entry, line):
    if line == b"unknown event":
        line = json.dumps(replace(make_entry(), event="approved").__dict__).encode()
    ledger = fill(("promoted", "1"), ("promoted", "2"), ("promoted", "3"))
    lines = ledger.path.read_bytes().split(b"\n")
    ledger.path.write_bytes(b"\n".join([lines[0], line, *lines[2:]]))
    with pytest.raises(UserError) as caught:
        ledger.champion()
    assert caught.value.message == f"{ledger.path}: line 2 is no ledger entry; restore the file from a copy."


def test_two_processes_that_append_at_once_lose_nothing(ledger, make_entry):
    runs = {"first", "second"}
    processes = [start_appender(ledger, make_entry(), run, 50) for run in runs]
    go(*processes)
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    entries = ledger.entries()
    assert len(entries) == 100
    for run in runs:
        assert [entry.version for entry in entries if entry.run == run] == [str(number) for number in range(50)]


def test_an_append_waits_while_another_process_appends(ledger, make_entry):
    ledger.append(make_entry(version="first"))
    process = start_appender(ledger, make_entry(), "waiting", 1)
    with ledger.path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        go(process)
        time.sleep(0.2)
        assert [entry.version for entry in ledger.entries()] == ["first"]
    assert process.communicate(timeout=60)[0] == "0\n"
    assert [entry.version for entry in ledger.entries()] == ["first", "0"]


def test_a_kill_between_or_during_appends_leaves_whole_lines_and_all_that_were_confirmed(ledger, make_entry):
    entry = make_entry(report="r" * 50_000)
    process = start_appender(ledger, entry, "killed", 0)
    go(process)
    confirmed = [int(process.stdout.readline()) for _ in range(10)]
    time.sleep(0.003)
    process.send_signal(signal.SIGKILL)
    confirmed += [int(line) for line in process.communicate(timeout=60)[0].split()]
    written = [entry.version for entry in ledger.entries()]
    assert written == [str(number) for number in range(len(written))]
    # One may have been written and not yet confirmed.
    assert len(confirmed) <= len(written) <= len(confirmed) + 1

    ledger.append(make_entry(version="after"))
    assert [entry.version for entry in ledger.entries()] == [*written, "after"]
