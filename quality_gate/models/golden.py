"""Golden photos: what a model answered, when it was made, for a few photos that it carries.

A model folder holds them in ``golden.json``: small JPEGs, at most one of each class, with the probability of every
class. Whoever is to answer with the model lets it answer them first: bytes, preprocessing, network, temperature and the
order of the classes are all in the answer, so that nothing of them can be another without being noticed.

Logarithms of probabilities are compared. Where a model is sure, a damaged one often is too: its probability goes from
0.99999 to 0.9999, and those of the other classes grow tenfold. The logarithm differs from the logit by the temperature
and what all classes share, so a limit on it is one on what the network computes.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path
from types import MappingProxyType

from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import GOLDEN_FILE, ModelManifest, Precision, UnknownModelFormat
from quality_gate.preprocess import preprocess

FORMAT_VERSION = 1

# By how much the natural logarithm of a probability may differ. Additions in another order, as other processors and
# versions make them, change it by 0.000005 in 32-bit floating point, and by 0.26 in 8 bits, where roundings go the
# other way. A temperature that is 1% wrong changes it by 0.1, one that is 10% wrong by 0.9 (on photos of produce).
MOST_OFF: Mapping[Precision, float] = MappingProxyType({"float32": 0.02, "int8": 0.5})
# What is below is as good as nothing.
LEAST = 1e-12


class OtherAnswer(Exception):
    """A golden photo is answered otherwise than when the model was made; the message says which, and how."""


@dataclass(frozen=True)
class GoldenPhoto:
    """A photo and its answer.

    Attributes:
        label: what it shows, and what was answered.
        image: the encoded photo.
        probabilities: of every class, 0..1.
    """

    label: str
    image: bytes
    probabilities: Mapping[str, float]

    def check(self, classifier: OnnxClassifier) -> None:
        """Let a model answer the photo.

        Raises:
            OtherAnswer: it gives another label, knows other classes, or is surer or less sure than it was.
        """
        answer = answer_photo(classifier, self.image)
        if set(answer) != set(self.probabilities):
            raise OtherAnswer(
                f"the golden photo of {self.label} is answered with {', '.join(answer)}, and "
                f"{', '.join(self.probabilities)} were expected"
            )
        label = max(answer, key=answer.__getitem__)
        if label != self.label:
            raise OtherAnswer(
                f"the golden photo of {self.label} is answered {label} with {answer[label]:.4f}, and {self.label} "
                f"with {self.probabilities[self.label]:.4f} was expected"
            )
        differences = {name: _difference(answer[name], self.probabilities[name]) for name in answer}
        worst = max(differences, key=differences.__getitem__)
        most = MOST_OFF[classifier.manifest.precision]
        if differences[worst] > most:
            raise OtherAnswer(
                f"the golden photo of {self.label} has the probability {answer[worst]:.4g} for {worst}, and "
                f"{self.probabilities[worst]:.4g} was expected (the logarithms differ by {differences[worst]:.2g}, and "
                f"at most {most:g} is allowed)"
            )


def answer_photo(classifier: OnnxClassifier, image: bytes) -> dict[str, float]:
    """Probabilities of the classes for an encoded photo, by label."""
    tensor = preprocess(image, classifier.manifest.preprocessing)
    return classifier.decide(classifier.probabilities(tensor[None])[0]).probabilities


def _difference(found: float, expected: float) -> float:
    """Between the logarithms of two probabilities."""
    return abs(log(max(found, LEAST)) - log(max(expected, LEAST)))


def write_golden_photos(photos: list[GoldenPhoto], folder: Path) -> Path:
    """Write ``golden.json`` into ``folder``; the same photos give the same file."""
    values = [
        {
            "label": photo.label,
            "image": base64.b64encode(photo.image).decode(),
            "probabilities": dict(photo.probabilities),
        }
        for photo in photos
    ]
    path = folder / GOLDEN_FILE
    path.write_text(json.dumps({"format_version": FORMAT_VERSION, "photos": values}, indent=1) + "\n")
    return path


def read_golden_photos(folder: Path) -> list[GoldenPhoto]:
    """The golden photos of a model folder; none where its manifest names none.

    Raises:
        UnknownModelFormat: the manifest names some, and the file is missing, or none of a known format.
    """
    if "golden" not in ModelManifest.load(folder).digests:
        return []
    path = folder / GOLDEN_FILE
    try:
        values = json.loads(path.read_text())
        version = values["format_version"]
        if version != FORMAT_VERSION:
            raise UnknownModelFormat(f"{path}: format version {version}; this version reads {FORMAT_VERSION}")
        return [
            GoldenPhoto(photo["label"], base64.b64decode(photo["image"], validate=True), photo["probabilities"])
            for photo in values["photos"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UnknownModelFormat):
            raise
        raise UnknownModelFormat(f"{path}: no readable golden photos ({error})") from None
