"""Servers that benchmarks ask: started, awaited, asked over connections that stay open, and measured."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BOUNDARY = "benchmark"
START_SECONDS = 120.0


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        port: on the loopback address.
        started: seconds from its start to its first answer.
        process: the one that was started.
    """

    port: int
    started: float
    process: subprocess.Popen[bytes]

    @property
    def memory_mb(self) -> float:
        """Resident memory of the largest of its processes, in megabytes."""
        return max(_resident_mb(process) for process in _with_children(self.process.pid))

    @property
    def processor_seconds(self) -> float:
        """Processor time of all its processes since their start."""
        return sum(map(_processor_seconds, _with_children(self.process.pid)))


@contextmanager
def bento_server(
    tag: str, body: bytes, settings: Mapping[str, str], *, python: str = sys.executable
) -> Iterator[Server]:
    """Serve a Bento with state of its own.

    Args:
        tag: of the Bento.
        body: a form that it must answer before it counts as started.
        settings: further environment variables.
        python: interpreter of the environment that serves.
    """
    with tempfile.TemporaryDirectory() as state:
        port = free_port()
        command = [python, "-m", "bentoml", "serve", tag, "--port", str(port)]
        ours = {"QUALITY_GATE_HOME": state, "OMP_NUM_THREADS": "1", **settings}
        with running(command, port, body, ours) as server:
            yield server


@contextmanager
def running(command: Sequence[str], port: int, body: bytes, settings: Mapping[str, str]) -> Iterator[Server]:
    """Run a server until the context ends.

    Args:
        command: that starts it.
        port: it will answer on.
        body: a form that it must answer before it counts as started.
        settings: further environment variables.

    Raises:
        SystemExit: it does not answer.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                if status(connect(port), body) == 200:
                    break
            except OSError:
                time.sleep(0.02)
            if process.poll() is not None or time.perf_counter() - start > START_SECONDS:
                raise SystemExit(f"{' '.join(command)} does not answer")
        yield Server(port, time.perf_counter() - start, process)
    finally:
        process.terminate()
        process.wait()


def connect(port: int) -> http.client.HTTPConnection:
    """A connection to a server on this machine."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def form(photo: bytes, name: str = "photo.jpg") -> bytes:
    """A photo as the body of a request: the form field ``image``."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
    return head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def status(connection: http.client.HTTPConnection, body: bytes) -> int:
    """Ask for the answer to a form, and give the status."""
    response = _ask(connection, body)
    response.read()
    return response.status


def answer(connection: http.client.HTTPConnection, body: bytes) -> bytes:
    """Ask for the answer to a form, and give what the server says.

    Raises:
        SystemExit: it is no answer.
    """
    response = _ask(connection, body)
    said = response.read()
    if response.status != 200:
        raise SystemExit(f"the server answers {response.status}: {said.decode(errors='replace')}")
    return said


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _ask(connection: http.client.HTTPConnection, body: bytes) -> http.client.HTTPResponse:
    connection.request("POST", "/predict", body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    return connection.getresponse()


def _with_children(process: int) -> Iterator[int]:
    yield process
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        yield from _with_children(int(child))


def _resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _processor_seconds(process: int) -> float:
    # The name, which may hold spaces, ends with the last bracket; proc(5) counts the fields from 1.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[14 - 3], fields[15 - 3]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
