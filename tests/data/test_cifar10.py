import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from functools import partial

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from quality_gate.data.cifar10 import download_cifar10
from quality_gate.errors import UserError

CLASSES = ["airplane", "truck"]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)


def digest(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Two training photos and a test photo, published on loopback as the original is: an archive and its digests."""
    files = {
        "data_batch_1": {"data": PIXELS[:2], "labels": [1, 0]},
        "test_batch": {"data": PIXELS[2:], "labels": [1]},
        "batches.meta": {"label_names": CLASSES},
    }
    encoded = {name: pickle.dumps(values) for name, values in files.items()}
    site = tmp_path / "site"
    site.mkdir()
    with tarfile.open(site / CIFAR10.filename, "w:gz") as archive:
        for name, content in encoded.items():
            entry = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=site)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setattr(CIFAR10, "tgz_md5", digest((site / CIFAR10.filename).read_bytes()))
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", digest(encoded["data_batch_1"])]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", digest(encoded["test_batch"])]])
    monkeypatch.setattr(
        CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": digest(encoded["batches.meta"])}
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/{CIFAR10.filename}")
        yield site
        server.shutdown()
        thread.join()


def test_the_photos_lie_in_class_folders_pixel_by_pixel(published, tmp_path):
    told = []
    folder = tmp_path / "data" / "cifar10"

    assert download_cifar10(folder, on_progress=lambda done, total: told.append((done, total))) == 3

    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert files == ["test/truck/00000.png", "train/airplane/00001.png", "train/truck/00000.png"]
    pixels = np.asarray(Image.open(folder / "train" / "truck" / "00000.png"))
    np.testing.assert_array_equal(pixels, PIXELS[0].reshape(3, 32, 32).transpose(1, 2, 0))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["cifar10"]


def test_an_archive_that_is_not_the_published_one_is_refused_and_nothing_is_left(published, tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(UserError, match=r"CIFAR-10 could not be downloaded \(.*\); fetch http://127.0.0.1"):
        download_cifar10(tmp_path / "data" / "cifar10")
    assert not list((tmp_path / "data").iterdir())


def test_without_a_network_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(UserError, match=r"could not be downloaded .*put its photos into class folders"):
        download_cifar10(tmp_path / "cifar10")


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something already; name a new folder"):
        download_cifar10(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
