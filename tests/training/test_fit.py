from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from quality_gate.errors import UserError
from quality_gate.inference import softmax
from quality_gate.training.fit import fit, predict_logits
from quality_gate.training.objective import Rows
from quality_gate.training.recipe import Recipe
from quality_gate.training.resume import Checkpoint
from quality_gate.training.unfreezing import open_stages

CPU = torch.device("cpu")
PHOTOS = 10


class Scripted(nn.Module):
    """Answers as many validation photos right after each pass as a script says.

    An input is the class and the number of a photo. The passes are counted in a buffer, so that the state of the
    network tells after which pass it was kept.
    """

    def __init__(self, right):
        super().__init__()
        self.right = right
        self.sureness = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("passes", torch.tensor(0))

    def forward(self, inputs):
        labels, numbers = inputs[:, 0, 0, 0], inputs[:, 1, 0, 0]
        if self.training:
            self.passes += 1
            right = torch.ones_like(labels)
        else:
            right = (numbers < self.right[int(self.passes)]).float()
        sign = (2 * labels - 1) * (2 * right - 1)
        return torch.stack([-sign, sign], dim=1) * self.sureness


def scripted_rows():
    labels = np.arange(PHOTOS) % 2
    inputs = torch.from_numpy(np.stack([labels, np.arange(PHOTOS)], axis=1)).float()[:, :, None, None]
    return Rows(inputs, labels)


def follow(right, **changes):
    network, rows = Scripted(right), scripted_rows()
    return network, fit(network, rows, rows, recipe(**changes), CPU)


def recipe(**changes):
    values = {
        "epochs": 4,
        "rows_per_epoch": PHOTOS,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "batch_size": PHOTOS,
        "patience": 100,
        "seed": 0,
    }
    return Recipe(**{**values, **changes})


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(8, 2),
    )  # fmt: skip


def bright_and_dark(photos=40, seed=0):
    labels = np.arange(photos) % 2
    noise = np.random.default_rng(seed).normal(0, 0.3, (photos, 3, 8, 8))
    return Rows(torch.from_numpy(noise + (2 * labels - 1)[:, None, None, None]).float(), labels)


def state_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(first, second):
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_the_best_state_is_kept_and_not_the_last():
    network, history = follow([4, 6, 9, 7, 8])

    assert int(network.passes) == 2
    assert history.best.epoch == 2
    assert [epoch.best for epoch in history.epochs] == [True, True, True, False, False]
    assert [epoch.epoch for epoch in history.epochs] == [0, 1, 2, 3, 4]
    assert not network.training


def test_a_training_that_only_harms_leaves_the_network_as_it_was():
    network, history = follow([9, 8, 7, 6, 5])

    assert int(network.passes) == 0
    assert network.sureness.item() == 1.0
    assert history.best.epoch == 0


def test_among_equal_f1_the_lowest_log_loss_is_the_best():
    network, history = follow([10, 10, 10, 10, 10])

    losses = [epoch.log_loss for epoch in history.epochs]
    assert losses == sorted(losses, reverse=True)
    assert int(network.passes) == 4

    sure_of_mistakes, history = follow([6, 6, 6, 6, 6])
    assert history.epochs[1].log_loss > history.epochs[0].log_loss
    assert int(sure_of_mistakes.passes) == 0


@pytest.mark.parametrize(("patience", "passes"), [(1, 2), (2, 3), (3, 4)])
def test_training_stops_after_so_many_passes_without_a_better_one(patience, passes):
    _, history = follow([5, 8, 7, 7, 7, 7, 7], epochs=6, patience=patience)

    assert history.epochs[-1].epoch == passes


def test_a_better_pass_gives_new_patience():
    _, history = follow([5, 4, 6, 5, 7, 6, 6, 6], epochs=7, patience=2)

    assert history.epochs[-1].epoch == 6


def test_the_learning_rate_is_halved_after_half_the_patience_without_a_better_f1():
    _, history = follow([8] * 7, epochs=6, patience=4, learning_rate=1e-3)

    rates = [epoch.learning_rate for epoch in history.epochs]
    assert rates[:4] == [1e-3, 1e-3, 1e-3, 5e-4]


