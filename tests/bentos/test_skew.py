"""The same bytes are the same tensor, and get the same answer, where a model is trained and where it is served."""

import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType

import httpx
import numpy as np
import pytest
from PIL import Image

from bentos.package import build_bento
from quality_gate.data.scenes import encode_scene
from quality_gate.inference import softmax
from quality_gate.models.weights import load_pretrained
from quality_gate.models.zoo import TransferNetwork, architecture, assemble
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.settings import TrainingSettings
from quality_gate.training.candidate import Candidate, save_candidate
from quality_gate.training.features import Row, read_rows
from quality_gate.training.history import TrainingHistory

NAME = "skew_gate"
CLASSES = ("onion", "potato", "tomato")
SPEC = PreprocessingSpec(96, ("crop",), (0.498, 0.498, 0.498), (0.502, 0.502, 0.502))


def _turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded(Image.open(io.BytesIO(encode_scene("tomato", 3, size=120))), "JPEG", exif=exif)


def _transparent_png() -> bytes:
    photo = Image.open(io.BytesIO(encode_scene("onion", 4, size=150))).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    return _encoded(photo, "PNG")


def _encoded(photo: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photos() -> dict[str, bytes]:
    wide = Image.open(io.BytesIO(encode_scene("potato", 2, size=200))).resize((311, 97))
    return {
        "as taken": encode_scene("noise", 1, size=256),
        "turned by its EXIF": _turned_jpeg(),
        "transparent": _transparent_png(),
        "wide, lossless": _encoded(wide, "WEBP", lossless=True),
    }


@pytest.fixture(scope="module")
def network() -> TransferNetwork:
    import torch

    torch.manual_seed(5)
    arch = architecture("efficientnet_lite0")
    # Pretrained, so that answers really depend on the photo.
    return assemble(load_pretrained(arch, None, Path()), arch, len(CLASSES)).eval()


@pytest.fixture(scope="module")
def store(network: TransferNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("skew")
    model = folder / "model"
    model.mkdir()
    result = Candidate(network, SPEC, TrainingHistory(()), "efficientnet_lite0")
    save_candidate(result, TrainingSettings(name=NAME), CLASSES, {"data": "d" * 64}, model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(folder / "bentos"))
        build_bento(model, name=NAME)
    return folder / "bentos"


@pytest.fixture(scope="module")
def served_preprocess(store: Path) -> ModuleType:
    (path,) = store.rglob("quality_gate/preprocess.py")
    spec = importlib.util.spec_from_file_location("served_preprocess", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


def test_the_bento_makes_of_the_same_bytes_the_tensor_of_training(photos, served_preprocess):
    for name, photo in photos.items():
        trained = read_rows(photo, "0", [Row("crop")], SPEC, seed=9)
        served = served_preprocess.preprocess(photo, served_preprocess.PreprocessingSpec(**SPEC.to_json()))
        assert np.array_equal(trained, served), name


def test_the_running_bento_answers_as_the_trained_network(photos, network, store, serve):
    import torch

    with serve(store, NAME) as server:
        for name, photo in photos.items():
            with torch.inference_mode():
                logits = network(torch.from_numpy(read_rows(photo, "0", [Row("crop")], SPEC, seed=9))).numpy()
            expected = dict(zip(CLASSES, softmax(logits)[0], strict=True))
            answer = httpx.post(f"{server.url}/predict", files={"image": photo}).json()
            assert answer["probabilities"] == pytest.approx(expected, abs=1e-4), name
