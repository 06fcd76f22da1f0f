"""What clients of a running service do all day: photos alone and in batches, explanations, questions, bad files.

Run by ``locust`` in a process of its own, for it replaces the standard library's sockets. Every request has one status
it must get. The names of all photos that were answered go into a file, a line each, to be held against the log.
"""

import json
import os
from itertools import count
from pathlib import Path
from uuid import uuid4

from locust import FastHttpUser, constant, task

PHOTOS = "LOAD_PHOTOS"
ANSWERED = "LOAD_ANSWERED"
BATCH = 4


class Client(FastHttpUser):
    """One connection, that asks again as soon as it is answered."""

    wait_time = constant(0)

    def on_start(self):
        self.photos = [path.read_bytes() for path in sorted(Path(os.environ[PHOTOS]).iterdir())]
        self.answered = Path(os.environ[ANSWERED])
        self.name = uuid4().hex
        self.numbers = count()

    @task(10)
    def predict(self):
        photo = self.photo()
        if self.ask("/predict", [("image", photo)], 200):
            self.note([photo])

    @task(3)
    def predict_batch(self):
        photos = [self.photo() for _ in range(BATCH)]
        if self.ask("/predict_batch", [("images", photo) for photo in photos], 200):
            self.note(photos)

    @task(1)
    def predict_batch_with_a_bad_file(self):
        photos = [self.photo(), (self.new_name(), b"no photo"), self.photo()]
        response = self.ask("/predict_batch", [("images", photo) for photo in photos], 200, "/predict_batch, one bad")
        if response and [item["status"] for item in json.loads(response.text)["answers"]] == [200, 422, 200]:
            self.note([photos[0], photos[2]])

    @task(2)
    def explain(self):
        self.ask("/explain", [("image", self.photo())], 200)

    @task(2)
    def model(self):
        self.get("/model", 200)

    @task(1)
    def something_else(self):
        self.get("/nothing/here", 404)

    @task(1)
    def truncated(self):
        name, photo = self.photo()
        self.ask("/predict", [("image", (name, photo[: len(photo) // 2]))], 422, "/predict, truncated")

    @task(1)
    def no_photo(self):
        self.ask("/predict", [("image", (self.new_name(), b"\x89PNG\r\n\x1a\nno photo"))], 422, "/predict, no photo")

    @task(1)
    def without_a_photo(self):
        self.ask("/predict", [("other", self.photo())], 422, "/predict, another field")

    @task(1)
    def no_threshold(self):
        self.ask("/predict?threshold=2", [("image", self.photo())], 422, "/predict, no threshold")

    @task(1)
    def another_type(self):
        with self.client.post("/predict", data=b"a,b\n", headers={"Content-Type": "text/csv"}, **self.as_a("csv")) as r:
            self.judge(r, 415)

    def photo(self):
        """A new name and the bytes of a photo."""
        number = next(self.numbers)
        return f"{self.name} {number}.jpg", self.photos[number % len(self.photos)]

    def new_name(self):
        return self.photo()[0]

    def get(self, path, status):
        with self.client.get(path, **self.as_a(path)) as response:
            self.judge(response, status)

    def ask(self, path, files, status, name=None):
        """Send a form; the response if it has the status, else None."""
        head = 'Content-Disposition: form-data; name="{}"; filename="{}"\r\nContent-Type: image/jpeg\r\n\r\n'
        parts = [b"--b\r\n" + head.format(field, file).encode() + data + b"\r\n" for field, (file, data) in files]
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        with self.client.post(
            path, data=b"".join([*parts, b"--b--\r\n"]), headers=form, **self.as_a(name or path)
        ) as r:
            return r if self.judge(r, status) else None

    def as_a(self, name):
        return {"name": name, "catch_response": True}

    def judge(self, response, status):
        """Whether a response has the status that its request must get."""
        if response.status_code == status:
            response.success()
            return True
        response.failure(f"{response.status_code} in place of {status}: {response.text}")
        return False

    def note(self, photos):
        with self.answered.open("a") as file:
            file.writelines(f"{name}\n" for name, _ in photos)
