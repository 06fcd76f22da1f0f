"""Two minutes of all that clients do, without a pause: each request gets its status, each answer a row in the log."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from quality_gate.data.scenes import encode_scene

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
SECONDS = 120
CLIENTS = 8


@pytest.mark.slow
def test_under_load_nothing_fails_and_the_log_holds_exactly_what_was_answered(serve, monkeypatch, tmp_path):
    (tmp_path / "photos").mkdir()
    for seed, label in enumerate(["noise", "onion", "potato", "tomato"] * 2):
        (tmp_path / "photos" / f"{seed}.jpg").write_bytes(encode_scene(label, seed, size=96))
    monkeypatch.setenv("LOAD_PHOTOS", str(tmp_path / "photos"))
    monkeypatch.setenv("LOAD_ANSWERED", str(tmp_path / "answered"))
    with serve() as server:
        workers = server.workers
        # Whoever is being answered when the time is up is waited for: the answer is in the log.
        load = subprocess.run(
            [
                sys.executable, "-m", "locust", "--locustfile", LOCUSTFILE, "--headless", "--host", server.url,
                "--users", str(CLIENTS), "--spawn-rate", str(CLIENTS), "--run-time", f"{SECONDS}s",
                "--stop-timeout", "30", "--csv", tmp_path / "load", "--only-summary",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        answered = (tmp_path / "answered").read_text().splitlines()
        found = server.wait_until_logged(answered)
        assert server.workers == workers

    assert load.returncode == 0, load.stderr
    with (tmp_path / "load_stats.csv").open() as file:
        requests = {row["Name"]: row for row in csv.DictReader(file)}
    total = requests.pop("Aggregated")
    print(f"{float(total['Requests/s']):.1f} requests/s, 99% below {total['99%']} ms")
    assert {name: row["Failure Count"] for name, row in requests.items()} == dict.fromkeys(requests, "0")
    assert len(requests) == 11
    assert sorted(found) == sorted(answered)
