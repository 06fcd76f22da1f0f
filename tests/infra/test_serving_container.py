"""The image of a real Bento, run as an operator runs it: read-only, without rights, behind a port of this machine."""

import io
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from bentos.package import build_bento
from quality_gate.inference import OnnxClassifier

pytestmark = pytest.mark.slow

GATE = "container_trial"
LIMITS = (
    "--read-only", "--tmpfs=/tmp:size=256m", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=3g",
    "--pids-limit=256", "--cpus=1", "--publish=127.0.0.1::3000",
)  # fmt: skip


@dataclass(frozen=True)
class Container:
    """A running service."""

    identity: str
    image: str
    url: str
    model: Path
    bento: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return docker("exec", self.identity, *command, check=False)

    def python(self, code: str) -> str:
        """What a program says inside."""
        result = self.run("python3", "-c", code)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def log(self) -> str:
        result = docker("logs", self.identity)
        return result.stdout + result.stderr


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def image(docker_base, load_script, write_tiny_model, tmp_path_factory) -> Iterator[tuple[str, Path, Path]]:
    """The image, its Bento, and the model in it."""
    script = load_script("docker/serving_image.py")
    folder = tmp_path_factory.mktemp("image")
    model = write_tiny_model(folder / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(folder / "store"))
        build_bento(model, name=GATE)
    bento = script.find_bento(folder / "store", GATE)
    tag = script.build_image(bento, base_image=docker_base, environment=os.environ)
    yield tag, bento, model
    docker("rmi", tag, f"{GATE}:latest")


@contextmanager
def started(image: tuple[str, Path, Path]) -> Iterator[Container]:
    tag, bento, model = image
    identity = docker("run", "--detach", *LIMITS, tag).stdout.strip()
    try:
        port = docker("port", identity, "3000").stdout.split(":")[-1].strip()
        running = Container(identity, tag, f"http://127.0.0.1:{port}", model, bento)
        wait_until(lambda: is_ready(running.url), 60, running)
        yield running
    finally:
        docker("rm", "--force", "--volumes", identity)


@pytest.fixture(scope="module")
def container(image) -> Iterator[Container]:
    with started(image) as running:
        yield running


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def wait_until(holds, limit: float, running: Container) -> None:
    deadline = time.monotonic() + limit
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {limit} s in vain:\n{running.log()}")
        time.sleep(0.2)


def inspect(identity: str, form: str) -> object:
    return json.loads(docker("inspect", "--format", f"{{{{json {form}}}}}", identity).stdout)


def test_it_answers_a_photo_as_the_model_does_outside(container):
    pixels = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    response = httpx.post(f"{container.url}/predict", files={"image": ("photo.png", file.getvalue())}, timeout=30)
    assert response.status_code == 200, response.text
    (expected,) = OnnxClassifier(container.model).predict([file.getvalue()])
    assert response.json()["label"] == expected.label
    assert response.json()["confidence"] == pytest.approx(expected.confidence, abs=1e-5)


def test_its_own_check_finds_it_healthy(container):
    wait_until(lambda: inspect(container.identity, ".State.Health.Status") != "starting", 60, container)
    assert inspect(container.identity, ".State.Health.Status") == "healthy", container.log()


def test_it_is_no_root_and_may_change_nothing_but_its_state(container):
    assert container.python("import os; print(os.getuid(), os.getgid())") == "10001 10001"
    for place in ("/opt/bento/src", "/opt/venv", "/etc"):
        assert container.run("touch", f"{place}/trial").returncode != 0
    assert container.run("touch", "/var/lib/quality-gate/trial").returncode == 0


def test_it_counts_the_processors_it_was_given_not_those_of_the_machine(container):
    code = "import sys; sys.path.insert(0, '/opt/bento/src'); from quality_gate.processors import available_processors"
    assert container.python(f"{code}; print(available_processors())") == "1"


def test_it_holds_no_compiler_and_its_environment_no_installer(container):
    tools = ("cc", "gcc", "g++", "c++", "clang", "ld", "make", "uv")
    found = container.python(f"import shutil; print([tool for tool in {tools!r} if shutil.which(tool)])")
    assert found == "[]"
    assert container.run("python3", "-m", "pip", "--version").returncode != 0


def test_it_holds_the_versions_of_the_bento_and_of_the_lock(container, infra):
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    installed = {normal(name): version for name, version in json.loads(container.python(code)).items()}
    lock = pins(infra.parent / "constraints.txt")
    asked = pins(container.bento / "env" / "python" / "requirements.txt")
    assert asked.keys() <= installed.keys()
    assert {name: installed[name] for name in asked} == asked
    strange = {name: version for name, version in installed.items() if (lock | asked).get(name) != version}
    assert not strange


def normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def pins(file: Path) -> dict[str, str]:
    lines = [line.split("==") for line in file.read_text().splitlines() if "==" in line]
    return {normal(name): version for name, version in lines}


def test_what_is_installed_stays_below_its_limit(container):
    megabytes = int(container.run("du", "--summarize", "--block-size=1000000", "/opt/venv").stdout.split()[0])
    print(f"{megabytes} MB installed, image {inspect(container.image, '.Size') / 1e6:.0f} MB")
    assert megabytes <= 700


def test_nothing_is_sent_home(container):
    assert "telemetry" not in container.log().lower()
    assert container.python("import os; print(os.environ['ORT_DISABLE_TELEMETRY'])") == "1"


def test_told_to_stop_it_ends_well(image):
    with started(image) as running:
        docker("stop", "--time", "30", running.identity)
        # 137 would be SIGKILL after the 30 seconds.
        assert inspect(running.identity, ".State.ExitCode") == 0
