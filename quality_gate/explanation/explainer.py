"""What explains photos with a model folder: the method that was asked for, or the one that suits the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from quality_gate.explanation.class_activation import open_class_activation
from quality_gate.explanation.methods import explain, fitting_method
from quality_gate.models.manifest import WEIGHTS_FILE, ModelManifest

if TYPE_CHECKING:
    from quality_gate.explanation.settings import ExplanationSettings, Method
    from quality_gate.models.zoo import TransferNetwork
    from quality_gate.preprocess import PreprocessingSpec


class Explainer(Protocol):
    """Makes maps of what in a photo led to a class."""

    @property
    def method(self) -> Method:
        """How the maps are made."""

    def maps(self, tensor: NDArray[np.float32], classes: Sequence[int]) -> tuple[NDArray[np.float64], ...] | None:
        """Maps of one photo.

        Args:
            tensor: the network's input, shape (3, S, S).
            classes: indices of the classes to explain.

        Returns:
            A map a class, as :mod:`~quality_gate.explanation.methods` says; None where none can be made.
        """


@dataclass(frozen=True)
class NetworkExplainer:
    """Explains with a trained network in PyTorch.

    Attributes:
        network: in evaluation mode.
        settings: the method, and what it needs.
        spec: how photos become its input.
    """

    network: TransferNetwork
    settings: ExplanationSettings
    spec: PreprocessingSpec

    @property
    def method(self) -> Method:
        """How the maps are made."""
        return self.settings.method

    def maps(self, tensor: NDArray[np.float32], classes: Sequence[int]) -> tuple[NDArray[np.float64], ...]:
        """Maps of one photo, one a class.

        Raises:
            UserError: the network has not what the method needs.
        """
        import torch

        photos = torch.from_numpy(tensor)[None].expand(len(classes), -1, -1, -1)
        return tuple(explain(self.network, photos, classes, self.settings, self.spec))


def open_explainer(model_folder: Path, settings: ExplanationSettings) -> Explainer | None:
    """Open a model for explanations; an ensemble is explained by its first member.

    Args:
        model_folder: folder with ``model.json``, ``model.onnx`` and ``weights.safetensors``.
        settings: the method; where class activation maps would not be exact, Grad-CAM takes their place.

    Returns:
        None where the folder holds no weights.

    Raises:
        UnknownModelFormat: what the folder holds cannot be read.
    """
    if not (model_folder / WEIGHTS_FILE).is_file():
        return None
    if settings.method == "class_activation":
        exact = open_class_activation(model_folder)
        if exact is not None:
            return exact
    from quality_gate.models.checkpoint import load_network
    from quality_gate.models.ensemble import EnsembleNetwork

    loaded = load_network(model_folder)
    network = loaded.first if isinstance(loaded, EnsembleNetwork) else loaded
    fitting = settings.model_copy(update={"method": fitting_method(network, settings.method)})
    return NetworkExplainer(network, fitting, ModelManifest.load(model_folder).preprocessing)
