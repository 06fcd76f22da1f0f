import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from quality_gate.errors import UserError
from quality_gate.inference import OnnxClassifier
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.settings import TrainingSettings
from quality_gate.training.candidate import save_candidate
from quality_gate.training.resume import Checkpoint
from quality_gate.training.scratch import normalised_by, train_from_scratch
from quality_gate.transfer_settings import TransferSettings

SETTINGS = TransferSettings(
    model="compact_cnn", size=32, views=("squash",), finetune_epochs=3, learning_rate=3e-3, schedule="one_cycle",
    batch_size=8, ema_decay=0.0,
)  # fmt: skip
CLASSES = ("blue", "red")


class Listener:
    def __init__(self):
        self.lines = []
        self.done = {}

    def progress(self, task):
        return lambda done, total: self.done.update({task: (done, total)})

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def parts(photos_in_memory, encode_png):
    """Red photos against blue ones, to train on and to choose the epoch by."""
    rng = np.random.default_rng(0)

    def part(per_class):
        labels = np.repeat([0, 1], per_class)
        colours = np.array([(50, 60, 190), (190, 60, 50)])[labels]
        pixels = np.clip(colours[:, None, None] + rng.normal(0, 20, (len(labels), 40, 36, 3)), 0, 255)
        return photos_in_memory([encode_png(one) for one in pixels.astype(np.uint8)], labels, CLASSES)

    return part(12), part(6)


def train(parts, *, seed=0, workers=1, checkpoint=None, **changes):
    listener = Listener()
    candidate = train_from_scratch(
        *parts,
        SETTINGS.model_copy(update=changes),
        seed=seed,
        workers=workers,
        reporter=listener,
        on_epoch=lambda epoch: listener.say(str(epoch)),
        checkpoint=checkpoint,
    )
    return candidate, listener


def weights(candidate):
    return {name: tensor.clone() for name, tensor in candidate.network.state_dict().items()}


def same(first, second):
    return all(torch.equal(tensor, weights(second)[name]) for name, tensor in weights(first).items())


def test_it_is_served_in_the_views_that_are_asked_for(parts):
    candidate, _ = train(parts, finetune_epochs=1, views=("squash", "squash_mirrored"))

    assert candidate.spec.views == ("squash", "squash_mirrored")


def test_everything_learns_and_is_told(parts):
    candidate, listener = train(parts)

    assert [epoch.epoch for epoch in candidate.history.epochs] == [0, 1, 2, 3]
    assert candidate.history.best.macro_f1 == 1.0
    assert listener.done == {"photos of train": (24, 24), "photos of validation": (12, 12)}
    assert listener.lines == [str(epoch) for epoch in candidate.history.epochs]
    assert not candidate.network.training
    start, _ = train(parts, finetune_epochs=0)
    assert not any(
        torch.equal(tensor, weights(start)[name]) for name, tensor in weights(candidate).items() if "weight" in name
    )


def test_the_same_seed_gives_the_same_weights_whatever_the_number_of_workers(parts):
    first, _ = train(parts)
    assert same(first, train(parts, workers=3)[0])
    assert not same(first, train(parts, seed=1)[0])


@pytest.mark.slow
def test_two_processes_learn_together(parts):
    candidate, listener = train(parts, processes=2, ema_decay=0.9)

    assert listener.lines == [str(epoch) for epoch in candidate.history.epochs]
    assert candidate.history.best.macro_f1 == 1.0
    # They shift and mirror other photos than one would, and normalise their own parts of a batch of eight.
    losses = [epoch.train_loss for epoch in candidate.history.epochs[1:]]
    assert losses == sorted(losses, reverse=True)
    alone, _ = train(parts, ema_decay=0.9)
    assert losses[0] == pytest.approx(alone.history.epochs[1].train_loss, rel=0.2)


def test_photos_are_normalised_by_their_own_means_and_deviations(parts):
    spec = normalised_by(parts[0], PreprocessingSpec(32, ("squash",), (0.5,) * 3, (0.25,) * 3), workers=1)

    seen = np.concatenate([preprocess(photo, spec) for photo in parts[0].read()])
    np.testing.assert_allclose(seen.mean(axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(seen.std(axis=(0, 2, 3)), 1, atol=1e-3)
    assert train(parts, finetune_epochs=1)[0].spec == spec


def test_photos_of_one_colour_can_be_normalised(photos_in_memory, encode_png):
    grey = photos_in_memory([encode_png(np.full((32, 32, 3), 128, np.uint8))], [0], ("grey",))
    spec = normalised_by(grey, PreprocessingSpec(32, ("squash",), (0.5,) * 3, (0.25,) * 3), workers=1)
    assert min(spec.std) > 0


def test_what_was_trained_answers_the_same_in_production(parts, tmp_path):
    candidate, _ = train(parts)
    model = save_candidate(candidate, TrainingSettings(transfer=SETTINGS), CLASSES, {}, tmp_path)

    classifier = OnnxClassifier(model.path)
    answers = np.concatenate(
        [classifier.probabilities(preprocess(photo, candidate.spec)[None]) for photo in parts[1].read()]
    )
    assert (answers.argmax(axis=1) == parts[1].labels).all()


def test_an_interrupted_training_ends_with_the_same_weights(parts, tmp_path):
    class Interrupted(Exception):
        pass

    def stop(epoch):
        if epoch.epoch == 2:
            raise Interrupted

    whole, _ = train(parts)
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "key", lambda line: None)
    with pytest.raises(Interrupted):
        train_from_scratch(
            *parts, SETTINGS, seed=0, workers=1, reporter=Listener(), on_epoch=stop, checkpoint=checkpoint
        )
    assert checkpoint.path.exists()

    resumed, listener = train(parts, checkpoint=checkpoint)
    assert same(whole, resumed)
    assert len(listener.lines) == 1


def test_it_starts_from_the_weights_of_a_trained_model_if_it_is_told_to(parts, tmp_path):
    taught, _ = train(parts)
    save_candidate(taught, TrainingSettings(transfer=SETTINGS), CLASSES, {}, tmp_path)

    warm, _ = train(parts, weights_file=str(tmp_path / "weights.safetensors"), finetune_epochs=0)
    assert torch.equal(warm.network.stages[0][0].weight, taught.network.stages[0][0].weight)


def test_weights_of_something_else_are_refused_in_one_sentence(parts, tmp_path):
    save_file({"conv.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"other\.safetensors holds no trained compact_cnn, which has no published"):
        train(parts, weights_file=str(tmp_path / "other.safetensors"))
