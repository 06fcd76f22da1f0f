import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from quality_gate.training.fit import Rows, Schedule, balanced_weights, fit, predict_logits

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
    return network, fit(network, rows, rows, schedule(**changes), CPU)


def schedule(**changes):
    values = {
        "epochs": 4,
        "rows_per_epoch": PHOTOS,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "batch_size": PHOTOS,
        "patience": 100,
        "seed": 0,
    }
    return Schedule(**{**values, **changes})


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

    history = fit(Scripted([5, 6, 7]), rows, rows, schedule(epochs=2), CPU, on_epoch=told.append)

    assert tuple(told) == history.epochs
    assert all(epoch.train_loss > 0 for epoch in told[1:])


@given(labels=arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 4)))
@settings(deadline=None, max_examples=50)
def test_the_weights_make_every_class_equally_frequent(labels):
    weights = balanced_weights(labels)

    totals = np.bincount(labels, weights=weights)[np.unique(labels)]
    np.testing.assert_allclose(totals, 1)
    assert (weights > 0).all()


def test_a_rare_class_is_drawn_as_often_as_a_frequent_one():
    labels = np.array([0] * 95 + [1] * 5)
    rows = Rows(torch.from_numpy(labels).float()[:, None, None, None].expand(-1, 2, 1, 1), labels)
    drawn = []

    def watch(batch, _generator):
        drawn.append(batch[:, 0, 0, 0])
        return batch

    fit(Scripted([5] * 99), rows, rows, schedule(epochs=1, rows_per_epoch=2000, batch_size=64), CPU, prepare=watch)

    assert len(torch.cat(drawn)) == 2000
    assert 0.45 < float(torch.cat(drawn).mean()) < 0.55


def test_a_trivial_task_is_learnt():
    network = small_network()

    history = fit(network, bright_and_dark(), bright_and_dark(seed=1), schedule(epochs=20, learning_rate=1e-2), CPU)

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
    history = fit(small_network(), halves, halves, schedule(epochs=1), CPU, prepare=watch)

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
        schedule(learning_rate=1e-2),
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
        network, bright_and_dark(), bright_and_dark(seed=1), schedule(learning_rate=1e-2), CPU,
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
        fit(network, rows, bright_and_dark(seed=1), schedule(seed=seed, epochs=2, learning_rate=1e-2), CPU)
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
