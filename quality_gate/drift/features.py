"""What the network saw of a photo, made small enough to be kept with every answer; a server needs no more than this."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Of these a linear classifier tells shifts apart as well as of a thousand, and they take 64 bytes.
COMPACT_FEATURES = 32
# Beyond it a feature says no more than that it is far away; float16 ends soon after.
_FARTHEST = 1_000.0


@dataclass(frozen=True)
class FeatureProjection:
    """From the network's features to compact ones: principal axes of photos it was trained on, scaled to variance 1.

    Not of the reference photos: along axes that were fitted to them these would vary more than any others, and every
    window would look a little drifted.

    Attributes:
        mean: of the features over the photos it was fitted to, float32, shape (F,).
        axes: float32, shape (compact features, F).
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.float32], most: int = COMPACT_FEATURES) -> FeatureProjection:
        """Find the axes along which photos differ most.

        Args:
            features: of the penultimate layer, shape (photos, F).
            most: axes; there are fewer where the photos differ in fewer directions.
        """
        mean = features.mean(axis=0, dtype=np.float64)
        _, lengths, axes = np.linalg.svd(features - mean, full_matrices=False)
        deviations = lengths / np.sqrt(max(1, len(features) - 1))
        # Rounding alone makes directions far below this.
        kept = np.flatnonzero(deviations > 1e-5 * deviations.max(initial=0.0))[:most]
        # The sign of an axis is arbitrary: the largest part of each points up, so that the same photos give the same.
        signs = np.sign(axes[kept, np.abs(axes[kept]).argmax(axis=1)])
        scaled = axes[kept] * (signs / deviations[kept])[:, None]
        return cls(mean.astype(np.float32), scaled.astype(np.float32))

    def compact(self, features: NDArray[np.float32]) -> NDArray[np.float16]:
        """Compact features, float16, shape (photos, compact features), of features, shape (photos, F)."""
        projected = (features - self.mean) @ self.axes.T
        return projected.clip(-_FARTHEST, _FARTHEST).astype(np.float16)


def to_bytes(compact: NDArray[np.float16]) -> bytes:
    """The compact features of one photo, as they are logged: little-endian float16."""
    return compact.astype("<f2").tobytes()


def from_bytes(logged: bytes) -> NDArray[np.float16]:
    """What :func:`to_bytes` was given.

    Raises:
        ValueError: the bytes are no whole numbers of float16.
    """
    return np.frombuffer(logged, dtype="<f2").astype(np.float16)
