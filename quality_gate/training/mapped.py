"""Tensors in files, mapped into memory: they may be larger than it, and several processes share one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.disk_space import explain_full_disk

if TYPE_CHECKING:
    import torch


def tensor_in(folder: Path | None, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor to be filled, in a file of its own; what is not in use of it, the system keeps on the disk alone.

    Args:
        folder: where the file is put, to be removed by whoever made the folder; None: in memory.
        shape: of the tensor.
        dtype: of its values.

    Raises:
        UserError: the disk has no room for all of it.
    """
    import torch

    if folder is None or not prod(shape):
        return torch.empty(tuple(shape), dtype=dtype)
    with explain_full_disk(folder):
        descriptor, name = tempfile.mkstemp(dir=folder, suffix=".tensor")
        try:
            # At once: where room is lacking only when a page is written, the system kills the process.
            _reserve(descriptor, prod(shape) * dtype.itemsize)
        finally:
            os.close(descriptor)
    return reopened(name, shape, dtype)


def reopened(name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """The tensor of :func:`tensor_in`, in any process."""
    import torch

    return torch.from_file(name, shared=True, size=prod(shape), dtype=dtype).reshape(tuple(shape))


def file_of(tensor: torch.Tensor) -> str | None:
    """The file a tensor of :func:`tensor_in` lies in, by its name; None where it lies in memory."""
    name: str | None = tensor.untyped_storage().filename
    return name


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
