"""The Docker engine that runs steps: what they say is shown at once, and no container is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from pipelines.container_terms import REFUSED, SENTENCE
from quality_gate.errors import UserError
from quality_gate.progress import ConsoleReporter

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

STEP_COMMAND = ["python3", "-m", "pipelines.container_step"]


def connect() -> DockerClient:
    """The engine that the environment names, or that of this machine.

    Raises:
        UserError: none answers.
    """
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        raise UserError(
            "the steps of the active stack run in containers, but no Docker engine answers "
            f"({_innermost(error)}); start it, or run on the local stack."
        ) from None
    return client


class Engine:
    """Stands in for the client of Docker that ZenML's orchestrator uses, of which it needs ``containers.run`` alone.

    ZenML would show nothing of a step before it has ended, keep its container, and explain no failure.

    Args:
        client: of the engine.
        volumes: that every container sees, as Docker takes them.
        environment: variables of every container.
    """

    def __init__(self, client: DockerClient, volumes: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._client = client
        self._volumes = volumes
        self._environment = environment

    @property
    def containers(self) -> Engine:
        """The collection of containers, which is no object of its own here."""
        return self

    def run(
        self,
        *,
        image: str,
        entrypoint: list[str],
        command: list[str],
        user: object,
        volumes: Mapping[str, Any],
        environment: Mapping[str, str],
        stream: bool,
        **options: Any,
    ) -> Iterator[bytes]:
        """Run a step to its end.

        Returns:
            Nothing of what it said, which was shown already.

        Raises:
            UserError: the step cannot be started, refuses to go on, or has failed.
        """
        step = command[command.index("--step_name") + 1]
        try:
            # Asked for first: one that is not here would be looked for in a public registry.
            self._client.images.get(image)
            container = self._client.containers.run(
                image,
                entrypoint=STEP_COMMAND,
                command=command,
                # Without a group it would be that of root.
                user=f"{user}:{os.getgid()}" if isinstance(user, int) else user,
                volumes={**self._volumes, **volumes},
                environment={**environment, **self._environment},
                detach=True,
                **options,
            )
        except ImageNotFound:
            raise UserError(f"there is no image {image}; `make training-image` builds it.") from None
        except APIError as error:
            raise UserError(f"{step}: Docker could not start its container ({error.explanation or error}).") from None
        try:
            sentence = _show(container)
            code = container.wait()["StatusCode"]
            container.reload()
            _judge(step, code, sentence, out_of_memory=container.attrs["State"]["OOMKilled"])
        finally:
            container.remove(force=True)
        return iter(())


def _show(container: Container) -> str | None:
    """Show what a container says until it ends.

    Returns:
        The sentence with which it refused to go on, if it did.
    """
    reporter, sentence, rest = ConsoleReporter(), None, b""
    for chunk in container.logs(stream=True, follow=True):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (line.decode(errors="replace").rstrip("\r") for line in lines):
            if line.startswith(SENTENCE):
                sentence = line.removeprefix(SENTENCE)
            else:
                reporter.say(line)
    return sentence


def _judge(step: str, code: int, sentence: str | None, *, out_of_memory: bool) -> None:
    if code == REFUSED and sentence:
        raise UserError(sentence)
    if out_of_memory:
        raise UserError(
            f"{step}: its container ran out of memory; free some, raise `mem_limit` where the stack sets one, or have "
            "the step take less (data.workers, transfer.threads, transfer.size); the same command goes on where it was."
        )
    if code > 128:
        raise UserError(
            f"{step}: its container was ended too early (by signal {code - 128}); the same command goes on where it "
            "was."
        )
    if code:
        raise UserError(f"{step}: its container ended with exit code {code}; what went wrong stands above.")


def _innermost(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error)
