"""A checkpoint of an unfinished training: one safetensors file, with all that is no tensor as JSON in its header.

No pickle: nothing in it can be executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

FORMAT = "1"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training leaves its state after each pass, and finds it again after an interruption.

    Attributes:
        path: the file; its folder is made when it is first written.
        key: digest of everything that determines the training: data, settings, seed, code. A file with another key
            is of another training, and as good as none.
        warn: told, in one sentence, why the file could not be read or written; training goes on without it.
    """

    path: Path
    key: str
    warn: Callable[[str], None]

    def read(self) -> dict[str, Any] | None:
        """The state last written, tensors on the CPU; None where there is none of this training."""
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                if (header.get("format"), header.get("key")) != (FORMAT, self.key):
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        except (OSError, SafetensorError) as error:
            self._warn_of_damage(str(error).split("\n")[0])
            return None
        if header.get("digest") != _digest(header.get("values", ""), tensors):
            self._warn_of_damage("its content does not have the digest it was written with")
            return None
        state: dict[str, Any] = _with_tensors(json.loads(header["values"]), tensors)
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the file in one move: whatever happens, the former one or this one is whole.

        Args:
            state: nested mappings with string or integer keys, lists and tuples of tensors, numbers, texts and None.
        """
        from safetensors.torch import save_file

        tensors: dict[str, torch.Tensor] = {}
        values = json.dumps(_without_tensors(state, tensors))
        header = {"format": FORMAT, "key": self.key, "values": values, "digest": _digest(values, tensors)}
        unfinished = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, unfinished, metadata=header)
            unfinished.replace(self.path)
        except Exception as error:  # safetensors tells a full disk by an error of its own
            with contextlib.suppress(OSError):
                unfinished.unlink()
            self.warn(
                f"{self.path} could not be written ({str(error).splitlines()[0]}); training goes on, but if it is "
                "interrupted it cannot be continued from this pass."
            )

    def remove(self) -> None:
        """Forget the training: it has ended. What a killed process left half written goes too."""
        for path in (self.path, *self.path.parent.glob(f"{self.path.name}.*.tmp")):
            with contextlib.suppress(OSError):
                path.unlink()

    def _warn_of_damage(self, reason: str) -> None:
        self.warn(f"{self.path} is damaged ({reason}); training starts from the beginning.")


def _without_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """``value`` as JSON, each tensor replaced by a name under which it is put into ``tensors``."""
    import torch

    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        # Pairs: JSON would turn the integer keys of an optimiser's state into texts.
        return {"pairs": [[key, _without_tensors(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_without_tensors(item, tensors) for item in value]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_with_tensors(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    return {key: _with_tensors(item, tensors) for key, item in value["pairs"]}


def _digest(values: str, tensors: Mapping[str, torch.Tensor]) -> str:
    import torch

    digest = hashlib.sha256(values.encode())
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
