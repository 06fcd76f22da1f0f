"""Follows the newest Bento of the store that a Bento is served from: a running server takes a new model by itself."""

import threading
from collections.abc import Callable
from pathlib import Path

from bentos.request_log import RequestLog
from quality_gate.models.smoke import smoke_test

POLL_SECONDS = 1.0

# Below a Bento: its sources, and among these the model.
SOURCES = Path("src")
MODEL = Path("bentos") / "model"


class ModelWatch:
    """A thread that looks which Bento of the store is the newest, and hands on the model of one that is new.

    Only the model is taken: a Bento with other code needs a new process, and is told of in the log. So is a model that
    does not answer; the one before goes on.

    Args:
        bento: the Bento that is served; where it lies in no store, as in a container, there is nothing to follow.
        take: is given the folder of the new model; what it raises is logged.
        log: told of every switch.
        poll_seconds: how often it looks.
    """

    def __init__(
        self, bento: Path, take: Callable[[Path], None], log: RequestLog, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._bento = bento
        self._latest = bento.parent / "latest"
        self._seen = bento.name
        self._take = take
        self._log = log
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        if self._latest.is_file():
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            try:
                newest = self._latest.read_text().strip()
            except OSError:
                # The store is being changed, or gone: what is served needs none.
                continue
            if newest != self._seen:
                self._seen = newest
                self._switch(self._bento.parent / newest)

    def _switch(self, bento: Path) -> None:
        try:
            if _code(bento) != _code(self._bento):
                self._log.write(bento=bento.name, switch="other code: start the server again to take it")
                return
            model = bento / SOURCES / MODEL
            smoke_test(model)
            self._take(model)
        except Exception as error:  # Whatever is wrong with the new model, the one before goes on answering.
            self._log.write(bento=bento.name, switch=f"not taken: {' '.join(str(error).split())}")
        else:
            self._log.write(bento=bento.name, switch="taken")


def _code(bento: Path) -> dict[Path, bytes]:
    """The files of a Bento that are its code, by path."""
    root = bento / SOURCES
    files = (path for folder in ("bentos", "quality_gate") for path in (root / folder).rglob("*") if path.is_file())
    return {
        relative: path.read_bytes()
        for path in files
        if path.suffix != ".pyc" and not (relative := path.relative_to(root)).is_relative_to(MODEL)
    }
