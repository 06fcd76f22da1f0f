"""Explains photos of the user's own with a model folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quality_gate.errors import UserError
from quality_gate.explanation.explainer import Explainer, open_explainer
from quality_gate.explanation.overlay import as_png, overlay, seen_pixels
from quality_gate.explanation.settings import ExplanationSettings, Method
from quality_gate.inference import Decision, OnnxClassifier
from quality_gate.models.manifest import WEIGHTS_FILE, UnknownModelFormat
from quality_gate.preprocess import UnreadableImage, preprocess


@dataclass(frozen=True)
class ExplainedPhoto:
    """A photo with maps of what in it led to a class.

    Attributes:
        path: the file.
        seen: the photo as the network saw it, a PNG.
        answer: of the model.
        label: the class that is explained.
        pictures: by method, the photo under its map, a PNG.
    """

    path: Path
    seen: bytes
    answer: Decision
    label: str
    pictures: dict[Method, bytes]


def explain_photos(
    model_folder: Path,
    paths: Sequence[Path],
    settings: Sequence[ExplanationSettings],
    *,
    label: str | None,
    on_progress: Callable[[int, int], None],
) -> tuple[ExplainedPhoto, ...]:
    """Answer photos and explain the answers.

    Args:
        model_folder: the model, with its weights.
        paths: the photos.
        settings: one a method.
        label: the class to explain; None: of each photo the answer.
        on_progress: told how many photos of how many are done.

    Returns:
        The photos in their order. Where class activation maps would not be exact they have Grad-CAM instead.

    Raises:
        UserError: a photo, the folder or the label cannot be used, or the network has not what a method needs.
    """
    classifier = _classifier(model_folder)
    classes, spec = classifier.manifest.classes, classifier.manifest.preprocessing
    if label is not None and label not in classes:
        raise UserError(f"--label is {label!r}; the classes of this model are {', '.join(classes)}.")
    # All are read before the first is explained, which may take a minute.
    tensors = [_read(path, classifier) for path in paths]
    explainers = list(_explainers(model_folder, settings))
    explained = []
    for path, tensor in zip(paths, tensors, strict=True):
        answer = classifier.decide(classifier.probabilities(tensor[None])[0])
        # Of several views the first; each would have a map of its own.
        first, pixels = tensor[0], seen_pixels(tensor[0], spec)
        index = classes.index(label or answer.label)
        pictures = {each.method: as_png(overlay(pixels, _map(each, first, index))) for each in explainers}
        explained.append(ExplainedPhoto(path, as_png(pixels), answer, classes[index], pictures))
        on_progress(len(explained), len(paths))
    return tuple(explained)


def _classifier(folder: Path) -> OnnxClassifier:
    try:
        return OnnxClassifier(folder)
    except UnknownModelFormat as error:
        raise UserError(str(error)) from None


def _read(path: Path, classifier: OnnxClassifier) -> NDArray[np.float32]:
    try:
        return preprocess(path.read_bytes(), classifier.manifest.preprocessing)
    except OSError as error:
        raise UserError(f"{path}: the photo cannot be read ({error.strerror}).") from None
    except UnreadableImage as error:
        raise UserError(f"{path}: {error}.") from None


def _explainers(folder: Path, settings: Sequence[ExplanationSettings]) -> Iterator[Explainer]:
    for each in settings:
        try:
            explainer = open_explainer(folder, each)
        except UnknownModelFormat as error:
            raise UserError(str(error)) from None
        if explainer is None:
            raise UserError(
                f"{folder}: has no {WEIGHTS_FILE}, from which maps are made; name the folder of a training."
            )
        yield explainer


def _map(explainer: Explainer, tensor: NDArray[np.float32], index: int) -> NDArray[np.float64]:
    maps = explainer.maps(tensor, (index,))
    if maps is None:
        raise UserError("class_activation would not be exact for one of these photos; take grad_cam.")
    return maps[0]
