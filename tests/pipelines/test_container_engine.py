"""How a step in a container ends, as seen from outside."""

import gc
import os
from types import SimpleNamespace

import pytest
from docker.errors import APIError, ImageNotFound

from pipelines.container_engine import Engine, connect
from pipelines.container_terms import REFUSED, SENTENCE
from quality_gate.errors import UserError


class FakeContainer:
    """A container that has said its lines and ended."""

    def __init__(self, chunks, code, *, out_of_memory=False):
        self._chunks = chunks
        self._code = code
        self.attrs = {"State": {"OOMKilled": out_of_memory}}
        self.removed = False

    def logs(self, *, stream, follow):
        assert stream
        assert follow
        for chunk in self._chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def wait(self):
        return {"StatusCode": self._code}

    def reload(self):
        pass

    def remove(self, *, force):
        assert force
        self.removed = True


class FakeClient:
    """The part of Docker's client that starts containers."""

    def __init__(self, container=None, *, image_error=None, start_error=None):
        self.images = SimpleNamespace(get=self._get)
        self.containers = SimpleNamespace(run=self._run)
        self.started = None
        self._container = container
        self._image_error = image_error
        self._start_error = start_error

    def _get(self, _image):
        if self._image_error:
            raise self._image_error

    def _run(self, image, **options):
        if self._start_error:
            raise self._start_error
        self.started = {"image": image, **options}
        return self._container


def run_step(client):
    engine = Engine(client, {"/state": {"bind": "/state", "mode": "rw"}}, {"OURS": "1"})
    return engine.containers.run(
        image="training:latest",
        entrypoint=["python", "-m", "zenml"],
        command=["--snapshot_id", "7", "--step_name", "evaluate"],
        user=os.getuid(),
        volumes={"/stores": {"bind": "/stores", "mode": "rw"}},
        environment={"STEP": "2", "OURS": "of ZenML"},
        stream=True,
        cap_drop=["ALL"],
    )


def test_a_step_runs_as_whoever_started_it_with_its_own_and_the_common_volumes_and_variables():
    client = FakeClient(FakeContainer([], 0))
    assert list(run_step(client)) == []
    assert client.started["user"] == f"{os.getuid()}:{os.getgid()}"
    assert sorted(client.started["volumes"]) == ["/state", "/stores"]
    assert client.started["environment"] == {"STEP": "2", "OURS": "1"}
    assert client.started["cap_drop"] == ["ALL"]


def test_what_a_step_says_is_shown_line_by_line(capsys):
    run_step(FakeClient(FakeContainer([b"first\nsec", "ond \xe9".encode("latin-1"), b"\nthird\n"], 0)))
    assert capsys.readouterr().err == "first\nsecond �\nthird\n"


def test_a_users_mistake_is_raised_and_not_shown_twice(capsys):
    container = FakeContainer([b"first\n", f"{SENTENCE}photos: there are none.\n".encode()], REFUSED)
    with pytest.raises(UserError, match=r"^photos: there are none\.$"):
        run_step(FakeClient(container))
    assert capsys.readouterr().err == "first\n"


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        (FakeContainer([], 137), "evaluate: its container was ended too early (by signal 9); the same command goes on"),
        (FakeContainer([], 137, out_of_memory=True), "evaluate: its container ran out of memory; free some, raise"),
        (FakeContainer([b"Traceback\n"], 1), "evaluate: its container ended with exit code 1; what went wrong stands"),
    ],
)
def test_every_other_failure_is_a_sentence_too(container, sentence):
    with pytest.raises(UserError) as raised:
        run_step(FakeClient(container))
    assert raised.value.message.startswith(sentence)


def test_an_image_that_is_not_here_is_named_with_what_builds_it():
    with pytest.raises(UserError, match="no image training:latest; `make training-image` builds it"):
        run_step(FakeClient(image_error=ImageNotFound("no such image")))


def test_what_keeps_a_container_from_starting_is_said():
    with pytest.raises(UserError, match=r"evaluate: Docker could not start its container \(mount denied\)"):
        run_step(FakeClient(start_error=APIError("500", explanation="mount denied")))


@pytest.mark.parametrize("ending", [[], [KeyboardInterrupt()]])
def test_no_container_is_left_behind(ending):
    container = FakeContainer([b"first\n", *ending], 0)
    if ending:
        with pytest.raises(KeyboardInterrupt):
            run_step(FakeClient(container))
    else:
        run_step(FakeClient(container))
    assert container.removed


# docker-py leaves the socket of its failed attempt open; it is collected here, not in the middle of another test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_does_not_answer_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")
    with pytest.raises(UserError, match=r"no Docker engine answers \(.*No such file or directory.*\); start it"):
        connect()
    gc.collect()


# Takes memory until there is none left, where a step would run.
GREEDY = "held = []\nwhile True:\n    held.append(bytearray(b'x') * 2**20)\n"


@pytest.mark.slow
def test_a_step_that_takes_more_memory_than_its_container_has_is_told_so(docker_base, tmp_path):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "container_step.py").write_text(GREEDY)
    tmp_path.chmod(0o755)
    engine = Engine(connect(), {str(tmp_path): {"bind": "/code", "mode": "ro"}}, {"PYTHONPATH": "/code"})
    with pytest.raises(UserError, match=r"^evaluate: its container ran out of memory; free some, raise `mem_limit`"):
        engine.containers.run(
            image=docker_base,
            entrypoint=[],
            command=["--step_name", "evaluate"],
            user=os.getuid(),
            volumes={},
            environment={},
            stream=True,
            mem_limit="64m",
            memswap_limit="64m",
        )
