"""A training in several processes of this machine: one a GPU, or as many as are asked for on the CPU.

`torch.multiprocessing` starts them and `torch.distributed` joins them, over the loopback interface alone. They are
given the network and their rows in files; what comes back, by pipes, is the passes and the weights.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.errors import UserError
from quality_gate.training.fit import fit
from quality_gate.training.history import Epoch, TrainingHistory
from quality_gate.training.participant import Done, Failed, Training, Warned, take_part

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.multiprocessing.spawn import ProcessContext

    from quality_gate.training.objective import Prepare, Rows
    from quality_gate.training.recipe import Recipe
    from quality_gate.training.resume import Checkpoint

# So long a process may still be busy with what it does, after it was asked to end.
GRACE_SECONDS = 10.0


def process_count(wanted: int, batch_size: int) -> int:
    """How many processes train together.

    Args:
        wanted: ``transfer.processes``; 0 is one a GPU, or one, and never more than there are rows.
        batch_size: rows that they share in each step.

    Raises:
        UserError: there are fewer GPUs, or fewer rows, than processes.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    count = wanted or max(1, min(gpus, batch_size))
    if gpus and count > gpus:
        raise UserError(f"transfer.processes is {count}, and each takes a GPU, of which this machine has {gpus}.")
    if count > batch_size:
        raise UserError(
            f"transfer.processes: {count} processes cannot share a batch of {batch_size}; raise transfer.batch_size."
        )
    return count


def fit_in_processes(
    count: int,
    network: nn.Module,
    train: Rows,
    validation: Rows,
    recipe: Recipe,
    device: torch.device,
    *,
    stages: Sequence[nn.Module] = (),
    prepare: Prepare | None = None,
    freeze_batch_norm: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> TrainingHistory:
    """The same as :func:`quality_gate.training.fit.fit`, by several processes.

    The rows of each step are those that one process would take, each process has its own part of them, and their
    gradients are averaged. What is drawn a row (dropout, mixup, ``prepare``) each process draws for itself. Batch norm
    that learns takes the statistics of the whole batch on GPUs, and of each process's part on the CPU, where torch
    cannot share them.

    Args:
        count: processes; 1, or a recipe without a pass, needs no other than this one.
        network: trained in place; by several processes, it is left on the CPU.
        train: the training rows.
        validation: the rows that choose the epoch.
        recipe: how to train; ``batch_size`` is of all processes together.
        device: where the network is; several processes take a GPU each where there are any.
        stages: parts of the network that are opened one by one.
        prepare: changes a batch before the network sees it; must be importable by its name.
        freeze_batch_norm: keep the statistics of batch norm.
        on_epoch: called after every pass, in this process; what it raises ends the training.
        checkpoint: of the training; only the first process writes it.

    Raises:
        UserError: a process failed or was killed, or the training diverged. No process is left running.
    """
    if count == 1 or recipe.epochs == 0:
        return fit(
            network,
            train,
            validation,
            recipe,
            device,
            stages=stages,
            prepare=prepare,
            freeze_batch_norm=freeze_batch_norm,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
        )
    import torch
    from safetensors.torch import load
    from torch.multiprocessing.spawn import start_processes

    with tempfile.TemporaryDirectory() as folder:
        training = Training(
            network.cpu(),
            tuple(stages),
            train,
            validation,
            recipe,
            prepare,
            freeze_batch_norm,
            checkpoint and replace(checkpoint, warn=_silent),
            count,
            max(1, torch.get_num_threads() // count),
            str(Path(folder) / "meeting_point"),
        )
        # Not handed over by torch: the weights would go through /dev/shm, of which a container has 64 MB. Not by the
        # pipe a process is started with: who writes more than that holds waits for the process to read it.
        task = Path(folder) / "task"
        task.write_bytes(pickle.dumps(training))
        ends = [get_context("spawn").Pipe(duplex=False) for _ in range(count)]
        receivers, senders = [end[0] for end in ends], [end[1] for end in ends]
        running = start_processes(  # type: ignore[no-untyped-call]
            take_part, (os.getpid(), task, senders), nprocs=count, join=False, start_method="spawn"
        )
        assert running is not None
        for sender in senders:
            sender.close()
        try:
            done = _follow(running, receivers, on_epoch, checkpoint)
        finally:
            _end(running)
    network.load_state_dict(load(done.weights))
    network.eval()
    return done.history


def _follow(
    running: ProcessContext,
    receivers: Sequence[Connection],
    on_epoch: Callable[[Epoch], None] | None,
    checkpoint: Checkpoint | None,
) -> Done:
    """Hear what the processes say, until all have ended or one has failed."""
    done: list[Done] = []
    failures: list[Failed] = []
    speaking = {receiver: number for number, receiver in enumerate(receivers)}
    while speaking and not failures:
        for receiver in wait(list(speaking)):
            assert isinstance(receiver, Connection)
            try:
                message = receiver.recv()
            except EOFError:
                failures += _end_without_a_word(running, speaking.pop(receiver))
                continue
            if isinstance(message, Epoch) and on_epoch:
                on_epoch(message)
            elif isinstance(message, Warned) and checkpoint:
                checkpoint.warn(message.sentence)
            elif isinstance(message, Failed):
                failures.append(message)
            elif isinstance(message, Done):
                done.append(message)
    if failures:
        # The others fail after it, for want of a partner.
        first = min(failures, key=lambda failure: failure.moment)
        again = " Run the same again: it goes on after its last whole pass." if checkpoint and first.details else ""
        raise UserError(first.sentence + again) from (RuntimeError(first.details) if first.details else None)
    return done[0]


def _end_without_a_word(running: ProcessContext, number: int) -> list[Failed]:
    """The failure of a process that has closed its end of the pipe: none, if it was done."""
    process = running.processes[number]
    process.join(GRACE_SECONDS)
    if process.exitcode == 0:
        return []
    how = f"with exit code {process.exitcode}"
    if process.exitcode is not None and process.exitcode < 0:
        how = f"by {signal.Signals(-process.exitcode).name}"
        if process.exitcode == -signal.SIGKILL:
            how += ", as the system does where memory runs out"
    sentence = (
        f"Process {number + 1} of the {len(running.processes)} that train was ended {how}; the others were stopped."
    )
    # Before all that others have to say of it.
    return [Failed(sentence, how, 0.0)]


def _end(running: ProcessContext) -> None:
    """End what still runs."""
    for process in running.processes:
        if process.is_alive():
            process.terminate()
    for process in running.processes:
        process.join(GRACE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _silent(_line: str) -> None:
    """In place of what cannot be sent to another process."""
