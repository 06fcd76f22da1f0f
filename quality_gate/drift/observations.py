"""Photos as drift sees them: what was measured of each, what was answered, and what the network saw of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quality_gate.drift.features import from_bytes
from quality_gate.monitoring.prediction import ImageStatistics

if TYPE_CHECKING:
    from quality_gate.monitoring.prediction import Prediction

STATISTICS: tuple[str, ...] = tuple(ImageStatistics.__slots__)


@dataclass(frozen=True)
class Observations:
    """Photos, one a row.

    Attributes:
        classes: labels in the order of the class numbers.
        statistics: the image statistics by name (:data:`STATISTICS`), float64, shape (photos,).
        predicted: class number of each answer, int64, shape (photos,).
        confidence: of each answer, in 0..1, float64, shape (photos,).
        features: compact features, float32, shape (photos, compact features); rows of NaN for photos whose features
            are not known, no column where the model gives none.
    """

    classes: tuple[str, ...]
    statistics: Mapping[str, NDArray[np.float64]]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.predicted)

    @property
    def columns(self) -> Mapping[str, NDArray[np.float64]]:
        """What is compared of each photo, by name; float64, shape (photos,).

        Red and blue are shares of the light, which say nothing of how much there is; of sharpness and file size it is
        the ratios that count.
        """
        raw = self.statistics
        light = raw["red_mean"] + raw["green_mean"] + raw["blue_mean"]
        return MappingProxyType(
            {
                "brightness": raw["brightness"],
                "contrast": raw["contrast"],
                "red_share": _share(raw["red_mean"], light),
                "blue_share": _share(raw["blue_mean"], light),
                "sharpness": np.log10(raw["sharpness"] + 1),
                "width": raw["width"],
                "height": raw["height"],
                "file_size": np.log10(raw["file_size_kb"] + 1e-3),
                "confidence": self.confidence,
            }
        )

    @property
    def with_features(self) -> NDArray[np.bool_]:
        """Whether the features of each photo are known, shape (photos,)."""
        if not self.features.shape[1]:
            return np.zeros(len(self), dtype=np.bool_)
        return np.asarray(np.isfinite(self.features).all(axis=1))

    def take(self, rows: NDArray[np.int64]) -> Observations:
        """Some of the photos, by their places."""
        return Observations(
            self.classes,
            {name: values[rows] for name, values in self.statistics.items()},
            self.predicted[rows],
            self.confidence[rows],
            self.features[rows],
        )

    @classmethod
    def of(cls, predictions: Sequence[Prediction], classes: tuple[str, ...], n_features: int) -> Observations:
        """What the prediction log says of photos.

        Args:
            predictions: answers of one model.
            classes: of the model, in the order of its class numbers.
            n_features: compact features of the model; what is logged in another number counts as not known.

        Raises:
            ValueError: an answer is no class of the model.
        """
        number = {label: index for index, label in enumerate(classes)}
        unknown = sorted({one.label for one in predictions} - set(number))
        if unknown:
            raise ValueError(f"answers are {', '.join(unknown)}; the model knows {', '.join(classes)}")
        features = np.full((len(predictions), n_features), np.nan, dtype=np.float32)
        for row, one in enumerate(predictions):
            if one.features is not None and len(one.features) == 2 * n_features:
                features[row] = from_bytes(one.features)
        return cls(
            classes,
            {name: _column(predictions, name) for name in STATISTICS},
            np.array([number[one.label] for one in predictions], dtype=np.int64),
            np.array([one.confidence for one in predictions], dtype=np.float64),
            features,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as named arrays, fit for an archive without pickle; features are rounded to float16."""
        return {
            "classes": np.array(self.classes, dtype=np.str_),
            **{f"statistics.{name}": self.statistics[name] for name in STATISTICS},
            "predicted": self.predicted,
            "confidence": self.confidence,
            "features": self.features.astype(np.float16),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Observations:
        """Rebuild observations from :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
        """
        return cls(
            tuple(str(label) for label in arrays["classes"]),
            {name: arrays[f"statistics.{name}"].astype(np.float64) for name in STATISTICS},
            arrays["predicted"].astype(np.int64),
            arrays["confidence"].astype(np.float64),
            arrays["features"].astype(np.float32),
        )


def _share(channel: NDArray[np.float64], light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of a channel in the light; a black photo has no colour, so a third."""
    return np.divide(channel, light, out=np.full_like(light, 1 / 3), where=light > 0)


def _column(predictions: Sequence[Prediction], name: str) -> NDArray[np.float64]:
    return np.array([getattr(one.image, name) for one in predictions], dtype=np.float64)
