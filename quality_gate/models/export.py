"""From a trained network to the ONNX file that is served."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.models.manifest import ONNX_FILE

if TYPE_CHECKING:
    from torch import nn


def export_onnx(network: nn.Module, size: int, folder: Path) -> Path:
    """Write ``model.onnx``: input ``photos`` (N, 3, size, size) float32, output ``logits`` (N, classes).

    Args:
        network: the trained network; it is put into evaluation mode.
        size: edge of the photos, in pixels.
        folder: where the file is written.

    Returns:
        The path of the file.
    """
    import torch

    path = folder / ONNX_FILE
    # Two photos: a batch of one would be taken for a constant.
    example = torch.zeros(2, 3, size, size)
    loggers = ("torch.onnx", "onnxscript", "onnx_ir")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _quiet(*loggers):
        # The exporter warns of its own internals, which a user can do nothing about.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.cpu().eval(),
            (example,),
            input_names=["photos"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("photos")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(path, external_data=False)
    return path


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in names}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
