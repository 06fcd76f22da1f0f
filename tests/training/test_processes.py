import os
import pickle
import signal
from multiprocessing import Pipe, active_children
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn

from quality_gate.errors import UserError
from quality_gate.training.fit import fit
from quality_gate.training.mapped import tensor_in
from quality_gate.training.objective import Rows
from quality_gate.training.participant import Failed, Training, take_part
from quality_gate.training.processes import fit_in_processes, process_count
from quality_gate.training.recipe import Recipe
from quality_gate.training.resume import Checkpoint

CPU = torch.device("cpu")
PHOTOS, PASSES = 42, 3
NOTES = "NOTES_OF_PROCESSES"


class Watched(nn.Sequential):
    """Notes the sum of its weights whenever it is validated."""

    def forward(self, inputs):
        if not self.training:
            note("weights", repr([float(tensor.double().sum()) for tensor in self.state_dict().values()]))
        return super().forward(inputs)


def note(kind, line):
    folder = os.environ.get(NOTES)
    if folder and distributed.is_initialized():
        with (Path(folder) / f"{kind} {distributed.get_rank()}").open("a") as file:
            file.write(f"{line}\n")


def noted(folder, kind, rank):
    return (folder / f"{kind} {rank}").read_text().splitlines()


def note_rows(batch, _generator):
    for photo in batch:
        note("rows", int(photo[0, 0, 0]))
    return batch


def die_in_the_second_pass(batch, generator):
    note_rows(batch, generator)
    rank = distributed.get_rank()
    if rank == 1 and len(noted(Path(os.environ[NOTES]), "rows", rank)) > PHOTOS // 2 + 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return batch


def fail_in_the_second_process(batch, _generator):
    if distributed.get_rank() == 1:
        raise ValueError("no photo today\nand none tomorrow")
    return batch


def network():
    torch.manual_seed(0)
    return Watched(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )


def rows(seed=0):
    """Bright and dark photos, hard to tell; the first value of each is the number of its row."""
    labels = np.arange(PHOTOS) % 2
    inputs = np.random.default_rng(seed).normal(0, 1.5, (PHOTOS, 3, 8, 8)) + (2 * labels - 1)[:, None, None, None]
    inputs[:, 0, 0, 0] = np.arange(PHOTOS)
    return Rows(torch.from_numpy(inputs).float(), labels)


def recipe(**changes):
    values = {
        # The last of the batches has two rows, and one for each process.
        "epochs": PASSES, "rows_per_epoch": PHOTOS, "learning_rate": 1e-2, "weight_decay": 1e-4, "batch_size": 8,
        "patience": 100, "seed": 0, "balance": "none", "ema_decay": 0.9, "unfreezing": "each_epoch",
    }  # fmt: skip
    return Recipe(**{**values, **changes})


