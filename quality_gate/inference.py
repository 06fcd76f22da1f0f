"""Answers of an exported model: ONNX Runtime and Pillow, no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from quality_gate.drift.features import FeatureProjection, to_bytes
from quality_gate.models.manifest import REFERENCE_FILE, ModelManifest, UnknownModelFormat
from quality_gate.preprocess import preprocess

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


# Names in every exported network: of its input, of the output that class activation maps are made of, and of the one
# that holds what its last layer is given, where that is not the mean of the maps. An ensemble has the logits of its
# members besides.
PHOTOS_INPUT, FEATURE_MAPS, FEATURES = "photos", "feature_maps", "features"
MEMBER_LOGITS = "member_logits"


@dataclass(frozen=True)
class Decision:
    """The answer for one photo.

    Attributes:
        label: the most probable class, or the watched one where its probability reaches the threshold.
        confidence: probability of the label, in 0..1.
        probabilities: probability of every class; they sum to 1.
        decision: ``accept`` or ``review``.
        model_version: ``name:version`` of the model that answered.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    decision: str
    model_version: str

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON values."""
        return asdict(self)


def softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities of logits, shape (..., classes), divided by ``temperature`` (above 0) first."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result


def average_views(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """One answer for the views of each photo: the logarithm of their mean probabilities.

    Args:
        logits: shape (photos, views, classes).

    Returns:
        float32, shape (photos, classes); with one view its logits as they are.
    """
    if logits.shape[1] == 1:
        only: NDArray[np.float32] = logits[:, 0]
        return only
    mean = softmax(logits).mean(axis=1)
    averaged: NDArray[np.float32] = np.log(np.maximum(mean, np.finfo(np.float32).tiny)).astype(np.float32)
    return averaged


class OnnxClassifier:
    """A model folder, ready to answer.

    Args:
        folder: the model folder; only ``model.json``, the network that answers and, of the reference, what makes
            features compact are read.
        threads: threads of one inference, 1 or more.

    Raises:
        UnknownModelFormat: the folder holds no model that can be read.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self.manifest = ModelManifest.load(folder)
        self._session = open_session(folder / self.manifest.network_file, threads=threads)
        outputs = {output.name for output in self._session.get_outputs()}
        self._seen = next((name for name in (FEATURE_MAPS, FEATURES) if name in outputs), None)
        self._projection = load_projection(folder, self.manifest)

    @property
    def session(self) -> "InferenceSession":
        """The network, for those who ask more of it than logits."""
        return self._session

    def logits(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits, shape (photos, classes), of tensors, shape (photos, views, 3, size, size)."""
        photos, views = tensors.shape[:2]
        answers = self._session.run(["logits"], {PHOTOS_INPUT: tensors.reshape(-1, *tensors.shape[2:])})[0]
        return average_views(np.asarray(answers, dtype=np.float32).reshape(photos, views, -1))

    def probabilities_and_features(
        self, tensors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """Calibrated probabilities, shape (photos, classes), and what the last layer was given, shape (photos, F).

        The features are means over the views of a photo; None where the network does not hand them out.

        Args:
            tensors: shape (photos, views, 3, size, size).
        """
        if self._seen is None:
            return self.probabilities(tensors), None
        photos, views = tensors.shape[:2]
        inputs = {PHOTOS_INPUT: tensors.reshape(-1, *tensors.shape[2:])}
        logits, seen = self._session.run(["logits", self._seen], inputs)
        answers = average_views(np.asarray(logits, dtype=np.float32).reshape(photos, views, -1))
        features: NDArray[np.float32] = np.asarray(seen, dtype=np.float32).reshape(photos, views, seen.shape[1], -1)
        return softmax(answers, self.manifest.temperature), features.mean(axis=(1, 3))

    def answer(self, tensor: NDArray[np.float32]) -> tuple["Decision", bytes | None]:
        """The answer for one photo, shape (views, 3, size, size), and its compact features as they are logged.

        The features are None where the model has no reference, or its network hands them out to nobody.
        """
        if self._projection is None:
            return self.decide(self.probabilities(tensor[None])[0]), None
        probabilities, features = self.probabilities_and_features(tensor[None])
        compact = None if features is None else to_bytes(self._projection.compact(features)[0])
        return self.decide(probabilities[0]), compact

    def probabilities(self, tensors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (photos, classes), of tensors, shape (photos, views, 3, size, size)."""
        return softmax(self.logits(tensors), self.manifest.temperature)

    def member_probabilities(self, tensors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities of each member of an ensemble by itself, shape (photos, members, classes).

        Args:
            tensors: shape (photos, views, 3, size, size).
        """
        photos, views = tensors.shape[:2]
        answers = self._session.run([MEMBER_LOGITS], {PHOTOS_INPUT: tensors.reshape(-1, *tensors.shape[2:])})[0]
        members = self.manifest.members
        logits = np.asarray(answers, dtype=np.float32).reshape(photos, views, len(members), -1)
        each = [softmax(logits[:, :, place], member.temperature) for place, member in enumerate(members)]
        of_photos: NDArray[np.float64] = np.stack(each, axis=2).mean(axis=1)
        return of_photos

    def predict(self, photos: Sequence[bytes]) -> list[Decision]:
        """Answer for the bytes of photos.

        Raises:
            UnreadableImage: one of them cannot be used; the message says why.
        """
        tensors = np.stack([preprocess(photo, self.manifest.preprocessing) for photo in photos])
        return [self.decide(row) for row in self.probabilities(tensors)]

    def decide(self, probabilities: NDArray[np.float64]) -> Decision:
        """Turn the probabilities of one photo, shape (classes,), into its answer."""
        numbers, confidences = self.manifest.answer(probabilities[None])
        confidence = float(confidences[0])
        routing = self.manifest.routing
        return Decision(
            label=self.manifest.classes[numbers[0]],
            confidence=confidence,
            probabilities={
                label: float(value) for label, value in zip(self.manifest.classes, probabilities, strict=True)
            },
            decision=routing.decide(confidence) if routing else "review",
            model_version=f"{self.manifest.name}:{self.manifest.version or 'candidate'}",
        )


def load_projection(folder: Path, manifest: ModelManifest) -> FeatureProjection | None:
    """What makes the features of a model compact; None where it has no reference, or that no features.

    Raises:
        UnknownModelFormat: the reference that the manifest names cannot be read.
    """
    if "reference" not in manifest.digests:
        return None
    path = folder / REFERENCE_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "projection.axes" not in arrays:
                return None
            return FeatureProjection(arrays["projection.mean"], arrays["projection.axes"])
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise UnknownModelFormat(f"{path}: the reference cannot be read ({error})") from None


def open_session(path: Path, *, threads: int) -> "InferenceSession":
    """An exported network, ready to run on the CPU.

    Raises:
        UnknownModelFormat: ONNX Runtime cannot load the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads that spin take the processor from the decoding of the next photo.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnknownModelFormat(f"{path}: ONNX Runtime cannot load it ({error})") from None
