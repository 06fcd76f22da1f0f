"""The reference of a model: photos it was not trained on, and how it answered them; kept in its folder.

They are the calibration and the test photos as they come, one of each duplicate group. Photos it was trained on would
not do: of those it is too sure, and its features lie apart from those of any new photo. The calibration photos are the
ones its certificate speaks of: where photos are no longer like these, the certificate says nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.batches import ordered_map
from quality_gate.drift.features import FeatureProjection
from quality_gate.drift.observations import STATISTICS, Observations
from quality_gate.errors import UserError
from quality_gate.inference import OnnxClassifier, load_projection
from quality_gate.models.manifest import REFERENCE_FILE, ModelManifest, file_digest
from quality_gate.preprocess import preprocess
from quality_gate.processors import available_processors

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet, PhotoSets
    from quality_gate.progress import Reporter

# Another one too when photos are measured otherwise: of a reference measured as before any window has drifted.
FORMAT_VERSION = 3
# More photos make a window no easier to judge, and the file is carried by every server.
MAX_PHOTOS = 5_000
# Training photos that the projection is fitted to.
PROJECTION_PHOTOS = 500


@dataclass(frozen=True)
class Reference:
    """What windows are held against.

    Attributes:
        observations: of the reference photos.
        projection: makes the compact features; None where the network hands out none.
    """

    observations: Observations
    projection: FeatureProjection | None

    def save(self, folder: Path) -> str:
        """Write ``reference.npz`` into a model folder; the same reference gives the same file.

        Returns:
            SHA-256 of the file.
        """
        arrays: dict[str, NDArray[Any]] = {"format_version": np.array(FORMAT_VERSION), **self.observations.arrays()}
        if self.projection is not None:
            arrays |= {"projection.mean": self.projection.mean, "projection.axes": self.projection.axes}
        path = folder / REFERENCE_FILE
        np.savez(path, allow_pickle=False, **arrays)
        return file_digest(path)

    @classmethod
    def load(cls, folder: Path) -> Reference:
        """Read the reference of a model folder.

        Raises:
            UserError: the model has none, or not the one that its manifest names.
        """
        manifest, path = ModelManifest.load(folder), folder / REFERENCE_FILE
        model = f"{manifest.name}:{manifest.version or 'candidate'}"
        if "reference" not in manifest.digests:
            raise UserError(
                f"{model} was made by an older version of the product and keeps no reference to hold photos against; "
                "train again with: zenml pipeline run training"
            )
        if not path.is_file() or file_digest(path) != manifest.digests["reference"]:
            raise UserError(
                f"{path} of {model} is missing or damaged (its SHA-256 differs); restore the folder from a copy."
            )
        with np.load(path, allow_pickle=False) as arrays:
            version = int(arrays["format_version"])
            if version != FORMAT_VERSION:
                raise UserError(
                    f"{path} is of format {version}; this version of the product reads {FORMAT_VERSION}; train again "
                    "with: zenml pipeline run training"
                )
            observations = Observations.from_arrays(arrays)
        return cls(observations, load_projection(folder, manifest))


def with_reference(folder: Path, photos: PhotoSets, reporter: Reporter) -> None:
    """Let the network that answers see the reference photos, and keep them in its folder.

    Args:
        folder: a model folder that is ready to be served; its file and its digest are added.
        photos: of all splits.
        reporter: told how far it is.
    """
    classifier = OnnxClassifier(folder)
    digest = observe(classifier, photos, reporter).save(folder)
    manifest = classifier.manifest
    replace(manifest, digests=manifest.digests | {"reference": digest}).save(folder)


def observe(classifier: OnnxClassifier, photos: PhotoSets, reporter: Reporter) -> Reference:
    """Make the reference of a model from the photos it was not trained on."""
    chosen = _at_most([(split, _one_each(split)) for split in (photos.calibration, photos.test)], MAX_PHOTOS)
    answers, features = _seen(classifier, chosen, reporter, "reference for drift")
    projection, compact = None, np.zeros((len(answers), 0), dtype=np.float16)
    if features is not None:
        fitted = _at_most([(photos.train, _one_each(photos.train))], PROJECTION_PHOTOS)
        _, of_training = _seen(classifier, fitted, reporter, "axes of features")
        assert of_training is not None
        projection = FeatureProjection.fit(of_training)
        compact = projection.compact(features)
    numbers, confidence = classifier.manifest.answer(answers)
    observations = Observations(
        classifier.manifest.classes,
        _statistics(chosen),
        numbers,
        confidence,
        compact.astype(np.float32),
    )
    return Reference(observations, projection)


def _one_each(photos: PhotoSet) -> NDArray[np.int64]:
    """Places of one photo of each duplicate group: copies are no independent evidence."""
    return np.sort(np.unique(photos.groups, return_index=True)[1])


def _at_most(chosen: list[tuple[PhotoSet, NDArray[np.int64]]], most: int) -> list[tuple[PhotoSet, NDArray[np.int64]]]:
    """Of too many photos those whose digests are smallest, which is a draw that does not depend on their order."""
    ids = [photos.image_ids[place] for photos, places in chosen for place in places]
    if len(ids) <= most:
        return chosen
    kept = set(sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())[:most])
    return [
        (photos, np.array([place for place in places if photos.image_ids[place] in kept], dtype=np.int64))
        for photos, places in chosen
    ]


def _seen(
    classifier: OnnxClassifier, chosen: list[tuple[PhotoSet, NDArray[np.int64]]], reporter: Reporter, task: str
) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Probabilities, shape (photos, classes), and features of the penultimate layer, shape (photos, F), in order."""
    spec, total = classifier.manifest.preprocessing, sum(len(places) for _, places in chosen)
    data = chain.from_iterable(
        photos.snapshot.photos([photos.image_ids[place] for place in places]) for photos, places in chosen
    )

    def see(photo: bytes) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        return classifier.probabilities_and_features(preprocess(photo, spec)[None])

    move, answers, features = reporter.progress(task), [], []
    for done, (answer, seen) in enumerate(ordered_map(see, data, workers=available_processors()), start=1):
        answers.append(answer)
        if seen is not None:
            features.append(seen)
        move(done, total)
    return np.concatenate(answers), np.concatenate(features) if features else None


def _statistics(chosen: list[tuple[PhotoSet, NDArray[np.int64]]]) -> dict[str, NDArray[np.float64]]:
    """What the audit measured of the photos, in order."""
    columns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in STATISTICS}
    for photos, places in chosen:
        table = photos.snapshot.table.drop_duplicates("image_id").set_index("image_id")
        rows = table.loc[[photos.image_ids[place] for place in places], list(STATISTICS)]
        for name in STATISTICS:
            columns[name].append(rows[name].to_numpy(dtype=np.float64))
    return {name: np.concatenate(parts) for name, parts in columns.items()}
