"""Servers of the loopback address that are started, asked for a while, and stopped."""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from quality_gate.processors import available_processors

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


@dataclass(frozen=True)
class Load:
    """What came of a while of requests.

    Attributes:
        answers: how many there were.
        rate: answers a second.
        median_ms: of the time of an answer.
        p99_ms: of the time of an answer.
    """

    answers: int
    rate: float
    median_ms: float
    p99_ms: float


def form(photo: bytes) -> bytes:
    """The body of a request that sends a photo in the field ``image``."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
    return head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def ask(port: int, bodies: Sequence[bytes], concurrency: int, seconds: float) -> Load:
    """Ask a server for a while, each connection for one photo after the other.

    Raises:
        SystemExit: an answer is none.
    """
    times: list[float] = []
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for body in cycle([*bodies[number:], *bodies[:number]]):
            start = time.perf_counter()
            if start > until:
                break
            if _status(connection, body) != 200:
                raise SystemExit(f"the server on port {port} refuses a photo")
            times.append(time.perf_counter() - start)
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(concurrency)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - start
    found = sorted(times)
    p99 = found[int(0.99 * (len(found) - 1))]
    return Load(len(found), len(found) / elapsed, 1e3 * statistics.median(found), 1e3 * p99)


@contextmanager
def bento_server(tag: str, bodies: Sequence[bytes], *, python: str = sys.executable) -> Iterator[Server]:
    """A Bento, served with a prediction log of its own.

    Args:
        tag: of the Bento.
        bodies: of requests, of which the first is sent until it is answered.
        python: interpreter of the environment that serves.
    """
    with tempfile.TemporaryDirectory() as state:
        port = _free_port()
        command = [python, "-m", "bentoml", "serve", tag, "--port", str(port)]
        with _running(command, port, bodies, {"QUALITY_GATE_HOME": state, "OMP_NUM_THREADS": "1"}) as server:
            yield server


@contextmanager
def flask_server(script: Path, bodies: Sequence[bytes]) -> Iterator[Server]:
    """A script with a WSGI application ``app``, in one worker process of gunicorn with a thread a processor."""
    port = _free_port()
    threads = str(available_processors())
    options = ["-w", "1", "--threads", threads, "-b", f"127.0.0.1:{port}", "--log-level", "error"]
    place = ["--chdir", str(script.parent.absolute()), f"{script.stem}:app"]
    command = [sys.executable, "-m", "gunicorn", *options, *place]
    with _running(command, port, bodies, {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}) as server:
        yield server


@contextmanager
def _running(
    command: Sequence[str], port: int, bodies: Sequence[bytes], settings: Mapping[str, str]
) -> Iterator[Server]:
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                if _status(http.client.HTTPConnection("127.0.0.1", port, timeout=60), bodies[0]) == 200:
                    break
            except OSError:
                time.sleep(0.02)
            if process.poll() is not None or time.perf_counter() - start > START_SECONDS:
                raise SystemExit(f"{' '.join(command)} does not answer")
        yield Server(port, time.perf_counter() - start, process)
    finally:
        process.terminate()
        process.wait()


def _status(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/predict", body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    response = connection.getresponse()
    response.read()
    return response.status


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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
