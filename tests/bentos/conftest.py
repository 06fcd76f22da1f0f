"""A Bento store that holds two builds, and servers of its newest Bento."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from bentos.explanation import write_head
from bentos.package import build_bento
from quality_gate.data.scenes import encode_scene
from quality_gate.models.manifest import ONNX_FILE, WEIGHTS_FILE, ModelManifest, file_digest
from quality_gate.monitoring.outbox import Backlog, OutboxUnavailable
from quality_gate.monitoring.prediction_log import PredictionLog, Window

GATE = "tomato-ripeness"
PHOTO = encode_scene("tomato", 3, size=64)
LOCAL = ("127.0.0.1", 50_000)


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
    state: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return sorted(int(child) for child in task.read_text().split())

    @property
    def lines(self) -> list[dict[str, object]]:
        """What the log says of requests."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"time"')]

    @property
    def logged(self) -> list[str]:
        """Names of the photos in its prediction log."""
        file = self.state / "predictions" / "predictions.db"
        if not file.exists():
            return []
        with PredictionLog.open(f"sqlite:///{file}") as log:
            return [prediction.image_name for page in log.read(Window()) for prediction in page]

    def wait_until_logged(self, names: Collection[str]) -> list[str]:
        """What is logged when all these names are, or still are not after half a minute."""
        deadline = time.monotonic() + 30
        while set(names) - set(found := self.logged) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

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
def write_explainable_model(
    write_tiny_model: Callable[..., Path], add_golden: Callable[[Path], Path]
) -> Callable[..., Path]:
    """Writes a real model folder whose network ends in an average of feature maps and a linear layer."""

    def write(folder: Path, *, version: str | None = "1", seed: int = 0) -> Path:
        write_tiny_model(folder, version=version)
        manifest = ModelManifest.load(folder)
        _write_mapping_network(folder, manifest, seed)
        digests = {**manifest.digests, "onnx": file_digest(folder / ONNX_FILE)}
        replace(manifest, digests=digests).save(folder)
        return add_golden(folder)

    return write


