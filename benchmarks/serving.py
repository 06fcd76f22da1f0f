"""Answers a second and time of an answer, against a plain Flask server of the same network on the same photos.

The peer is a script for gunicorn: one photo a request, PyTorch as it comes, ``POST /predict`` with the form field
``image``. Both servers have all processors and one worker process, and are asked in turn, round after round, over
connections that stay open; printed are medians, and the medians of the ratios within a round. At last the processor
time of an answer is parted: what decoding, preparing, measuring and the network take, and what is left for HTTP, the
log and the rest::

    python -m benchmarks.serving --bento my_gate:latest --peer flask_app.py --photos produce [--rounds 5]

``--python`` names the interpreter of the environment that serves, such as one with only what the Bento asks for::

    python -m venv serving
    serving/bin/pip install -r "$(bentoml get my_gate:latest -o path)/env/python/requirements.txt"
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from bentoml import bentos

from benchmarks.closed_loop import Load, ask
from benchmarks.servers import Server, bento_server, form, free_port, running
from quality_gate.data.image_facts import measure
from quality_gate.inference import OnnxClassifier
from quality_gate.preprocess import decode, prepare
from quality_gate.processors import available_processors

Item = TypeVar("Item")

CONCURRENCIES = (1, 8)
MOST_PHOTOS = 200


def main() -> None:
    """Start both servers, ask them in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bento", default="visual_quality_gate:latest", help="the Bento")
    parser.add_argument("--peer", type=Path, required=True, help="the peer's script, with a WSGI application `app`")
    parser.add_argument("--photos", type=Path, required=True, help="folder with JPEG files, at any depth")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment that serves the Bento")
    parser.add_argument("--rounds", type=int, default=5, help="times each is asked")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long in each round")
    options = parser.parse_args()
    # One thread for the parts that are measured in this process, as in the service.
    os.environ["OMP_NUM_THREADS"] = "1"
    photos = [path.read_bytes() for path in sorted(options.photos.rglob("*.jpg"))[:MOST_PHOTOS]]
    if not photos:
        parser.error(f"{options.photos} has no .jpg file")
    bodies = list(map(form, photos))
    with ExitStack() as stack:
        ours = stack.enter_context(bento_server(options.bento, bodies[0], {}, python=options.python))
        servers = {"this project": ours, "peer": stack.enter_context(_peer(options.peer, bodies[0]))}
        for concurrency in CONCURRENCIES:
            rounds = [
                {name: ask(server.port, bodies, concurrency, options.seconds) for name, server in servers.items()}
                for _ in range(options.rounds)
            ]
            _print_rounds(concurrency, rounds)
        for name, server in servers.items():
            print(f"{name:<14} first answer after {server.started:.1f} s, {server.memory_mb:.0f} MB resident")
        _print_parts(_parts(_model_folder(options.bento), photos), _answer_ms(ours, bodies, options.seconds))
    print(f"processor time of this program: {resource.getrusage(resource.RUSAGE_SELF).ru_utime:.0f} s")


def _print_rounds(concurrency: int, rounds: Sequence[dict[str, Load]]) -> None:
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
    port, threads = free_port(), str(available_processors())
    options = ["-w", "1", "--threads", threads, "-b", f"127.0.0.1:{port}", "--log-level", "error"]
    place = ["--chdir", str(script.parent.absolute()), f"{script.stem}:app"]
    command = [sys.executable, "-m", "gunicorn", *options, *place]
    with running(command, port, body, {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}) as server:
        yield server


def _model_folder(tag: str) -> Path:
    return next(Path(bentos.get(tag).path).glob("src/**/model.json")).parent


def _answer_ms(server: Server, bodies: Sequence[bytes], seconds: float) -> float:
    """Processor time of the server for an answer, in milliseconds."""
    before = server.processor_seconds
    load = ask(server.port, bodies, CONCURRENCIES[-1], seconds)
    return 1e3 * (server.processor_seconds - before) / load.answers


def _parts(folder: Path, photos: Sequence[bytes]) -> dict[str, float]:
    """Processor time of the parts of an answer that the service does with the same functions, in milliseconds."""
    classifier = OnnxClassifier(folder, threads=1)
    images = [decode(photo) for photo in photos]
    tensors = [prepare(image, classifier.manifest.preprocessing) for image in images]
    return {
        "decode": _mean_ms(photos, decode),
        "resize and normalise": _mean_ms(images, lambda image: prepare(image, classifier.manifest.preprocessing)),
        "image statistics": _mean_ms(list(zip(images, photos, strict=True)), lambda pair: measure(*pair)),
        "network": _mean_ms(tensors, lambda tensor: classifier.answer(tensor)),
    }


def _mean_ms(items: Sequence[Item], work: Callable[[Item], object]) -> float:
    """Processor time for an item while every processor does the same: two threads of one core slow each other."""

    def work_through(_number: int) -> float:
        start = time.thread_time()
        for item in items:
            work(item)
        return time.thread_time() - start

    with ThreadPoolExecutor(available_processors()) as pool:
        return 1e3 * statistics.mean(pool.map(work_through, range(available_processors()))) / len(items)


def _print_parts(parts: dict[str, float], answer_ms: float) -> None:
    print(f"\nprocessor time of an answer: {answer_ms:.1f} ms")
    for name, milliseconds in {**parts, "HTTP, log and the rest": answer_ms - sum(parts.values())}.items():
        print(f"{name:<24} {milliseconds:6.2f} ms  {milliseconds / answer_ms:4.0%}")


if __name__ == "__main__":
    main()
