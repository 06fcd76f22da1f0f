"""A Bento store that holds two builds, and servers of its newest Bento."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bentos.package import build_bento

GATE = "tomato-ripeness"


@dataclass(frozen=True)
class BuiltStore:
    """Where the Bentos lie, the model of the newest, and the tags in the order they were built."""

    home: Path
    model: Path
    tags: tuple[str, str]


@dataclass(frozen=True)
class Server:
    """A running ``bentoml serve``."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin_request(self, body: bytes, sent: int) -> socket.socket:
        """Open a request to classify the form ``body`` (boundary ``b``) and send its first ``sent`` bytes."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        head = (
            "POST /predict HTTP/1.1\r\nHost: gate\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:sent])
        return connection


@pytest.fixture(scope="session")
def built(write_tiny_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> BuiltStore:
    """Version 2 is built, then version 1 again, as a rollback does; below a hidden folder, as the product's home is."""
    folder = tmp_path_factory.mktemp("bento")
    home = folder / ".home" / "bentos"
    former = write_tiny_model(folder / "former", version="1")
    newer = write_tiny_model(folder / "newer", version="2", seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        tags = (build_bento(newer, name=GATE), build_bento(former, name=GATE))
    return BuiltStore(home, former, tags)


@pytest.fixture(scope="session")
def serve(built: BuiltStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "contextmanager[Server]"]:
    """Starts a server of a store's newest Bento; whatever is left of it is killed when the context ends."""

    @contextmanager
    def start(home: Path = built.home, name: str = GATE) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("server")
        port = _free_port()
        environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"}
        environment.pop("BENTOML_HOST", None)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "bentoml", "serve", f"{name}:latest", "--port", str(port)],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = Server(process, port, log)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    return start


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server.process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{server.log.read_text()}")
