"""A training whose steps run in containers, as `make training-docker` starts it, beside one on the local stack.

The image stays, so that the next test here takes its libraries from Docker's own cache.
"""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "quality-gate-trial-training:latest"
NAME = "in_containers"
STEPS = 14
# The first two hold the name of the gate; the third is a ZIP file, whose headers patch versions of Python write
# differently around the same numbers.
OTHER_DIGESTS = {"report", "settings", "reference"}


@dataclass(frozen=True)
class Training:
    """A run that has ended.

    Attributes:
        code: exit code of the command.
        said: all that it showed.
        started: identifiers of the containers that were started meanwhile.
    """

    code: int
    said: str
    started: frozenset[str]


def docker(*arguments: str) -> str:
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def image(docker_base) -> str:
    script = ROOT / "infra" / "docker" / "training_image.py"
    command = [sys.executable, script, "--base-image", docker_base, "--tag", IMAGE]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return IMAGE


@pytest.fixture(scope="module")
def contained(image, checkout):
    """The checkout, on the stack whose steps run in containers."""
    stacks = checkout.root / "infra" / "stacks"
    code, said = checkout.run("python", str(stacks / "register.py"), str(stacks / "docker.yaml"))
    assert code == 0, said
    return replace(checkout, environment={**checkout.environment, "ZENML_ACTIVE_STACK_ID": said.split()[-1]})


@pytest.fixture(scope="module")
def configure_contained(configure, photos):
    """Writes a run configuration for the gate and the image of these tests."""

    def write(file, source=photos, **changes):
        return configure(file, source, name=NAME, settings={"docker": {"parent_image": IMAGE}}, **changes)

    return write


@pytest.fixture(scope="module")
def train_contained(contained):
    def train(configuration: str) -> Training:
        since = str(int(time.time()))
        log = contained.work / "contained.log"
        command = ("zenml", "pipeline", "run", "training", "--config", configuration)
        code = contained.start(*command, log=log).wait(timeout=1800)
        filters = ("--filter", f"image={IMAGE}", "--filter", "event=start", "--format", "{{.ID}}")
        started = docker("events", "--since", since, "--until", str(int(time.time()) + 1), *filters)
        return Training(code, log.read_text(), frozenset(started.split()))

    return train


@pytest.fixture(scope="module")
def trained(train_contained, champion, configure_contained, gate):
    """A run of every step, without what the run on the local stack has left of the photos."""
    for known in (gate.home.features, gate.home.ingested):
        shutil.rmtree(known)
    run = train_contained(configure_contained("contained.yaml", enable_cache=False))
    assert run.code == 0, run.said
    return run


def test_every_step_runs_in_a_container_of_its_own_and_none_is_left(trained):
    assert len(trained.started) == STEPS
    assert docker("ps", "--all", "--quiet", "--filter", f"ancestor={IMAGE}") == ""


def test_the_model_is_that_of_the_local_stack_to_the_bit(trained, champion, gate):
    (local,), (inside,) = champion.entries, replace(gate, name=NAME).entries()
    same = {name for name, digest in local.digests.items() if inside.digests[name] == digest}
    assert local.digests.keys() - same <= OTHER_DIGESTS
    assert inside.metrics == local.metrics


def test_ledger_registry_and_bento_agree(trained, gate):
    assert replace(gate, name=NAME).agrees_on("1")


def test_what_is_written_belongs_to_whoever_started_the_run(trained, gate):
    report = next(gate.home.reports(NAME).iterdir())
    bento = next((gate.home.bentos / "bentos" / NAME).iterdir())
    written = [gate.home.registry(NAME) / "ledger.jsonl", report / "evaluation.html", bento]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in written} == {(os.getuid(), os.getgid())}


def test_the_local_stack_takes_what_containers_have_left_from_the_cache(trained, train, configure_contained):
    run = train(configure_contained("again.yaml"))
    assert run.code == 0, run.said
    assert "Using cached version of step `train_transfer`" in run.said


def test_a_users_mistake_inside_is_one_sentence_and_exit_code_1(train_contained, configure_contained, tmp_path):
    for name in ("onion", "potato"):
        (tmp_path / "empty" / name).mkdir(parents=True)
        (tmp_path / "empty" / name / "broken.jpg").write_bytes(b"no photo")
    run = train_contained(configure_contained("broken.yaml", tmp_path / "empty"))
    assert run.code == 1
    assert run.started
    assert "Traceback" not in run.said
    (line,) = [line for line in run.said.splitlines() if line.startswith("Error: ")]
    assert run.said.count(line.removeprefix("Error: ")) == 1


@pytest.fixture(scope="module")
def start_until_baseline(contained, configure_contained):
    """Starts a run of a seed of its own, and hands it over once the small network is being trained in its container."""

    def start(file):
        log = contained.work / f"{file}.log"
        configuration = configure_contained("stopped.yaml", seed=4711)
        process = contained.start("zenml", "pipeline", "run", "training", "--config", configuration, log=log)
        while "Step `train_scratch_baseline` has started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        return process, log

    return start


def test_a_killed_container_is_a_sentence_and_the_next_run_goes_on_from_the_cache(start_until_baseline):
    process, log = start_until_baseline("killed")
    docker("kill", docker("ps", "--quiet", "--filter", f"ancestor={IMAGE}").strip())
    assert process.wait(timeout=120) == 1
    assert "Error: train_scratch_baseline: its container was ended too early (by signal 9)" in log.read_text()
    process, log = start_until_baseline("resumed")
    assert "Step `find_suspects` has started" not in log.read_text()
    # Told to stop, a run takes its container with it.
    process.terminate()
    assert process.wait(timeout=120) == 1
    assert docker("ps", "--all", "--quiet", "--filter", f"ancestor={IMAGE}") == ""
