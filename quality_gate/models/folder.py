"""A model folder as a value that steps hand on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from quality_gate.models.manifest import MANIFEST_FILE, ONNX_FILE, WEIGHTS_FILE, ModelManifest
from quality_gate.step_value import StepValue


@dataclass(frozen=True)
class ModelFolder(StepValue):
    """The folder of a model: ``model.json``, ``weights.safetensors`` and ``model.onnx``.

    Of one that is ready to be served also ``serving.onnx``, ``golden.json`` and ``reference.npz``.

    Attributes:
        path: the folder; it is read, never changed.
    """

    path: Path

    @property
    def manifest(self) -> ModelManifest:
        """What the model says of itself.

        Raises:
            UnknownModelFormat: the folder holds no model.
        """
        return ModelManifest.load(self.path)

    def copy_with(self, manifest: ModelManifest, target: Path) -> ModelFolder:
        """The same network under another manifest, in the folder ``target``."""
        for file in (WEIGHTS_FILE, ONNX_FILE):
            shutil.copyfile(self.path / file, target / file)
        manifest.save(target)
        return ModelFolder(target)

    def save(self, folder: Path) -> None:
        """Copy the model into ``folder``."""
        for file in {WEIGHTS_FILE, ONNX_FILE, *self.manifest.served_files, MANIFEST_FILE}:
            shutil.copyfile(self.path / file, folder / file)

    @classmethod
    def load(cls, folder: Path) -> ModelFolder:
        """Take ``folder`` for a model.

        Raises:
            UnknownModelFormat: it holds none.
        """
        ModelManifest.load(folder)
        return cls(folder)
