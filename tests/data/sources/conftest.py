"""A server that speaks S3, and a file system in memory."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server on the loopback address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file system of that server, as the environment describes it."""
    from fsspec import filesystem

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    system = filesystem("s3")
    system.clear_instance_cache()
    yield filesystem("s3")
    system.clear_instance_cache()


@pytest.fixture
def memory() -> Iterator[Any]:
    """An empty file system in memory."""
    from fsspec import filesystem

    system = filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def upload(write_photos: Callable[..., Any]) -> Callable[..., None]:
    """Puts photos below a folder of a remote file system."""

    def run(system: Any, folder: str, *paths: str) -> None:
        root = write_photos(*paths)
        for path in paths:
            system.pipe(f"{folder}/{path}", (root / path).read_bytes())

    return run
