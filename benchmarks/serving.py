"""Answers a second and time of an answer, against a plain Flask server of the same network on the same photos.

The peer is a script for gunicorn: one photo a request, PyTorch as it comes, ``POST /predict`` with the form field
``image``. Both servers have all processors and one worker process, and are asked in turn, round after round, over
connections that stay open; printed are medians, and the medians of the ratios within a round::

    python -m benchmarks.serving --bento my_gate:latest --peer flask_app.py --photos produce [--rounds 5]
"""

from __future__ import annotations

import argparse
import http.client
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from quality_gate.processors import available_processors

CONCURRENCIES = (1, 8)
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


@dataclass(frozen=True)
class Load:
    """What came of a while of requests.

    Attributes:
        rate: answers a second.
        median_ms: of the time of an answer.
        p99_ms: of the time of an answer.
    """

    rate: float
    median_ms: float
    p99_ms: float


def main() -> None:
    """Start both servers, ask them in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bento", default="visual_quality_gate:latest", help="the Bento")
    parser.add_argument("--peer", type=Path, required=True, help="the peer's script, with a WSGI application `app`")
    parser.add_argument("--photos", type=Path, required=True, help="folder with JPEG files, at any depth")
    parser.add_argument("--rounds", type=int, default=5, help="times each is asked")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long in each round")
    options = parser.parse_args()
    bodies = [_form(path.read_bytes()) for path in sorted(options.photos.rglob("*.jpg"))[:200]]
    if not bodies:
        parser.error(f"{options.photos} has no .jpg file")
    with ExitStack() as stack:
        servers = {
            "this project": stack.enter_context(_bento(options.bento, bodies)),
            "peer": stack.enter_context(_peer(options.peer, bodies)),
        }
        for concurrency in CONCURRENCIES:
            rounds = [
                {name: ask(server.port, bodies, concurrency, options.seconds) for name, server in servers.items()}
                for _ in range(options.rounds)
            ]
            _print(concurrency, rounds)
        for name, server in servers.items():
            print(f"{name:<14} first answer after {server.started:.1f} s, {server.memory_mb:.0f} MB resident")
    print(f"processor time of this program: {resource.getrusage(resource.RUSAGE_SELF).ru_utime:.0f} s")


def ask(port: int, bodies: Sequence[bytes], concurrency: int, seconds: float) -> Load:
    """Ask a server for a while, each connection for one photo after the other.

    Raises:
        SystemExit: an answer is none.
    """
    times: list[float] = []
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for body in cycle(bodies[number:] + bodies[:number]):
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
    return Load(len(found) / elapsed, 1e3 * statistics.median(found), 1e3 * found[int(0.99 * (len(found) - 1))])


def _print(concurrency: int, rounds: Sequence[dict[str, Load]]) -> None:
    print(f"\n{concurrency} at once{'':<6} answers/s   median ms   99% below ms")
    for name in rounds[0]:
        loads = [found[name] for found in rounds]
        rate, median, p99 = (statistics.median(values) for values in zip(*map(_figures, loads), strict=True))
        print(f"{name:<14} {rate:>10.1f}  {median:>10.1f}  {p99:>13.1f}")
    pairs = [(_figures(found["this project"]), _figures(found["peer"])) for found in rounds]
    ratios = [statistics.median(own[column] / peer[column] for own, peer in pairs) for column in range(3)]
    print(f"{'ratio':<14} {ratios[0]:>10.2f}  {ratios[1]:>10.2f}  {ratios[2]:>13.2f}")


def _figures(load: Load) -> tuple[float, float, float]:
    return load.rate, load.median_ms, load.p99_ms


def _form(photo: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
    return head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def _status(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/predict", body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    response = connection.getresponse()
    response.read()
    return response.status


@contextmanager
def _bento(tag: str, bodies: Sequence[bytes]) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as state:
        port = _free_port()
        command = [sys.executable, "-m", "bentoml", "serve", tag, "--port", str(port)]
        with _running(command, port, bodies, {"QUALITY_GATE_HOME": state, "OMP_NUM_THREADS": "1"}) as server:
            yield server


@contextmanager
def _peer(script: Path, bodies: Sequence[bytes]) -> Iterator[Server]:
    port = _free_port()
    options = ["-w", "1", "--threads", str(available_processors()), "-b", f"127.0.0.1:{port}", "--log-level", "error"]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        *options,
        "--chdir",
        str(script.parent.absolute()),
        f"{script.stem}:app",
    ]
    threads = str(available_processors())
    with _running(command, port, bodies, {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}) as server:
        yield server


@contextmanager
def _running(command: Sequence[str], port: int, bodies: Sequence[bytes], settings: dict[str, str]) -> Iterator[Server]:
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


def _with_children(process: int) -> Iterator[int]:
    yield process
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        yield from _with_children(int(child))


def _resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
