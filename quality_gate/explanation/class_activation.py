"""Exact class activation maps, from exported feature maps and without torch.

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

from quality_gate.inference import FEATURE_MAPS, MEMBER_LOGITS, PHOTOS_INPUT, open_session
from quality_gate.models.manifest import ONNX_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from quality_gate.explanation.settings import Method


# Of the largest logit of a photo: what float32 may lose in the sum over a thousand feature maps.
_TOLERANCE = 1e-3
# Tensors of the last layer: of a network, and of the first member of an ensemble.
_HEADS = (("head.weight", "head.bias"), ("members.0.head.weight", "members.0.head.bias"))


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


@dataclass(frozen=True)
class ClassActivation:
    """The exported network and the head its class activation maps are made with; of an ensemble, its first member's.

    Attributes:
        session: the network, with an output ``feature_maps``.
        weight: of the head, float32, shape (classes, F).
        bias: of the head, float32, shape (classes,).
    """

    session: InferenceSession
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def method(self) -> Method:
        """How the maps are made."""
        return "class_activation"

    def maps(self, tensor: NDArray[np.float32], classes: Sequence[int]) -> tuple[NDArray[np.float64], ...] | None:
        """Class activation maps of one photo.

        Args:
            tensor: the network's input, shape (3, S, S).
            classes: indices of the classes to explain.

        Returns:
            A map a class, each of shape (h, w); None where the network does more between maps and logits than to
            average and weigh, so that the maps would not be what the answer came from.
        """
        names = output_names(self.session)
        answers, (maps,) = self.session.run(
            [MEMBER_LOGITS if MEMBER_LOGITS in names else "logits", FEATURE_MAPS], {PHOTOS_INPUT: tensor[None]}
        )
        # Of an ensemble the logits of the first member, whose maps these are.
        logits = answers[0].reshape(-1, len(self.bias))[0]
        rebuilt = self.weight @ maps.mean(axis=(1, 2)) + self.bias
        if np.abs(rebuilt - logits).max() > _TOLERANCE * max(1.0, float(np.abs(logits).max())):
            return None
        return tuple(class_activation_map(maps, self.weight, index) for index in classes)


def class_activation(
    session: InferenceSession, head: tuple[NDArray[np.float32], NDArray[np.float32]] | None
) -> ClassActivation | None:
    """Make ready what explains an exported network, and try it.

    Args:
        session: the network.
        head: weight, shape (classes, F), and bias, shape (classes,), of its last layer; None where it has none.

    Returns:
        None where the network does not hand out its feature maps, has no linear head, or does more between them.
    """
    if head is None or FEATURE_MAPS not in output_names(session):
        return None
    explainer = ClassActivation(session, *head)
    size = session.get_inputs()[0].shape[-1]
    probe = np.random.default_rng(0).standard_normal((3, size, size), dtype=np.float32)
    return explainer if explainer.maps(probe, (0,)) is not None else None


def open_class_activation(model_folder: Path) -> ClassActivation | None:
    """Open a model for exact explanations.

    Args:
        model_folder: folder with ``model.onnx`` and ``weights.safetensors``.

    Returns:
        None where its maps would not be exact; see :func:`class_activation`.

    Raises:
        UnknownModelFormat: ONNX Runtime cannot load the network.
    """
    # One thread: sums in another order would make another page of the same model.
    session = open_session(model_folder / ONNX_FILE, threads=1)
    return class_activation(session, read_head(model_folder / WEIGHTS_FILE))


def read_head(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Weight and bias of the linear layer a network ends in, from its weights; None where there is no such layer.

    Of an ensemble it is that of its first member.
    """
    from safetensors import safe_open

    if not path.is_file():
        return None
    with safe_open(path, framework="numpy") as tensors:
        names = set(tensors.keys())
        for weight, bias in _HEADS:
            if {weight, bias} <= names:
                return tensors.get_tensor(weight), tensors.get_tensor(bias)
        return None


def output_names(session: InferenceSession) -> set[str]:
    """What a network hands out."""
    return {output.name for output in session.get_outputs()}
