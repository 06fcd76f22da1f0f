import pickle
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from quality_gate.errors import UserError
from quality_gate.models.weights import load_pretrained, load_taught, read_state
from quality_gate.models.zoo import architecture, assemble

LITE0, RESNET18 = architecture("efficientnet_lite0"), architecture("resnet18")
RESNET18_FILE = "resnet18-f37072fd.pth"


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture(scope="module")
def resnet18_state():
    torch.manual_seed(1)
    return RESNET18.build().state_dict()


@pytest.fixture
def offline(monkeypatch):
    def fail(*_arguments, **_options):
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)


def assert_same(network, state):
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def assert_one_sentence(error, *parts):
    message = error.value.message
    assert "\n" not in message
    assert message.endswith(".")
    for part in parts:
        assert str(part) in message


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A trained network of three classes, and the file of its weights."""
    torch.manual_seed(2)
    network = assemble(RESNET18.build(), RESNET18, 3)
    path = tmp_path_factory.mktemp("taught") / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    return network, path


def test_a_trained_network_is_the_start_of_one_with_other_classes(taught):
    former, path = taught
    network = assemble(RESNET18.build(), RESNET18, 5)
    head = network.head.weight.clone()
    assert load_taught(network, str(path))
    assert_same(network.stages, former.stages.state_dict())
    assert torch.equal(network.head.weight, head)


def test_published_weights_are_no_trained_network(resnet18_state, tmp_path):
    save_file(resnet18_state, tmp_path / "published.safetensors")
    network = assemble(RESNET18.build(), RESNET18, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert not load_taught(network, str(tmp_path / "published.safetensors"))
    assert_same(network, before)


def test_a_trained_network_of_another_architecture_is_one_sentence(taught):
    with pytest.raises(UserError) as error:
        load_taught(assemble(LITE0.build(), LITE0, 3), str(taught[1]))
    assert_one_sentence(error, taught[1], "another network")


def test_the_packaged_weights_give_the_known_answers_of_the_network(offline, tmp_path):
    network = load_pretrained(LITE0, None, tmp_path).eval()
    photos = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)

    with torch.inference_mode():
        logits = network(torch.from_numpy(photos))[0].numpy()

    np.testing.assert_allclose(logits[:5], [-1.4346, 0.4242, 0.0467, -0.1309, -0.0915], atol=1e-3)
    assert logits.argmax() == 111
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_come_from_a_file_as_they_were_written(suffix, resnet18_state, offline, tmp_path):
    path = tmp_path / f"mine{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(resnet18_state, path)

    assert_same(load_pretrained(RESNET18, str(path), tmp_path / "cache"), resnet18_state)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError) as error:
        load_pretrained(LITE0, str(tmp_path / "none.pth"), tmp_path)
    assert_one_sentence(error, "transfer.weights_file", tmp_path / "none.pth", "does not exist", ".safetensors or .pth")


@pytest.mark.parametrize("name", ["notes.pth", "notes.safetensors", "notes"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"weights\nof a network\n", b"<!DOCTYPE html>", b"PK\x03\x04 no archive", b"\x80\x02cut"]
)
def test_a_file_that_holds_no_weights_is_told(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UserError) as error:
        load_pretrained(LITE0, str(tmp_path / name), tmp_path)
    assert_one_sentence(error, "transfer.weights_file", tmp_path / name, "a .pth file of tensors alone")
    assert "weights_only" not in error.value.message


@given(content=st.binary(max_size=200), start=st.sampled_from([b"", b"\x80\x02", b"PK\x03\x04", b"}q\x00"]))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_refused_as_a_mistake_of_the_user(content, start, tmp_path):
    path = tmp_path / "random.pth"
    path.write_bytes(start + content)

    with pytest.raises(UserError, match=r"transfer\.weights_file"):
        read_state(path)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_pickle_is_refused_and_never_executed(write, tmp_path):
    proof = tmp_path / "executed"
    path = tmp_path / "weights.pth"
    write({"fc.weight": torch.zeros(2), "bomb": Bomb(proof)}, path)

    with pytest.raises(UserError) as error:
        load_pretrained(RESNET18, str(path), tmp_path)
    assert_one_sentence(error, "transfer.weights_file", path)
    assert not proof.exists()


@pytest.mark.parametrize("value", [[torch.zeros(2)], {"epoch": 3, "weights": torch.zeros(2)}, {"state": {}}])
def test_a_file_of_tensors_in_another_order_of_things_is_told(value, tmp_path):
    torch.save(value, tmp_path / "checkpoint.pth")

    with pytest.raises(UserError) as error:
        read_state(tmp_path / "checkpoint.pth")
    assert_one_sentence(error, tmp_path / "checkpoint.pth", "expected a state dict")


def test_the_weights_of_another_network_are_told(resnet18_state, tmp_path):
    torch.save(resnet18_state, tmp_path / "other.pth")

    with pytest.raises(UserError) as error:
        load_pretrained(LITE0, str(tmp_path / "other.pth"), tmp_path)
    assert_one_sentence(error, tmp_path / "other.pth", "does not fit efficientnet_lite0", "published weights")


def test_weights_of_the_same_network_with_other_classes_are_told(resnet18_state, tmp_path):
    fewer = {**resnet18_state, "fc.weight": torch.zeros(3, 512), "fc.bias": torch.zeros(3)}
    torch.save(fewer, tmp_path / "three.pth")

    with pytest.raises(UserError, match="does not fit resnet18"):
        load_pretrained(RESNET18, str(tmp_path / "three.pth"), tmp_path)


def test_weights_that_lack_a_tensor_are_told(resnet18_state, tmp_path):
    torch.save({name: tensor for name, tensor in resnet18_state.items() if name != "fc.bias"}, tmp_path / "cut.pth")

    with pytest.raises(UserError, match="does not fit resnet18"):
        load_pretrained(RESNET18, str(tmp_path / "cut.pth"), tmp_path)


def test_tensors_are_taken_by_their_names_and_not_by_their_order(resnet18_state, offline, tmp_path):
    torch.save(dict(reversed(resnet18_state.items())), tmp_path / "turned.pth")

    assert_same(load_pretrained(RESNET18, str(tmp_path / "turned.pth"), tmp_path), resnet18_state)


def test_tensors_of_other_names_are_refused_though_their_shapes_fit(resnet18_state, tmp_path):
    torch.save({f"model.{name}": tensor for name, tensor in resnet18_state.items()}, tmp_path / "renamed.pth")

    with pytest.raises(UserError, match="does not fit resnet18"):
        load_pretrained(RESNET18, str(tmp_path / "renamed.pth"), tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet50", "resnet50-0676ba61.pth"),
        ("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth"),
        ("mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth"),
    ],
)
def test_every_network_of_torchvision_names_its_file_and_reads_it(name, file, offline, tmp_path):
    arch = architecture(name)
    with pytest.raises(UserError) as error:
        load_pretrained(arch, None, tmp_path)
    assert_one_sentence(error, name, tmp_path / file)

    state = arch.build().state_dict()
    torch.save(state, tmp_path / file)
    assert_same(load_pretrained(arch, None, tmp_path), state)


def test_timm_fetches_the_weights_of_its_networks_once_and_they_are_kept(monkeypatch, tmp_path):
    import timm

    arch, made = architecture("timm:test_resnet"), []
    build = timm.create_model

    def fetch(name, pretrained=False, cache_dir=None):
        model = build(name)
        if pretrained:
            made.append((name, model.state_dict()))
        return model

    monkeypatch.setattr(timm, "create_model", fetch)

    for _ in range(2):
        network = load_pretrained(arch, None, tmp_path / "weights")
    assert [name for name, _ in made] == ["test_resnet"]
    assert_same(network, made[0][1])
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["timm_test_resnet.safetensors"]


@pytest.mark.parametrize("failure", [OSError("no route"), RuntimeError("two\nlines"), ValueError()])
def test_without_a_network_the_message_says_where_to_put_the_weights_of_timm(failure, monkeypatch, tmp_path):
    import timm

    def fail(*_arguments, **_options):
        raise failure

    arch = architecture("timm:test_resnet")
    monkeypatch.setattr(timm, "create_model", fail)

    with pytest.raises(UserError) as error:
        load_pretrained(arch, None, tmp_path)
    assert_one_sentence(
        error, "timm:test_resnet", "could not be downloaded", tmp_path / "timm_test_resnet.safetensors",
        "transfer.weights_file",
    )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_without_a_network_the_message_says_which_file_to_put_where(offline, tmp_path):
    with pytest.raises(UserError) as error:
        load_pretrained(RESNET18, None, tmp_path / "weights")
    assert_one_sentence(
        error, "resnet18", "could not be downloaded", tmp_path / "weights" / RESNET18_FILE, "transfer.weights_file"
    )


def test_a_download_with_the_wrong_digest_is_told(monkeypatch, tmp_path):
    def fail(*_arguments, **_options):
        raise RuntimeError('invalid hash value (expected "f37072fd", got "0")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)

    with pytest.raises(UserError, match="invalid hash value"):
        load_pretrained(RESNET18, None, tmp_path)


def test_a_file_in_the_cache_is_used_without_a_network(offline, resnet18_state, tmp_path):
    torch.save(resnet18_state, tmp_path / RESNET18_FILE)

    assert_same(load_pretrained(RESNET18, None, tmp_path), resnet18_state)


def test_what_is_downloaded_is_checked_by_its_digest_and_kept(monkeypatch, resnet18_state, tmp_path):
    asked = []

    def download(url, target, hash_prefix, progress):
        asked.append((url, hash_prefix))
        torch.save(resnet18_state, target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)

    for _ in range(2):
        assert_same(load_pretrained(RESNET18, None, tmp_path / "weights"), resnet18_state)
    assert asked == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd")]
    assert (tmp_path / "weights" / RESNET18_FILE).is_file()
