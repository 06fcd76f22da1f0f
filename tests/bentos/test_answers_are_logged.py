"""Every answer that a client got is in the prediction log, also of a server that was killed at work."""

import os
import signal
import threading
import time

import httpx
import pytest

from quality_gate.data.scenes import encode_scene
from quality_gate.monitoring.prediction_log import PredictionLog, Window

PHOTOS = [encode_scene("tomato", seed, size=96) for seed in range(4)]
KILLS = 4


def logged(state):
    """Names of the photos in the log of a server."""
    file = state / "predictions" / "predictions.db"
    if not file.exists():
        return []
    with PredictionLog.open(f"sqlite:///{file}") as log:
        return [prediction.image_name for page in log.read(Window()) for prediction in page]


def wait_for(names, state):
    deadline = time.monotonic() + 30
    while set(names) - set(found := logged(state)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def test_answers_of_single_photos_and_batches_come_into_the_log_and_refused_photos_do_not(serve):
    with serve() as server:
        single = httpx.post(f"{server.url}/predict", files={"image": ("belt/1.jpg", PHOTOS[0])})
        parts = [("images", ("2.jpg", PHOTOS[1])), ("images", ("3.jpg", b"no photo")), ("images", ("4.jpg", PHOTOS[2]))]
        batch = httpx.post(f"{server.url}/predict_batch", files=parts)
        found = wait_for(["belt/1.jpg", "2.jpg", "4.jpg"], server.state)

    assert (single.status_code, batch.status_code) == (200, 200)
    assert sorted(found) == ["2.jpg", "4.jpg", "belt/1.jpg"]


class Client(threading.Thread):
    """Sends photos one after the other until the server is gone, and keeps the names that were answered."""

    def __init__(self, url, name):
        super().__init__()
        self.answered = []
        self._url = url
        self._name = name

    def run(self):
        with httpx.Client(base_url=self._url, timeout=30) as client:
            for number in range(100_000):
                name = f"{self._name} {number}"
                try:
                    response = client.post("/predict", files={"image": (name, PHOTOS[number % len(PHOTOS)])})
                except httpx.TransportError:
                    return
                assert response.status_code == 200
                self.answered.append(name)


@pytest.mark.slow
def test_a_server_that_is_killed_under_load_again_and_again_loses_no_answer(serve, tmp_path):
    answered = []
    for life in range(KILLS):
        with serve(HOME=str(tmp_path)) as server:
            clients = [Client(server.url, f"{life} {number}") for number in range(4)]
            for client in clients:
                client.start()
            time.sleep(0.5 + 0.3 * life)
            for process in (server.process.pid, *server.workers):
                os.kill(process, signal.SIGKILL)
            for client in clients:
                client.join(30)
            answered += [name for client in clients for name in client.answered]
    with serve(HOME=str(tmp_path)):
        found = wait_for(answered, tmp_path)

    assert len(answered) > 10 * KILLS
    assert set(answered) <= set(found)
    assert len(found) == len(set(found))
