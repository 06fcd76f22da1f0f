"""Answers a second and time of an answer, against a plain Flask server of the same network on the same photos.

The peer is a script for gunicorn: one photo a request, PyTorch as it comes, ``POST /predict`` with the form field
``image``. Both servers have all processors and one worker process, and are asked in turn, round after round, over
connections that stay open; printed are medians, and the medians of the ratios within a round::

    python -m benchmarks.serving --bento my_gate:latest --peer flask_app.py --photos produce [--rounds 5]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from benchmarks.servers import Server, bento_server, connect, form, free_port, running, status
from quality_gate.processors import available_processors

CONCURRENCIES = (1, 8)


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
    bodies = [form(path.read_bytes()) for path in sorted(options.photos.rglob("*.jpg"))[:200]]
    if not bodies:
        parser.error(f"{options.photos} has no .jpg file")
    with ExitStack() as stack:
        servers = {
            "this project": stack.enter_context(bento_server(options.bento, bodies[0], {})),
            "peer": stack.enter_context(_peer(options.peer, bodies[0])),
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
        connection = connect(port)
        for body in cycle(bodies[number:] + bodies[:number]):
            start = time.perf_counter()
            if start > until:
                break
            if status(connection, body) != 200:
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


@contextmanager
def _peer(script: Path, body: bytes) -> Iterator[Server]:
    port = free_port()
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
    with running(command, port, body, {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}) as server:
        yield server


if __name__ == "__main__":
    main()
