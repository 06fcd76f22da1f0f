"""Why an answer is what it is: the class activation map of a photo, from exported feature maps and without torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bentos.refusals import Refusal, unusable
from quality_gate.explanation.class_activation import ClassActivation, class_activation, read_head
from quality_gate.explanation.overlay import as_png, overlay, seen_pixels
from quality_gate.inference import Decision, OnnxClassifier
from quality_gate.models.manifest import WEIGHTS_FILE
from quality_gate.preprocess import prepare

# The last layer of the network; of the weights a Bento carries only this.
HEAD_FILE = "head.npz"


def write_head(model_folder: Path, target: Path) -> None:
    """Write the last layer of a model into the folder ``target``, where its network ends in a linear one."""
    head = read_head(model_folder / WEIGHTS_FILE)
    if head is not None:
        np.savez(target / HEAD_FILE, weight=head[0], bias=head[1])


@dataclass(frozen=True)
class Explanation:
    """What of a photo speaks for a label.

    Attributes:
        label: that is explained.
        activation: how much each place speaks for it, in units of the logit, shape (h, w).
        overlay: the photo as the network saw it with the map laid over it, a PNG.
    """

    label: str
    activation: NDArray[np.float64]
    overlay: bytes


class PhotoExplainer:
    """Explains answers of a model; may be used by several threads at once.

    Args:
        folder: where the model lies, with its ``head.npz`` if it has one.
        classifier: the same model, ready to answer.
    """

    def __init__(self, folder: Path, classifier: OnnxClassifier) -> None:
        self._manifest = classifier.manifest
        self._explainer = _open(folder / HEAD_FILE, classifier)

    @property
    def exact(self) -> bool:
        """Whether the maps are exactly what the answers come from; others are not handed out."""
        return self._explainer is not None

    def class_index(self, label: str | None) -> int | None:
        """The class a request asks for; None where it asks for none.

        Raises:
            Refusal: 422, the model knows no such label, or has no exact maps.
        """
        if self._explainer is None:
            raise _not_exact()
        if label is None:
            return None
        if label not in self._manifest.classes:
            raise unusable(f"label: no class of the model; expected one of {', '.join(self._manifest.classes)}.")
        return self._manifest.classes.index(label)

    def explain(self, image: Image.Image, decision: Decision, class_index: int | None) -> Explanation:
        """Explain a class of a photo.

        Args:
            image: the decoded photo.
            decision: the model's answer for it.
            class_index: the class; None for the label of the answer.

        Raises:
            Refusal: 422, the map would not be what the answer came from.
        """
        index = self._manifest.classes.index(decision.label) if class_index is None else class_index
        spec = self._manifest.preprocessing
        # Of several views the first; each has a map of its own.
        tensor = prepare(image, spec)[0]
        maps = self._explainer.maps(tensor, (index,)) if self._explainer else None
        if maps is None:
            raise _not_exact()
        picture = as_png(overlay(seen_pixels(tensor, spec), maps[0]))
        return Explanation(self._manifest.classes[index], maps[0], picture)


def _open(head: Path, classifier: OnnxClassifier) -> ClassActivation | None:
    if not head.is_file():
        return None
    with np.load(head, allow_pickle=False) as arrays:
        return class_activation(classifier.session, (arrays["weight"], arrays["bias"]))


def _not_exact() -> Refusal:
    return unusable(
        "This model has no exact activation maps: it does not end in an average of feature maps and a linear layer."
    )
