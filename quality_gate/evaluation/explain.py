"""Where in a photo a network found what it answered: exact class activation maps, without torch.

A network that ends in global average pooling and one linear layer gives class c the logit

    logit_c = bias_c + mean over places (x, y) of  Σ_f weight_cf · maps_f(x, y).

The sum is the class activation map of Zhou et al. 2016, "Learning deep features for discriminative localization": it
spreads the logit over the photo, exactly and without a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quality_gate.inference import FEATURE_MAPS, PHOTOS_INPUT
from quality_gate.models.manifest import ONNX_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from quality_gate.preprocess import PreprocessingSpec


# Of the largest logit of a photo: what float32 may lose in the sum over a thousand feature maps.
_TOLERANCE = 1e-3

# From no evidence to the most: opacity over the grey photo, and colour (the upper half of matplotlib's inferno, which
# rises in lightness and can be read with any colour deficiency).
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_OPACITY = (0.0, 0.45, 0.65, 0.75, 0.8)
_COLOURS = ((87, 16, 110), (136, 34, 106), (203, 65, 73), (245, 125, 21), (252, 255, 164))


def class_activation_map(
    maps: NDArray[np.floating[Any]], head_weight: NDArray[np.floating[Any]], class_index: int
) -> NDArray[np.float64]:
    """How much each place of a photo speaks for a class.

    Args:
        maps: what the pooling averages, shape (F, h, w).
        head_weight: weights of the linear layer, shape (classes, F).
        class_index: of the class.

    Returns:
        Shape (h, w), in units of the logit: its mean plus the bias of the class is the logit.
    """
    return np.tensordot(head_weight[class_index].astype(np.float64), maps.astype(np.float64), axes=1)


def overlay(pixels: NDArray[np.uint8], activation: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Lay what speaks for a class over a photo.

    The photo is made grey; places that speak against the class, or for nothing, stay grey, and the place that speaks
    most for it is the lightest. Every photo has a scale of its own.

    Args:
        pixels: the photo as the network saw it, uint8, shape (S, S, 3).
        activation: class activation map, shape (h, w).

    Returns:
        uint8, shape (S, S, 3).
    """
    height, width = pixels.shape[:2]
    enlarged = Image.fromarray(activation.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    evidence = np.asarray(enlarged).clip(0)
    strength = evidence / max(float(evidence.max()), np.finfo(np.float32).tiny)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float64)[..., None]
    colour = np.stack([np.interp(strength, _STEPS, channel) for channel in zip(*_COLOURS, strict=True)], axis=-1)
    opacity = np.interp(strength, _STEPS, _OPACITY)[..., None]
    result: NDArray[np.uint8] = (grey * (1 - opacity) + colour * opacity).round().astype(np.uint8)
    return result


def seen_pixels(tensor: NDArray[np.float32], spec: PreprocessingSpec) -> NDArray[np.uint8]:
    """Turn a network's input back into the photo as it was resized.

    Args:
        tensor: shape (3, S, S).
        spec: what it was normalised by.

    Returns:
        uint8, shape (S, S, 3).
    """
    levels = np.moveaxis(tensor, 0, -1) * np.asarray(spec.std) + np.asarray(spec.mean)
    pixels: NDArray[np.uint8] = (255 * levels).round().clip(0, 255).astype(np.uint8)
    return pixels


@dataclass(frozen=True)
class Explainer:
    """The exported network and the head its class activation maps are made with.

    Attributes:
        session: the network, with an output ``feature_maps``.
        weight: of the head, float32, shape (classes, F).
        bias: of the head, float32, shape (classes,).
    """

    session: InferenceSession
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def activation_maps(
        self, tensor: NDArray[np.float32], classes: Sequence[int]
    ) -> tuple[NDArray[np.float64], ...] | None:
        """Class activation maps of one photo.

        Args:
            tensor: the network's input, shape (3, S, S).
            classes: indices of the classes to explain.

        Returns:
            A map a class, each of shape (h, w); None where the network does more between maps and logits than to
            average and weigh, so that the maps would not be what the answer came from.
        """
        logits, (maps,) = self.session.run(["logits", FEATURE_MAPS], {PHOTOS_INPUT: tensor[None]})
        rebuilt = self.weight @ maps.mean(axis=(1, 2)) + self.bias
        if np.abs(rebuilt - logits[0]).max() > _TOLERANCE * max(1.0, float(np.abs(logits).max())):
            return None
        return tuple(class_activation_map(maps, self.weight, index) for index in classes)


def open_explainer(model_folder: Path) -> Explainer | None:
    """Open a model for explanations.

    Args:
        model_folder: folder with ``model.onnx`` and ``weights.safetensors``.

    Returns:
        None where the exported network does not hand out its feature maps, or its weights have no linear head.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread: sums in another order would make another page of the same model.
    options.intra_op_num_threads = 1
    path = str(model_folder / ONNX_FILE)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    head = read_head(model_folder / WEIGHTS_FILE)
    if head is None or FEATURE_MAPS not in {output.name for output in session.get_outputs()}:
        return None
    return Explainer(session, *head)


def read_head(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Weight and bias of the linear layer a network ends in, from its weights; None where there is no such layer."""
    from safetensors import safe_open

    if not path.is_file():
        return None
    with safe_open(path, framework="numpy") as tensors:
        if not {"head.weight", "head.bias"} <= set(tensors.keys()):
            return None
        return tensors.get_tensor("head.weight"), tensors.get_tensor("head.bias")