def test_one_cycle_makes_all_passes_and_ends_at_a_low_rate():
    _, plateau = follow([5] * 11, epochs=10, patience=1)
    _, cycle = follow([5] * 11, epochs=10, patience=1, schedule="one_cycle")

    assert len(plateau.epochs) == 2
    assert len(cycle.epochs) == 11
    rates = [epoch.learning_rate for epoch in cycle.epochs[1:]]
    assert max(rates) == max(rates[:3])
    assert rates[-1] < max(rates) / 4


def test_the_learning_rate_stays_while_the_passes_get_better():
    _, history = follow([4, 5, 6, 7, 8, 9], epochs=5, patience=2)

    assert {epoch.learning_rate for epoch in history.epochs} == {1e-3}


def test_the_state_before_training_is_recorded_as_epoch_0():
    network, history = follow([6], epochs=0)

    assert len(history.epochs) == 1
    assert (history.epochs[0].epoch, history.epochs[0].train_loss, history.epochs[0].best) == (0, None, True)
    assert history.epochs[0].macro_f1 == pytest.approx(0.6, abs=0.01)
    assert int(network.passes) == 0


def test_every_pass_is_told_as_it_ends():
    told = []
    rows = scripted_rows()

    history = fit(Scripted([5, 6, 7]), rows, rows, recipe(epochs=2), CPU, on_epoch=told.append)

    assert tuple(told) == history.epochs
    assert all(epoch.train_loss > 0 for epoch in told[1:])


def test_a_trivial_task_is_learnt():
    network = small_network()

    history = fit(network, bright_and_dark(), bright_and_dark(seed=1), recipe(epochs=20, learning_rate=1e-2), CPU)

    assert history.best.macro_f1 == 1.0
    answers = predict_logits(network, bright_and_dark(seed=2).inputs, CPU).argmax(axis=1)
    assert (answers == bright_and_dark(seed=2).labels).all()


def test_half_precision_inputs_are_prepared_and_trained_on_as_floats():
    rows = bright_and_dark()
    seen = set()

    def watch(batch, _generator):
        seen.add(batch.dtype)
        return batch

    halves = Rows(rows.inputs.half(), rows.labels)
    history = fit(small_network(), halves, halves, recipe(epochs=1), CPU, prepare=watch)

    assert seen == {torch.float32}
    assert np.isfinite(history.epochs[1].train_loss)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_batch_norm_keeps_its_statistics_and_still_trains_its_weights(frozen):
    network = small_network()
    before = state_of(network)
    kept = []

    fit(
        network,
        bright_and_dark(),
        bright_and_dark(seed=1),
        recipe(learning_rate=1e-2),
        CPU,
        freeze_batch_norm=frozen,
        on_epoch=lambda _epoch: kept.append(state_of(network)),
    )

    assert torch.equal(kept[-1]["1.running_mean"], before["1.running_mean"]) is frozen
    assert torch.equal(kept[-1]["1.running_var"], before["1.running_var"]) is frozen
    assert not torch.equal(kept[-1]["1.weight"], before["1.weight"])


def test_parameters_without_gradient_stay_as_they_are():
    network = small_network()
    network[0].requires_grad_(False)
    before = state_of(network)
    kept = []

    fit(
        network, bright_and_dark(), bright_and_dark(seed=1), recipe(learning_rate=1e-2), CPU,
        on_epoch=lambda _epoch: kept.append(state_of(network)),
    )  # fmt: skip

    assert torch.equal(kept[-1]["0.weight"], before["0.weight"])
    assert not torch.equal(kept[-1]["6.weight"], before["6.weight"])


