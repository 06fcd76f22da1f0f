from dataclasses import replace

import pytest
import torch

from quality_gate.models.checkpoint import load_network, save_weights
from quality_gate.models.manifest import ModelManifest, UnknownModelFormat
from quality_gate.models.zoo import architecture, assemble
from quality_gate.preprocess import PreprocessingSpec

MANIFEST = ModelManifest(
    name="gate",
    architecture="efficientnet_lite0",
    classes=("onion", "potato", "tomato"),
    preprocessing=PreprocessingSpec(64, ("crop",), (0.5,) * 3, (0.5,) * 3),
)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    arch = architecture(MANIFEST.architecture)
    return assemble(arch.build(), arch, len(MANIFEST.classes)).eval()


@pytest.fixture
def folder(network, tmp_path):
    MANIFEST.save(tmp_path)
    save_weights(network, tmp_path)
    return tmp_path


def test_a_network_comes_back_with_the_same_answers_and_ready_to_answer(network, folder):
    photos = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    again = load_network(folder)

    assert not again.training
    with torch.inference_mode():
        assert torch.equal(again(photos), network(photos))


def test_a_network_tuned_from_another_stage_on_comes_back(tmp_path):
    torch.manual_seed(0)
    arch = architecture(MANIFEST.architecture)
    network = assemble(arch.build(), arch, len(MANIFEST.classes), 4).eval()
    photos = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    MANIFEST.save(tmp_path)
    save_weights(network, tmp_path)

    with torch.inference_mode():
        assert torch.equal(load_network(tmp_path)(photos), network(photos))


def test_weights_in_another_memory_format_are_the_same_file(network, folder):
    before = (folder / "weights.safetensors").read_bytes()

    save_weights(network.to(memory_format=torch.channels_last), folder)

    assert (folder / "weights.safetensors").read_bytes() == before


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"no weights", lambda data: b""])
def test_a_damaged_file_is_named(damage, folder):
    path = folder / "weights.safetensors"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(
        UnknownModelFormat, match=r"weights\.safetensors: not the weights of efficientnet_lite0"
    ) as error:
        load_network(folder)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(folder):
    (folder / "weights.safetensors").unlink()

    with pytest.raises(UnknownModelFormat, match=r"weights\.safetensors"):
        load_network(folder)


@pytest.mark.parametrize("change", [{"architecture": "resnet18"}, {"classes": ("onion", "potato")}])
def test_weights_of_another_network_are_told(change, folder):
    replace(MANIFEST, **change).save(folder)

    with pytest.raises(UnknownModelFormat, match=r"weights\.safetensors: not the weights") as error:
        load_network(folder)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_manifest_is_no_model(folder):
    (folder / "model.json").unlink()

    with pytest.raises(UnknownModelFormat, match=r"model\.json"):
        load_network(folder)
