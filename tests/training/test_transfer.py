import numpy as np
import pytest
import torch

from quality_gate.data.scenes import LABELS, encode_scene
from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.inference import OnnxClassifier
from quality_gate.models.checkpoint import load_network, save_weights
from quality_gate.models.manifest import file_digest
from quality_gate.models.zoo import architecture
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.settings import TrainingSettings
from quality_gate.training import transfer
from quality_gate.training.candidate import save_candidate
from quality_gate.training.transfer import train_transfer
from quality_gate.transfer_settings import TransferSettings

SEED = 3
SETTINGS = TransferSettings(
    size=64,
    training_views=("crop",),
    augmented_views=1,
    finetune_epochs=1,
    finetune_min_photos=0,
    learning_rate=1e-3,
    batch_size=8,
)


class Listener:
    """Keeps what it is told."""

    def __init__(self):
        self.lines = []
        self.done = {}

    def progress(self, task):
        return lambda done, total: self.done.update({task: (done, total)})

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def parts(photos_in_memory):
    """Generated photos to train on and to choose the epoch by."""

    def part(first, per_class):
        labels = np.repeat(np.arange(len(LABELS)), per_class)
        scenes = [encode_scene(LABELS[label], first + place, size=64) for place, label in enumerate(labels)]
        return photos_in_memory(scenes, labels, LABELS)

    return part(0, 4), part(100, 2)


@pytest.fixture(scope="module")
def train(parts, tmp_path_factory):
    """Trains on the generated photos; also gives what was reported."""

    def run(seed=SEED, workers=1, hard_negatives=(), copies=1, **changes):
        listener = Listener()
        result = train_transfer(
            *parts,
            SETTINGS.model_copy(update=changes),
            seed=seed,
            home=Home(tmp_path_factory.mktemp("home")),
            workers=workers,
            reporter=listener,
            hard_negatives=hard_negatives,
            copies=copies,
        )
        return result, listener

    return run


@pytest.fixture(scope="module")
def trained(train):
    return train()


def weights_digest(result, folder):
    folder.mkdir()
    save_weights(result.network, folder)
    return file_digest(folder / "weights.safetensors")


def test_the_same_seed_gives_the_same_weights_whatever_the_number_of_workers(trained, train, tmp_path):
    digest = weights_digest(trained[0], tmp_path / "first")

    assert weights_digest(train(workers=4)[0], tmp_path / "again") == digest
    assert weights_digest(train(seed=SEED + 1)[0], tmp_path / "other") != digest


def test_the_head_alone_comes_first_and_the_passes_after_it(trained):
    result, listener = trained

    assert [epoch.epoch for epoch in result.history.epochs] == [0, 1]
    assert listener.lines[1:] == [str(epoch) for epoch in result.history.epochs]
    assert listener.done == {"features of train": (32, 32), "features of validation": (8, 8)}
    assert not result.network.training
    assert result.spec == PreprocessingSpec(64, ("crop",), (127 / 255,) * 3, (128 / 255,) * 3)


@pytest.mark.slow
def test_two_processes_fine_tune_as_one_does(trained, train):
    (one, _), (two, listener) = trained, train(processes=2)

    assert listener.lines[1:] == [str(epoch) for epoch in two.history.epochs]
    for epoch, other in zip(one.history.epochs, two.history.epochs, strict=True):
        assert other.log_loss == pytest.approx(epoch.log_loss, rel=1e-3)
    weights = one.network.state_dict()
    for name, tensor in two.network.state_dict().items():
        torch.testing.assert_close(tensor, weights[name], rtol=1e-2, atol=1e-3)
    trunk = [name for name in weights if name.startswith("trunk.")]
    assert all(torch.equal(two.network.state_dict()[name], weights[name]) for name in trunk)


def test_without_fine_tuning_the_backbone_stays_as_it_was_pretrained(trained, train):
    frozen, _ = train(finetune_epochs=0, augmented_views=0)
    again, _ = train(finetune_epochs=0, augmented_views=1)

    backbone = {name: tensor for name, tensor in frozen.network.state_dict().items() if not name.startswith("head.")}
    assert all(torch.equal(tensor, again.network.state_dict()[name]) for name, tensor in backbone.items())
    assert not torch.equal(frozen.network.head.weight, again.network.head.weight)
    assert len(frozen.history.epochs) == 1
    trunk = frozen.network.trunk.state_dict()
    assert all(torch.equal(tensor, trunk[name]) for name, tensor in trained[0].network.trunk.state_dict().items())


def test_every_stage_can_be_fine_tuned(train):
    arch = architecture(SETTINGS.model)
    stages = len(arch.stages(arch.build()))

    result, _ = train(finetune_stages=stages, augmented_views=0)

    assert len(result.network.trunk) == 0
    assert len(result.history.epochs) == 2