@pytest.mark.parametrize("randomness", ["sampling", "dropout"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(randomness):
    rows = bright_and_dark()
    if randomness == "dropout":
        rows = Rows(rows.inputs[:1].expand(PHOTOS, -1, -1, -1), np.zeros(PHOTOS, dtype=np.int64))

    def trained(seed):
        network = small_network()
        network[5].p = 0.3 if randomness == "dropout" else 0.0
        fit(network, rows, bright_and_dark(seed=1), recipe(seed=seed, epochs=2, learning_rate=1e-2), CPU)
        return state_of(network)

    assert same(trained(1), trained(1))
    assert not same(trained(1), trained(2))


def test_answers_do_not_depend_on_how_many_are_asked_at_once():
    network = small_network()
    inputs = torch.randn(150, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    logits = predict_logits(network, inputs, CPU)

    assert not network.training
    with torch.inference_mode():
        np.testing.assert_allclose(logits, network(inputs).numpy(), atol=1e-5)
    assert logits.shape == (150, 2)


@pytest.mark.parametrize(
    ("right", "epochs", "reason"),
    [([5, 6, 7], 2, "epochs"), ([5, 4, 3, 2], 3, "patience"), ([5], 0, "epochs"), ([8, 7, 7], 2, "patience")],
)
def test_the_last_pass_says_why_training_ended(right, epochs, reason):
    _, history = follow(right, epochs=epochs, patience=2)

    assert history.stop == reason
    assert [epoch.stop for epoch in history.epochs[:-1]] == [None] * (len(history.epochs) - 1)


def test_a_training_that_diverges_names_the_learning_rate():
    with pytest.raises(UserError, match=r"diverged in pass 1: .* lower transfer\.learning_rate, which was 1e\+30\."):
        fit(small_network(), bright_and_dark(), bright_and_dark(seed=1), recipe(learning_rate=1e30), CPU)


def test_the_moving_average_is_what_is_validated_and_kept():
    network, validation, steps = small_network(), bright_and_dark(seed=1), []

    history = fit(
        network, bright_and_dark(), validation, recipe(epochs=5, learning_rate=1e-2, ema_decay=0.99), CPU,
        on_epoch=lambda _epoch: steps.append(state_of(network)),
    )  # fmt: skip

    assert history.best.epoch > 1
    right = np.arange(len(validation.labels)), validation.labels
    log_loss = -np.log(softmax(predict_logits(network, validation.inputs, CPU))[right]).mean()
    assert log_loss == pytest.approx(history.best.log_loss, rel=1e-5)
    answers = softmax(predict_logits(network, validation.inputs, CPU))
    brier = ((answers - np.eye(answers.shape[1])[validation.labels]) ** 2).sum(axis=1).mean()
    assert brier == pytest.approx(history.best.brier, rel=1e-5)
    kept = network.state_dict()["6.weight"]
    assert not any(torch.equal(kept, step["6.weight"]) for step in steps)


@pytest.mark.parametrize("unfreezing", ["at_once", "each_epoch", "on_plateau"])
def test_stages_learn_one_after_the_other_from_the_last_to_the_first(unfreezing):
    network, kept = small_network(), []
    before = state_of(network)

    history = fit(
        network, bright_and_dark(), bright_and_dark(seed=1),
        recipe(epochs=3, learning_rate=1e-2, unfreezing=unfreezing), CPU,
        stages=[network[0], network[1]], freeze_batch_norm=True,
        on_epoch=lambda _epoch: kept.append(state_of(network)),
    )  # fmt: skip

    opened = [epoch.open_stages for epoch in history.epochs]
    assert opened[0] is None
    for number, count in enumerate(opened[1:], start=1):
        assert count == open_stages(unfreezing, 2, history.epochs[:number])
        assert torch.equal(kept[number]["0.weight"], before["0.weight"]) is (count < 2)
        assert not torch.equal(kept[number]["1.weight"], before["1.weight"])
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_rate_finder_chooses_the_rate_and_changes_nothing_else():
    network = small_network()
    before = state_of(network)

    history = fit(
        network, bright_and_dark(), bright_and_dark(seed=1), recipe(epochs=0, find_learning_rate=True), CPU,
    )  # fmt: skip
    assert history.epochs[0].learning_rate == 1e-3
    assert same(state_of(network), before)

    history = fit(
        network, bright_and_dark(), bright_and_dark(seed=1), recipe(epochs=1, find_learning_rate=True), CPU,
    )  # fmt: skip
    assert history.epochs[1].learning_rate not in (1e-3, 1e-7)


class Interrupted(Exception):
    """A training that is cut off."""


EVERYTHING = {
    "epochs": 4, "learning_rate": 1e-2, "ema_decay": 0.9, "mixup": 0.4, "label_smoothing": 0.1, "focal_gamma": 1.0,
    "unfreezing": "each_epoch", "find_learning_rate": True, "balance": "both", "patience": 3,
}  # fmt: skip


def train_with(checkpoint, stop_after=None, **changes):
    """Train; with ``stop_after`` it is cut off in the pass after that one."""
    network = small_network()
    state = {"passes": 0}

    def noise_then_stop(batch, generator):
        if stop_after is not None and state["passes"] > stop_after:
            raise Interrupted
        return batch + 0.1 * torch.randn(batch.shape, generator=generator)

    def count(_epoch):
        state["passes"] += 1

    history = fit(
        network, bright_and_dark(), bright_and_dark(seed=1), recipe(**{**EVERYTHING, **changes}), CPU,
        stages=[network[0], network[1]], prepare=noise_then_stop, on_epoch=count, checkpoint=checkpoint,
    )  # fmt: skip
    return state_of(network), history, state["passes"]


@pytest.mark.parametrize("schedule", ["plateau", "one_cycle"])
@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_a_training_that_was_interrupted_ends_with_the_same_weights(stop_after, schedule, tmp_path):
    weights, history, passes = train_with(None, schedule=schedule)
    checkpoint = Checkpoint(tmp_path / "new" / "training.safetensors", "key", pytest.fail)

    with pytest.raises(Interrupted):
        train_with(checkpoint, stop_after=stop_after, schedule=schedule)
    assert checkpoint.path.is_file()
    torch.manual_seed(99)
    again, history_again, passes_again = train_with(checkpoint, schedule=schedule)

    assert all(torch.equal(again[name], tensor) for name, tensor in weights.items())
    assert history_again == history
    assert passes_again == passes - stop_after - 1
    assert not list(checkpoint.path.parent.iterdir())


def test_a_training_cut_off_after_its_last_pass_is_only_finished(tmp_path):
    weights, history, _ = train_with(None)
    checkpoint = Checkpoint(tmp_path / "training.safetensors", "key", pytest.fail)

    def stop(epoch):
        if epoch.stop:
            raise Interrupted

    network = small_network()
    with pytest.raises(Interrupted):
        fit(
            network, bright_and_dark(), bright_and_dark(seed=1), recipe(**EVERYTHING), CPU,
            stages=[network[0], network[1]],
            prepare=lambda batch, generator: batch + 0.1 * torch.randn(batch.shape, generator=generator),
            on_epoch=stop, checkpoint=checkpoint,
        )  # fmt: skip
    again, history_again, passes = train_with(checkpoint)

    assert passes == 0
    assert history_again == history
    assert same(again, weights)


@pytest.mark.parametrize("change", [{"key": "other"}, {"recipe": {"learning_rate": 2e-2}}, {"recipe": {"seed": 7}}])
def test_the_checkpoint_of_another_training_is_not_continued(change, tmp_path):
    checkpoint = Checkpoint(tmp_path / "training.safetensors", "key", pytest.fail)
    with pytest.raises(Interrupted):
        train_with(checkpoint, stop_after=2)

    changes = change.get("recipe", {})
    again, history, passes = train_with(replace(checkpoint, key=change.get("key", "key")), **changes)

    expected, expected_history, _ = train_with(None, **changes)
    assert passes == len(expected_history.epochs)
    assert history == expected_history
    assert same(again, expected)


def test_a_network_of_another_shape_starts_anew(tmp_path):
    checkpoint = Checkpoint(tmp_path / "training.safetensors", "key", pytest.fail)
    with pytest.raises(Interrupted):
        train_with(checkpoint, stop_after=2)
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    history = fit(
        other, bright_and_dark(), bright_and_dark(seed=1), recipe(**EVERYTHING), CPU, checkpoint=checkpoint
    )  # fmt: skip

    assert history.epochs[0].epoch == 0


def test_a_damaged_checkpoint_is_told_and_training_starts_anew(tmp_path):
    lines = []
    checkpoint = Checkpoint(tmp_path / "training.safetensors", "key", lines.append)
    with pytest.raises(Interrupted):
        train_with(checkpoint, stop_after=2)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-7])

    again, history, passes = train_with(checkpoint)

    assert len(lines) == 1
    assert passes == len(history.epochs)
    assert same(again, train_with(None)[0])


def test_a_checkpoint_that_cannot_be_written_is_told_and_training_goes_on(tmp_path):
    lines = []
    (tmp_path / "file").touch()

    weights, history, _ = train_with(Checkpoint(tmp_path / "file" / "training.safetensors", "key", lines.append))

    assert len(lines) == len(history.epochs)
    assert same(weights, train_with(None)[0])
