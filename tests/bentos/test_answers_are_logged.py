"""Every answer that a client got is in the prediction log, also of a server that was killed at work."""

import os
import random
import signal
import threading
import time

import httpx
import pytest

from quality_gate.data.scenes import encode_scene

PHOTOS = [encode_scene("tomato", seed, size=96) for seed in range(4)]
KILLS = 20
CLIENTS = 4


def test_answers_of_single_photos_and_batches_come_into_the_log_and_refused_photos_do_not(serve):
    with serve() as server:
        single = httpx.post(f"{server.url}/predict", files={"image": ("belt/1.jpg", PHOTOS[0])})
        parts = [("images", ("2.jpg", PHOTOS[1])), ("images", ("3.jpg", b"no photo")), ("images", ("4.jpg", PHOTOS[2]))]
        batch = httpx.post(f"{server.url}/predict_batch", files=parts)
        found = server.wait_until_logged(["belt/1.jpg", "2.jpg", "4.jpg"])

    assert (single.status_code, batch.status_code) == (200, 200)
    assert sorted(found) == ["2.jpg", "4.jpg", "belt/1.jpg"]


class Client(threading.Thread):
    """Sends photos one after the other until the server is gone, and keeps the names that were answered."""

    def __init__(self, url, name):
        super().__init__(daemon=True)
        self.answered = []
        self.ended_by = None
        self._url = url
        self._name = name

    def run(self):
        with httpx.Client(base_url=self._url, timeout=30) as client:
            for number in range(100_000):
                name = f"{self._name} {number}"
                try:
                    response = client.post("/predict", files={"image": (name, PHOTOS[number % len(PHOTOS)])})
                    response.raise_for_status()
                except httpx.HTTPError as error:
                    self.ended_by = error
                    return
                self.answered.append(name)


def kill_while_it_answers(server, clients, seconds):
    """Let clients ask for a while, and kill all processes of the server as it answers them."""
    workers = server.workers
    assert workers
    for client in clients:
        client.start()
    deadline = time.monotonic() + 30
    while not all(client.answered for client in clients) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    # The process that would start a worker again dies first.
    for process in (server.process.pid, *workers):
        os.kill(process, signal.SIGKILL)
    for client in clients:
        client.join(30)
    assert server.process.wait(10) == -signal.SIGKILL
    # Each was answered until its connection broke; a timeout would mean that something still listens.
    assert all(client.answered for client in clients)
    assert all(isinstance(client.ended_by, httpx.NetworkError | httpx.ProtocolError) for client in clients)


@pytest.mark.slow
def test_a_server_that_is_killed_under_load_again_and_again_loses_no_answer(serve, tmp_path):
    chance = random.Random(4)
    answered = []
    for life in range(KILLS):
        with serve(HOME=str(tmp_path)) as server:
            clients = [Client(server.url, f"{life} {number}") for number in range(CLIENTS)]
            kill_while_it_answers(server, clients, chance.uniform(0.3, 1.2))
            answered += [name for client in clients for name in client.answered]
    with serve(HOME=str(tmp_path)) as server:
        found = server.wait_until_logged(answered)

    assert len(answered) > 10 * KILLS
    assert set(answered) <= set(found)
    assert len(found) == len(set(found))
    # What was durable when the server was killed, but had not reached its client yet.
    assert len(found) - len(answered) <= CLIENTS * KILLS