def train(processes, prepare=note_rows, **options):
    learner = network()
    history = fit_in_processes(
        processes, learner, rows(), rows(1), recipe(), CPU, stages=[learner[0], learner[1]],
        freeze_batch_norm=True, prepare=prepare, **options,
    )  # fmt: skip
    return learner.state_dict(), history


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes learnt, and the folder with what they noted."""
    folder = tmp_path_factory.mktemp("notes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NOTES, str(folder))
        return *train(2), folder


@pytest.mark.slow
def test_two_processes_learn_what_one_does(two):
    weights, history, _ = two
    weights_of_one, history_of_one = train(1)

    for epoch, other in zip(history.epochs[1:], history_of_one.epochs[1:], strict=True):
        assert epoch.train_loss == pytest.approx(other.train_loss, rel=1e-5)
        assert epoch.log_loss == pytest.approx(other.log_loss, rel=1e-5)
        assert (epoch.open_stages, epoch.best, epoch.stop) == (other.open_stages, other.best, other.stop)
    assert history.epochs[1].train_loss > history.epochs[-1].train_loss + 0.1
    for name, tensor in weights_of_one.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_processes_share_the_photos_of_a_pass_and_end_it_with_the_same_weights(two):
    folder = two[2]
    first, second = ([int(line) for line in noted(folder, "rows", rank)] for rank in (0, 1))

    assert len(first) == len(second) == PASSES * PHOTOS // 2
    for start in range(0, len(first), PHOTOS // 2):
        parts = set(first[start : start + PHOTOS // 2]), set(second[start : start + PHOTOS // 2])
        assert parts[0].isdisjoint(parts[1])
        assert parts[0] | parts[1] == set(range(PHOTOS))
    # Before the first pass, once more to count the classes, and after each.
    assert noted(folder, "weights", 0) == noted(folder, "weights", 1)
    assert len(set(noted(folder, "weights", 0))) == PASSES + 1


@pytest.mark.slow
def test_where_one_is_killed_all_end_and_the_next_training_goes_on(two, tmp_path, monkeypatch):
    monkeypatch.setenv(NOTES, str(tmp_path))
    checkpoint, told = Checkpoint(tmp_path / "training.safetensors", "key", pytest.fail), []

    with pytest.raises(UserError) as failure:
        train(2, prepare=die_in_the_second_pass, checkpoint=checkpoint)
    assert failure.value.message == (
        "Process 2 of the 2 that train was ended by SIGKILL, as the system does where memory runs out; the others were "
        "stopped. Run the same again: it goes on after its last whole pass."
    )
    assert not active_children()
    assert checkpoint.path.is_file()

    weights, history = train(2, checkpoint=checkpoint, on_epoch=told.append)
    assert [epoch.epoch for epoch in told] == [2, 3]
    assert history == two[1]
    assert all(torch.equal(weights[name], tensor) for name, tensor in two[0].items())
    assert not checkpoint.path.exists()


@pytest.mark.slow
def test_where_one_fails_all_end_with_its_reason():
    with pytest.raises(UserError, match=r"^Process 2 of the 2 that train failed \(ValueError: no photo today\); the"):
        train(2, prepare=fail_in_the_second_process)

    assert not active_children()


@pytest.mark.slow
def test_an_interruption_ends_all():
    def interrupt(_epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(2, on_epoch=interrupt)

    assert not active_children()


def test_what_a_user_can_mend_is_said_without_details(tmp_path, monkeypatch):
    monkeypatch.setattr("quality_gate.training.participant.follow_parent", lambda _: None)
    training = Training(
        network(), (), rows(), rows(1), recipe(learning_rate=1e30), None, False, None, 1, 1, str(tmp_path / "meet")
    )
    (tmp_path / "task").write_bytes(pickle.dumps(training))
    receiver, sender = Pipe(duplex=False)
    try:
        with pytest.raises(SystemExit):
            take_part(0, os.getppid(), tmp_path / "task", [sender])
    finally:
        distributed.destroy_process_group()

    messages = []
    while receiver.poll():
        messages.append(receiver.recv())
    assert isinstance(messages[-1], Failed)
    assert "lower transfer.learning_rate" in messages[-1].sentence
    assert messages[-1].details == ""


def test_rows_in_a_file_are_handed_on_by_its_name(tmp_path):
    inputs = tensor_in(tmp_path, (1000, 3, 8, 8), torch.float16)
    inputs[7] = 3.0
    task = pickle.dumps(Rows(inputs, np.zeros(1000, np.int64)))

    assert len(task) < 10_000
    there = pickle.loads(task).inputs
    assert torch.equal(there[7], inputs[7])
    inputs[8] = 4.0
    assert torch.equal(there[8], inputs[8])


def test_one_process_is_this_one(monkeypatch):
    monkeypatch.setattr("quality_gate.training.processes.pickle.dumps", pytest.fail)
    learner = network()

    history = fit(learner, rows(), rows(1), recipe(), CPU, stages=[learner[0], learner[1]], freeze_batch_norm=True)
    assert train(1)[1] == history


@pytest.mark.parametrize(
    ("wanted", "gpus", "count"), [(0, 0, 1), (0, 1, 1), (0, 4, 4), (0, 64, 32), (2, 4, 2), (3, 0, 3)]
)
def test_there_is_one_process_a_gpu_unless_told_otherwise(wanted, gpus, count, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    assert process_count(wanted, batch_size=32) == count


def test_more_processes_than_gpus_or_rows_are_refused(monkeypatch):
    with pytest.raises(UserError, match=r"4 processes cannot share a batch of 2; raise transfer\.batch_size"):
        process_count(4, batch_size=2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        UserError, match=r"transfer\.processes is 2, and each takes a GPU, of which this machine has 1\."
    ):
        process_count(2, batch_size=32)