def _write_mapping_network(folder: Path, manifest: ModelManifest, seed: int) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.numpy import save_file

    classes, size, features = len(manifest.classes), manifest.preprocessing.size, 4
    rng = np.random.default_rng(seed)
    # Each patch looks at the colours of its four quarters; the patches are a quarter of the photo.
    patches = np.kron(rng.normal(size=(features, 3, 2, 2)), np.ones((size // 4, size // 4))).astype(np.float32)
    weight = rng.normal(size=(classes, features)).astype(np.float32)
    values = {
        "patches": patches / (size // 4) ** 2,
        "weight": weight,
        "bias": rng.normal(0, 0.1, classes).astype(np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["photos", "patches"], ["linear"], strides=[size // 2, size // 2]),
            helper.make_node("Relu", ["linear"], ["feature_maps"]),
            helper.make_node("GlobalAveragePool", ["feature_maps"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("Gemm", ["features", "weight", "bias"], ["logits"], transB=1),
        ],
        "explainable",
        [helper.make_tensor_value_info("photos", TensorProto.FLOAT, ["n", 3, size, size])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes]),
            helper.make_tensor_value_info("feature_maps", TensorProto.FLOAT, ["n", features, 2, 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / ONNX_FILE)
    save_file({"head.weight": weight, "head.bias": values["bias"]}, folder / WEIGHTS_FILE)


@pytest.fixture(scope="session")
def built(write_explainable_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> BuiltStore:
    """Version 2 is built, then version 1 again, as a rollback does; below a hidden folder, as the product's home is."""
    folder = tmp_path_factory.mktemp("bento")
    home = folder / ".home" / "bentos"
    former = write_explainable_model(folder / "former", version="1")
    newer = write_explainable_model(folder / "newer", version="2", seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        tags = (build_bento(newer, name=GATE), build_bento(former, name=GATE))
    return BuiltStore(home, former, tags)


@pytest.fixture(scope="session")
def serve(built: BuiltStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "contextmanager[Server]"]:
    """Starts a server of a store's newest Bento; whatever is left of it is killed when the context ends.

    ``API_KEYS="…"`` sets ``QUALITY_GATE_API_KEYS``.
    """

    @contextmanager
    def start(home: Path = built.home, name: str = GATE, **settings: str) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("server")
        port = _free_port()
        ours = {
            "BENTOML_HOME": str(home),
            "BENTOML_DO_NOT_TRACK": "true",
            "QUALITY_GATE_HOME": str(folder / "state"),
        }
        environment = {**os.environ, **ours, **{f"QUALITY_GATE_{key}": value for key, value in settings.items()}}
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
        server = Server(process, port, log, Path(environment["QUALITY_GATE_HOME"]))
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


@pytest.fixture(scope="session")
def server(serve: Callable[..., "contextmanager[Server]"]) -> Iterator[Server]:
    """A server with the settings of no operator, for tests that leave it as it was."""
    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    """Asks that server."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, in a container, Chromium has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page of a server, each in a browser of its own; at the end nothing came from elsewhere or failed."""
    pages, asked, failed = [], [], []

    def open_page(server, path="/", **options):
        page = browser.new_page(**options)
        page.on("request", lambda request: asked.append((server.url, request.url)))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
        # With what it asks of the service: a key pressed before that is sometimes lost.
        page.goto(server.url + path, wait_until="networkidle")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [url for home, url in asked if not url.startswith((home, "data:", f"blob:{home}"))] == []
    # A refused request is shown on the page, and in the browser's console too.
    assert [text for text in failed if "Failed to load resource" not in text] == []


@pytest.fixture(scope="session")
def wait_until():
    return _wait_until


def _wait_until(page, expression):
    """Wait for an expression to hold; Playwright's own way evaluates text in the page, which its policy forbids."""
    deadline = time.monotonic() + 30
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


@pytest.fixture(scope="module")
def model(write_explainable_model, tmp_path_factory):
    folder = write_explainable_model(tmp_path_factory.mktemp("model"))
    write_head(folder, folder)
    return folder


class _Sink:
    """Keeps what it is given, or fails."""

    def __init__(self):
        self.kept = []
        self.broken = False

    def record(self, answered):
        if self.broken:
            raise OutboxUnavailable
        self.kept.append(answered)

    def backlog(self):
        return Backlog(len(self.kept), 0.0, 0)


@pytest.fixture
def sink():
    return _Sink()


@pytest.fixture
def compose(tmp_path, sink):
    """Makes an application of a model, with settings of its own."""
    from bentos.composition import Composition
    from bentos.request_log import RequestLog
    from bentos.review_backend import ReviewBackend
    from bentos.settings import ServiceSettings
    from quality_gate.monitoring.log_settings import PredictionLogSettings
    from quality_gate.review.settings import ReviewSettings

    opened = []

    def compose(model, **settings):
        url = f"sqlite:///{tmp_path / 'log.db'}"
        log = PredictionLogSettings(database_url=url, outbox=tmp_path / "outbox")
        opened.append(ReviewBackend(log.open_database, ReviewSettings(photos=tmp_path / "photos"), RequestLog()))
        return Composition(ServiceSettings(**settings), sink, opened[-1]).application(model)

    yield compose
    for backend in opened:
        backend.close()


@pytest.fixture
def ask(model, compose):
    """Asks an application here, with settings or one that is given; ``chunks`` makes the body come in parts."""

    async def health(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"well"})

    def ask(
        method,
        path,
        *,
        application=None,
        folder=model,
        chunks=None,
        content=PHOTO,
        client=LOCAL,
        kind="image/jpeg",
        **settings,
    ):
        headers = settings.pop("headers", {})
        application = application or compose(folder, **settings)

        async def app(scope, receive, send):
            await application(scope, receive, send, health)

        async def send():
            transport = httpx.ASGITransport(app, client=client)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
                body = None if method == "GET" else chunks() if chunks else content
                return await asking.request(method, path, content=body, headers={"content-type": kind, **headers})

        return asyncio.run(asyncio.wait_for(send(), 60))

    return ask
