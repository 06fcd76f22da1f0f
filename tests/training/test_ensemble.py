import numpy as np
import pytest
import torch

from quality_gate.ensemble_settings import EnsembleSettings
from quality_gate.home import Home
from quality_gate.models.ensemble import EnsembleNetwork
from quality_gate.models.manifest import ModelManifest
from quality_gate.models.zoo import architecture, assemble
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.settings import TrainingSettings
from quality_gate.training import pretrained as module
from quality_gate.training.candidate import Candidate, save_candidate
from quality_gate.training.ensemble import combine, train_ensemble
from quality_gate.training.history import TrainingHistory
from quality_gate.training.pretrained import pretrained
from quality_gate.transfer_settings import TransferSettings

CLASSES = ("dark", "light")
SPEC = PreprocessingSpec(32, ("crop", "crop_mirrored"), (0.5,) * 3, (0.25,) * 3)


@pytest.fixture(scope="module")
def validation(photos_in_memory, encode_png):
    """Four dark and four light photos."""
    labels = [0, 1] * 4
    grey = [np.full((40, 40, 3), 60 + 120 * label + number, np.uint8) for number, label in enumerate(labels)]
    return photos_in_memory([encode_png(pixels) for pixels in grey], labels, CLASSES)


def untrained(seed, head=1.0):
    torch.manual_seed(seed)
    arch = architecture("compact_cnn")
    network = assemble(arch.build(), arch, len(CLASSES)).eval()
    torch.nn.init.normal_(network.head.weight, std=head)
    return Candidate(network, SPEC, TrainingHistory(()), "compact_cnn")


def test_each_member_has_its_temperature_and_the_weights_sum_to_1(validation):
    both = combine([untrained(0), untrained(1, head=20.0)], validation)
    assert isinstance(both.network, EnsembleNetwork)
    assert both.architecture == "compact_cnn+compact_cnn"
    assert sum(member.weight for member in both.members) == pytest.approx(1)
    assert both.members[0].temperature != both.members[1].temperature
    assert both.spec == SPEC


def test_weights_that_are_given_are_brought_to_a_sum_of_1(validation):
    both = combine([untrained(0), untrained(1)], validation, (0.6, 0.2))
    assert [member.weight for member in both.members] == pytest.approx([0.75, 0.25])


def test_an_ensemble_is_saved_as_one_model(validation, tmp_path):
    both = combine([untrained(0), untrained(1)], validation)
    model = save_candidate(both, TrainingSettings(name="pair"), CLASSES, {"data": "d" * 64}, tmp_path)
    assert model.manifest.members == both.members
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", "model.onnx", "weights.safetensors"}
    assert ModelManifest.load(tmp_path).architecture == "compact_cnn+compact_cnn"


def test_members_are_trained_one_after_the_other_with_seeds_and_keys_of_their_own(validation):
    asked = []

    def train(settings, *, seed, key):
        asked.append((settings.model, seed, key))
        return untrained(seed)

    lines = []
    members = (TransferSettings(model="compact_cnn", size=32),)
    result = train_ensemble(
        train,
        TransferSettings(model="compact_cnn"),
        EnsembleSettings(members=members),
        validation,
        seed=5,
        key="k",
        say=lines.append,
    )
    assert asked == [("compact_cnn", 5, "k"), ("compact_cnn", 6, "k-1")]
    assert len(result.members) == 2
    assert lines[0].startswith("ensemble: weights compact_cnn 0.")


def test_without_members_the_candidate_is_the_network_itself(validation):
    first = untrained(0)
    told = {"seed": 5, "key": "", "say": print}
    result = train_ensemble(lambda *_, **__: first, TransferSettings(), EnsembleSettings(), validation, **told)
    assert result is first


def test_views_are_averaged_member_by_member(validation):
    both = combine([untrained(0), untrained(1)], validation, (0.5, 0.5))
    photo = next(validation.read())
    with torch.inference_mode():
        found = both.network.member_logits(torch.from_numpy(preprocess(photo, SPEC)))
    assert found.shape == (2, 2, 2)


def test_the_next_network_is_taken_where_weights_cannot_be_had(monkeypatch, tmp_path):
    def load(arch, weights_file, cache):
        if arch.name == "resnet18":
            raise module.WeightsNotFetched("The weights are not there.")
        assert weights_file is None
        return arch.build()

    monkeypatch.setattr(module, "load_pretrained", load)
    settings = TransferSettings(model="resnet18", fallback=("mobilenet_v3_small", "resnet50"), size=64)
    start = pretrained(settings, 2, Home(tmp_path), workers=1)
    assert start.architecture == "mobilenet_v3_small"
    assert start.missing == {"resnet18": "The weights are not there."}


def test_where_no_weights_can_be_had_each_network_is_named(monkeypatch, tmp_path):
    def load(arch, *_):
        raise module.WeightsNotFetched(f"No {arch.name}.")

    monkeypatch.setattr(module, "load_pretrained", load)
    settings = TransferSettings(model="resnet18", fallback=("mobilenet_v3_small",), size=64)
    with pytest.raises(module.WeightsNotFetched, match=r"No resnet18\. No mobilenet_v3_small\."):
        pretrained(settings, 2, Home(tmp_path), workers=1)
