from dataclasses import replace

import pytest

from quality_gate.models.folder import ModelFolder
from quality_gate.models.manifest import ModelManifest, UnknownModelFormat


@pytest.fixture
def model(write_tiny_model, tmp_path):
    folder = write_tiny_model(tmp_path / "model")
    (folder / "weights.safetensors").write_bytes(b"weights")
    return ModelFolder(folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_saved_model_is_the_same_model(model, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()

    model.save(copy)

    assert contents(copy) == contents(model.path)
    assert set(contents(copy)) == {"model.json", "model.onnx", "weights.safetensors"}
    assert ModelFolder.load(copy).manifest == model.manifest


def test_golden_photos_are_saved_with_a_model_that_has_some(model, add_golden, tmp_path):
    add_golden(model.path)
    copy = tmp_path / "copy"
    copy.mkdir()

    model.save(copy)

    assert contents(copy) == contents(model.path)
    assert "golden.json" in contents(copy)


def test_a_copy_has_the_network_and_another_manifest_and_leaves_the_first_as_it_is(model, tmp_path):
    before = contents(model.path)
    target = tmp_path / "calibrated"
    target.mkdir()

    calibrated = model.copy_with(replace(model.manifest, temperature=2.0), target)

    assert calibrated.path == target
    assert calibrated.manifest == replace(ModelManifest.load(model.path), temperature=2.0)
    assert contents(model.path) == before
    assert contents(target) == {**before, "model.json": contents(target)["model.json"]}


def test_a_folder_without_a_manifest_is_no_model(tmp_path):
    with pytest.raises(UnknownModelFormat, match=r"model\.json"):
        ModelFolder.load(tmp_path)


def test_a_model_without_its_weights_is_not_saved(model, tmp_path):
    (model.path / "weights.safetensors").unlink()

    with pytest.raises(FileNotFoundError, match="weights"):
        model.save(tmp_path)
