"""What speeds training up on a GPU, as far as a processor can tell."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from quality_gate.training import acceleration as module
from quality_gate.training.acceleration import Acceleration, resident
from quality_gate.training.fit import fit
from quality_gate.training.objective import Objective, Rows
from quality_gate.training.recipe import Recipe
from quality_gate.training.resume import Checkpoint
from quality_gate.training.shift_and_mirror import shift_and_mirror

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
# What a GPU gets.
EVERYTHING = Acceleration(torch.bfloat16, resident=True, prepare_on_device=True, fused=True)
RECIPE = Recipe(
    epochs=6, rows_per_epoch=40, learning_rate=1e-2, weight_decay=0.01, batch_size=8, patience=100, seed=0,
    label_smoothing=0.1, mixup=0.1, ema_decay=0.9,
)  # fmt: skip


class Watched(nn.Module):
    """Tells in which type it was answered, while training and while not."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(8, 2)
        self.seen = {True: set(), False: set()}

    def forward(self, photos):
        logits = self.head(self.layers(photos).flatten(1))
        self.seen[self.training].add(logits.dtype)
        return logits


def rows(photos=40, seed=0):
    labels = np.arange(photos) % 2
    noise = np.random.default_rng(seed).normal(0, 0.3, (photos, 3, 8, 8))
    return Rows(torch.from_numpy(noise + (2 * labels - 1)[:, None, None, None]).half(), labels)


def test_the_processor_computes_as_ever():
    assert Acceleration.of(CPU) == Acceleration(None, True, False, False, False)


@pytest.mark.parametrize(("modern", "precision"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_takes_everything_and_scales_losses_only_in_float16(monkeypatch, modern, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: modern)

    found = Acceleration.of(CUDA)

    assert found == replace(EVERYTHING, precision=precision)
    assert found.scaler(CPU).is_enabled() is not modern


def test_mixed_precision_learns_what_single_precision_learns_and_validates_in_single():
    plain, fast = Watched(), Watched()

    slow_history = fit(plain, rows(), rows(seed=1), RECIPE, CPU)
    history = fit(fast, rows(), rows(seed=1), RECIPE, CPU, prepare=shift_and_mirror, acceleration=EVERYTHING)

    assert plain.seen[True] == {torch.float32}
    assert fast.seen[True] == {torch.bfloat16}
    assert slow_history.best.macro_f1 == history.best.macro_f1 == 1.0
    # The first answers were given before anything was learnt.
    assert history.epochs[0].log_loss == slow_history.epochs[0].log_loss


@pytest.mark.parametrize(("free", "kept"), [(2 * 3072, True), (2 * 3072 - 1, False)])
def test_rows_lie_on_the_device_where_they_take_half_of_its_free_memory_at_most(monkeypatch, free, kept):
    given = rows(8).inputs
    assert given.numel() * given.element_size() == 3072
    monkeypatch.setattr(module, "free_memory", lambda device: free)

    assert (resident(given, torch.device("meta")).device.type == "meta") is kept


def objective(rows, device, acceleration):
    generator = torch.Generator().manual_seed(0)
    # Mixing looks at what it draws, on the processor: what holds nothing cannot be looked at.
    recipe = replace(RECIPE, mixup=0.0)
    return Objective.of(rows, 2, recipe, device, shift_and_mirror, generator, acceleration=acceleration)


@pytest.mark.parametrize("change", [{"prepare_on_device": True}, {"resident": True}, {"channels_last": False}])
def test_where_photos_lie_and_are_changed_alters_none_of_them(change):
    numbers = torch.arange(3, 11)

    expected = objective(rows(), CPU, Acceleration()).inputs(numbers)
    assert torch.equal(objective(rows(), CPU, Acceleration(**change)).inputs(numbers), expected)


def on_pretended_gpu(step):
    """Runs a step with tensors that are on a GPU as far as torch can tell, but hold nothing."""
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.MonkeyPatch.context() as patch:
        # Pinning is the driver's.
        patch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
        return step()


# Without a driver torch leaves mixed precision out.
@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize("kept", [True, False])
def test_the_loss_of_a_step_on_a_gpu_mixes_no_devices_and_waits_for_nothing(monkeypatch, kept):
    monkeypatch.setattr(module, "free_memory", lambda device: 1e9 if kept else 0)

    def step():
        with CUDA:
            network = Watched()
        given = objective(rows(), CUDA, EVERYTHING)
        # Not back: torch's own engine asks for a driver there.
        return given.train.inputs.device.type, given.loss(network, torch.arange(8))

    where, loss = on_pretended_gpu(step)

    assert where == ("cuda" if kept else "cpu")
    assert loss.device.type == "cuda"


def test_waiting_for_a_gpu_would_be_seen():
    with pytest.raises(DataDependentOutputException):
        on_pretended_gpu(lambda: torch.ones(1, device=CUDA).item())


def test_what_was_trained_in_another_way_is_not_continued(tmp_path):
    def first_pass(acceleration, *, leave):
        """The first pass that is made, after which the training is left."""

        def note(epoch):
            told.append(epoch.epoch)
            if leave and epoch.epoch == 1:
                raise KeyboardInterrupt

        told = []
        checkpoint = Checkpoint(tmp_path / "state", "key", pytest.fail)
        with contextlib.suppress(KeyboardInterrupt):
            fit(
                Watched(), rows(), rows(seed=1), replace(RECIPE, epochs=2), CPU, on_epoch=note, checkpoint=checkpoint,
                acceleration=acceleration,
            )  # fmt: skip
        return told[0]

    assert first_pass(Acceleration(), leave=True) == 0
    assert first_pass(Acceleration(), leave=True) == 2
    assert first_pass(Acceleration(), leave=True) == 0
    assert first_pass(EVERYTHING, leave=False) == 0
