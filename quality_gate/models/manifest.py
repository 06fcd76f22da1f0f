"""``model.json``: what a model folder says of itself.

A model folder holds ``model.json``, ``weights.safetensors`` (the trained network) and ``model.onnx`` (the same
network, exported: photo tensor in, logits out). Once it is ready to be served it also holds ``serving.onnx``, the
network that answers: the exported one, optimised, in the precision that ``model.json`` names; ``golden.json``, what it
answered for a few photos; and ``reference.npz``, the photos that those to come are held against. Nothing is pickled.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quality_gate.models.member import Member
from quality_gate.models.watched_class import WatchedClass, answer
from quality_gate.preprocess import PreprocessingSpec

FORMAT_VERSION = 5
MANIFEST_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
ONNX_FILE = "model.onnx"
SERVING_FILE = "serving.onnx"
GOLDEN_FILE = "golden.json"
REFERENCE_FILE = "reference.npz"

Precision = Literal["float32", "int8"]


class UnknownModelFormat(ValueError):
    """The folder is no model folder, or one of a format this version cannot read."""


@dataclass(frozen=True)
class RoutingCertificate:
    """The rule that sends an answer to accept or review, and what was proven of it on the calibration split.

    "Of the answers accepted, at most ``alpha`` are wrong, with confidence 1 − ``delta``."

    Attributes:
        alpha: largest share of wrong answers among the accepted, in (0, 1).
        delta: probability that the certificate is wrong, in (0, 1).
        threshold: confidence from which an answer is accepted, in 0..1; None where no threshold could be certified
            and every photo goes to review.
        coverage: share of the calibration photos that is accepted, in 0..1.
        accepted: calibration photos that are accepted.
        wrong: of these, how many were wrong.
        photos: calibration photos the certificate was made on.
        risk_upper_bound: exact upper bound, at confidence 1 − ``delta``, on the share of wrong answers among the
            accepted; None without a threshold.
    """

    alpha: float
    delta: float
    threshold: float | None
    coverage: float
    accepted: int
    wrong: int
    photos: int
    risk_upper_bound: float | None

    def decide(self, confidence: float) -> str:
        """``accept`` or ``review`` for an answer of this confidence (0..1)."""
        return "accept" if self.threshold is not None and confidence >= self.threshold else "review"


@dataclass(frozen=True)
class ModelManifest:
    """What a model is: enough to serve it, to repeat it, and to know where it came from.

    Attributes:
        name: the gate it was trained for.
        architecture: name of the network in the zoo; of an ensemble those of its members, joined by ``+``.
        classes: labels in the order of the logits.
        preprocessing: how photos become its input.
        temperature: what logits are divided by before the softmax, above 0.
        routing: when an answer is accepted; None before calibration.
        digests: SHA-256 of what made it: ``data``, ``split``, ``settings`` of its training, ``code``, and of its files:
            ``weights``, ``onnx``, ``serving``, ``golden``, ``reference``; and ``answers`` of the model before it was
            made ready to be served; ``judged_weights`` of the model that the gate has judged, where it was trained
            further for 8-bit integers.
        precision: of the network that answers.
        watched: the class that must not be missed; None where the most probable class is always the answer.
        members: of an ensemble, the first being the one whose normalisation is that of ``preprocessing``; none where
            a single network answers.
        version: number in the registry; None until it is promoted.
        format_version: version of this file's layout.

    Raises:
        ValueError: the temperature is out of its range, or the watched class is no class of the model.
    """

    name: str
    architecture: str
    classes: tuple[str, ...]
    preprocessing: PreprocessingSpec
    temperature: float = 1.0
    routing: RoutingCertificate | None = None
    digests: dict[str, str] = field(default_factory=dict)
    precision: Precision = "float32"
    watched: WatchedClass | None = None
    members: tuple[Member, ...] = ()
    version: str | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if not 0 < self.temperature < inf:
            raise ValueError(f"temperature is {self.temperature}; expected a number above 0")
        if self.watched is not None and self.watched.label not in self.classes:
            raise ValueError(f"watched class is {self.watched.label}; expected one of {', '.join(self.classes)}")

    def answer(self, probabilities: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What the model answers for photos, as it does in service: class numbers and confidences, shape (photos,).

        Args:
            probabilities: calibrated, shape (photos, classes).
        """
        return answer(probabilities, self.classes, self.watched)

    @property
    def network_file(self) -> str:
        """Name of the file with the network that answers."""
        return SERVING_FILE if "serving" in self.digests else ONNX_FILE

    @property
    def served_files(self) -> dict[str, str | None]:
        """The files that answers come from or are held against, with their SHA-256; None where it was not noted."""
        beside = {"golden": GOLDEN_FILE, "reference": REFERENCE_FILE}
        made = {file: self.digests[name] for name, file in beside.items() if name in self.digests}
        return {self.network_file: self.network_digest, **made}

    @property
    def network_digest(self) -> str | None:
        """SHA-256 of that file; None where it was not noted."""
        return self.digests.get("serving", self.digests.get("onnx"))

    @property
    def answers_digest(self) -> str:
        """SHA-256 of all that answers depend on: two models that share it are the same, whatever they were made from.

        It needs the digests of both network files, and stays what it was when a model is made ready to be served.
        """
        if "answers" in self.digests:
            return self.digests["answers"]
        values = asdict(self)
        named: tuple[str, ...] = ("architecture", "classes", "preprocessing", "temperature", "routing")
        if self.watched is not None:
            # Only then, so that models from before there were such classes keep their digests.
            named = (*named, "watched")
        if self.members:
            named = (*named, "members")
        content = {name: values[name] for name in named} | {
            file: self.digests[file] for file in ("weights", "onnx") if file in self.digests
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``model.json`` into ``folder``."""
        (folder / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "ModelManifest":
        """Read ``model.json`` from ``folder``.

        Raises:
            UnknownModelFormat: there is none, or it is of an unknown format.
        """
        path = folder / MANIFEST_FILE
        try:
            values: Any = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UnknownModelFormat(f"{path}: no readable model manifest ({error})") from None
        if not isinstance(values, dict):
            raise UnknownModelFormat(f"{path}: not a model manifest; expected a JSON object")
        version: Any = values.get("format_version")
        if version not in range(1, FORMAT_VERSION + 1) or isinstance(version, bool):
            raise UnknownModelFormat(f"{path}: format version {version}; this version reads 1 to {FORMAT_VERSION}")
        values = _as_of_today(values, version)
        missing = sorted({field.name for field in fields(cls)} - set(values))
        if missing:
            raise UnknownModelFormat(f"{path}: not a model manifest; it lacks {', '.join(missing)}")
        try:
            routing, watched = values["routing"], values["watched"]
            return cls(
                **{
                    **values,
                    "classes": tuple(values["classes"]),
                    "preprocessing": PreprocessingSpec.from_json(values["preprocessing"]),
                    "routing": RoutingCertificate(**routing) if routing else None,
                    "watched": WatchedClass(**watched) if watched else None,
                    "members": tuple(Member.from_json(member) for member in values["members"]),
                    "format_version": FORMAT_VERSION,
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownModelFormat(f"{path}: not a model manifest ({error})") from None

    def with_version(self, version: str) -> "ModelManifest":
        """The same manifest with its number in the registry."""
        return replace(self, version=version)


def _as_of_today(values: dict[str, Any], version: int) -> dict[str, Any]:
    """A manifest of any version: the first had a single view, called ``resize``, the first two one precision.

    No class was watched in the first three, and in the first four a single network answered.
    """
    if version == 1 and isinstance(values.get("preprocessing"), dict) and "resize" in values["preprocessing"]:
        preprocessing = values["preprocessing"]
        values = {**values, "preprocessing": {**preprocessing, "views": [preprocessing["resize"]]}}
    if version <= 2:
        values = {**values, "precision": "float32"}
    if version <= 3:
        values = {**values, "watched": None}
    return values if version > 4 else {**values, "members": []}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
