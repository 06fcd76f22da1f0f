"""What one of the processes that train together does, and what it says to the one that started it."""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from quality_gate.errors import UserError
from quality_gate.process_pool import follow_parent
from quality_gate.training.fit import fit
from quality_gate.training.history import TrainingHistory
from quality_gate.training.rank import Rank
from quality_gate.training.threads import pin_threads

if TYPE_CHECKING:
    import torch
    from torch import nn

    from quality_gate.training.objective import Prepare, Rows
    from quality_gate.training.recipe import Recipe
    from quality_gate.training.resume import Checkpoint


@dataclass(frozen=True)
class Training:
    """All that a process needs.

    Attributes:
        network: on the CPU, and all up to ``freeze_batch_norm`` as in :func:`quality_gate.training.fit.fit`.
        checkpoint: for the first process.
        count: of the processes.
        threads: of the processor, for each.
        meeting_point: a file by which they find each other.
    """

    network: nn.Module
    stages: tuple[nn.Module, ...]
    train: Rows
    validation: Rows
    recipe: Recipe
    prepare: Prepare | None
    freeze_batch_norm: bool
    checkpoint: Checkpoint | None
    count: int
    threads: int
    meeting_point: str


class Done(NamedTuple):
    """The passes, and the weights of the best as a safetensors file."""

    history: TrainingHistory
    weights: bytes


class Warned(NamedTuple):
    """What a person should know, while the training goes on."""

    sentence: str


class Failed(NamedTuple):
    """What went wrong in a process, and when; the details are '' where the user can mend it."""

    sentence: str
    details: str
    moment: float


def take_part(number: int, starter: int, task: Path, senders: Sequence[Connection]) -> None:
    """Train with the other processes; the first one sends its passes, and at the end :class:`Done`.

    Args:
        number: of this process, from 0 on.
        starter: number that the system has given to the process that started them all.
        task: a file with a pickled :class:`Training`, of that process.
        senders: the ends of the pipes to it; this one speaks into its own.
    """
    follow_parent(starter)
    for other, sender in enumerate(senders):
        if other != number:
            sender.close()
    speak = senders[number]
    training: Training = pickle.loads(task.read_bytes())  # noqa: S301 - nobody else can write it
    try:
        done = _trained(training, number, speak)
    except UserError as error:
        speak.send(Failed(error.message, "", time.monotonic()))
        sys.exit(1)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        sentence = (
            f"Process {number + 1} of the {training.count} that train failed ({type(error).__name__}: {reason}); the "
            "others were stopped."
        )
        speak.send(Failed(sentence, traceback.format_exc(), time.monotonic()))
        sys.exit(1)
    if number == 0:
        speak.send(done)


def _trained(training: Training, number: int, speak: Connection) -> Done:
    import torch
    from safetensors.torch import save
    from torch import distributed, nn

    pin_threads(training.threads)
    device = _join(training, number)
    network = training.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cuda" and not training.freeze_batch_norm:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    leads = number == 0
    history = fit(
        network,
        training.train,
        training.validation,
        training.recipe,
        device,
        stages=training.stages,
        prepare=training.prepare,
        freeze_batch_norm=training.freeze_batch_norm,
        on_epoch=speak.send if leads else None,
        checkpoint=replace(training.checkpoint, warn=lambda line: speak.send(Warned(line)))
        if training.checkpoint and leads
        else None,
        rank=Rank(number, training.count),
    )
    distributed.destroy_process_group()
    # Copies: safetensors refuses tensors that share memory.
    weights = {name: tensor.to("cpu", copy=True).contiguous() for name, tensor in network.state_dict().items()}
    return Done(history, save(weights))


def _join(training: Training, number: int) -> torch.device:
    """Meet the other processes; gives the device of this one."""
    import torch
    from torch import distributed

    loopback = "lo" if sys.platform == "linux" else "lo0"
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(variable, loopback)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "gloo" if device.type == "cpu" else "nccl",
        init_method=f"file://{training.meeting_point}",
        rank=number,
        world_size=training.count,
    )
    return device