def test_with_few_photos_the_head_alone_is_the_candidate_and_the_reason_is_said(train):
    result, listener = train(finetune_min_photos=17)

    assert len(result.history.epochs) == 1
    assert listener.lines[1] == "16 photos: too few to fine-tune (transfer.finetune_min_photos)"


def test_another_seed_gives_other_views(train):
    first, other = (train(seed=seed, finetune_epochs=0)[0] for seed in (SEED, SEED + 1))

    assert not torch.equal(first.network.head.weight, other.network.head.weight)


def test_the_head_knows_the_photos_it_was_trained_on(parts, train):
    result, _ = train(finetune_epochs=0)
    tensors = np.stack([preprocess(photo, result.spec) for photo in parts[0].read()])

    with torch.inference_mode():
        answers = result.network(torch.from_numpy(tensors[:, 0])).argmax(dim=1).numpy()
    assert (answers == parts[0].labels).mean() > 0.9


def test_hard_negatives_draw_the_head_towards_their_labels(parts, train):
    photos = parts[0]
    hard = [photos.image_ids[0], photos.image_ids[6]]

    def doubt(result):
        """Of the right answers for these photos."""
        tensors = np.stack([preprocess(photo, result.spec)[0] for photo in photos.snapshot.photos(hard)])
        with torch.inference_mode():
            answers = result.network(torch.from_numpy(tensors)).log_softmax(dim=1).numpy()
        return -answers[[0, 1], photos.labels[[0, 6]]].sum()

    plain, emphasised = (train(finetune_epochs=0, hard_negatives=hard, copies=copies)[0] for copies in (1, 8))
    assert doubt(emphasised) < doubt(plain) / 2


def test_fine_tuning_learns_from_every_copy_and_nothing_else_is_repeated(parts, train, monkeypatch):
    given = []
    monkeypatch.setattr(transfer, "fit_in_processes", lambda _count, _network, *rows, **more: given.extend(rows[:2]))
    hard = [parts[0].image_ids[5], *parts[1].image_ids]

    train(hard_negatives=hard, copies=3)

    assert np.bincount(given[0].labels).tolist() == [8, 12, 8, 8]
    assert len(given[0].inputs) == 36
    assert torch.equal(given[0].inputs[10:12], given[0].inputs[12:14])
    assert len(given[1].inputs) == len(parts[1])


def test_copies_are_no_photos_when_it_is_decided_whether_to_fine_tune(parts, train):
    _, listener = train(hard_negatives=parts[0].image_ids, copies=3, finetune_min_photos=17)
    assert listener.lines[1] == "16 photos: too few to fine-tune (transfer.finetune_min_photos)"


def test_a_saved_candidate_answers_in_production_as_it_was_trained(trained, parts, tmp_path):
    settings = TrainingSettings(name="gate", transfer=SETTINGS)

    model = save_candidate(trained[0], settings, LABELS, {"data": "d" * 64}, tmp_path)

    classifier = OnnxClassifier(model.path)
    tensors = np.stack([preprocess(photo, classifier.manifest.preprocessing) for photo in parts[1].read()])
    with torch.inference_mode():
        expected = trained[0].network(torch.from_numpy(tensors[:, 0])).softmax(dim=1).numpy()
        reloaded = load_network(model.path)(torch.from_numpy(tensors[:, 0])).softmax(dim=1).numpy()
    np.testing.assert_allclose(classifier.probabilities(tensors), expected, atol=1e-4)
    np.testing.assert_allclose(reloaded, expected, atol=1e-5)
    manifest = model.manifest
    assert (manifest.name, manifest.architecture, manifest.classes) == ("gate", "efficientnet_lite0", LABELS)
    assert (manifest.preprocessing, manifest.routing, manifest.version) == (trained[0].spec, None, None)
    assert manifest.digests == {
        "data": "d" * 64,
        "weights": file_digest(tmp_path / "weights.safetensors"),
        "onnx": file_digest(tmp_path / "model.onnx"),
    }


def test_a_network_without_published_weights_is_trained_as_a_whole(parts, train):
    result, listener = train(model="compact_cnn", size=32, views=("squash",))

    assert listener.done == {"photos of train": (16, 16), "photos of validation": (8, 8)}
    assert len(result.history.epochs) == 2
    assert len(result.network.trunk) == 0


def test_weights_that_cannot_be_had_stop_the_training_before_any_photo_is_read(train, tmp_path):
    with pytest.raises(UserError, match=r"none\.pth does not exist"):
        train(weights_file=str(tmp_path / "none.pth"))
