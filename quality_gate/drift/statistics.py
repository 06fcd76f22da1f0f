"""How much the photos of a window differ from the others, for many choices of a window at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
# Of the number of photos: how far the classifier's weights are held back. Features have variance 1, and a window of a
# hundred photos is soon learnt by heart.
_RIDGE = 0.1


class LargestDistance:
    """The largest distance of Kolmogorov and Smirnov among columns: of the shares below a value, the most they differ.

    Args:
        columns: each of shape (photos,); equal values count as equal.
    """

    def __init__(self, columns: Sequence[NDArray[np.float64]]) -> None:
        self._orders = [np.argsort(values, kind="stable") for values in columns]
        # Only behind the last of equal values is a share below a value known.
        self._ends = [
            np.flatnonzero(np.append(np.diff(values[order]) > 0, [True]))
            for values, order in zip(columns, self._orders, strict=True)
        ]

    def __call__(self, is_window: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The distance, in 0..1, for each choice."""
        largest: NDArray[np.float64] = self.by_column(is_window).max(axis=0)
        return largest

    def by_column(self, is_window: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The distance in each column, shape (columns, choices)."""
        photos = is_window.shape[1]
        window = np.count_nonzero(is_window[0])
        distances = np.empty((len(self._orders), len(is_window)))
        for column, (order, ends) in enumerate(zip(self._orders, self._ends, strict=True)):
            below = np.cumsum(is_window[:, order], axis=1, dtype=np.int32)[:, ends]
            difference = below / window - (ends + 1 - below) / (photos - window)
            distances[column] = np.abs(difference).max(axis=1)
        return distances


class ClassFrequencies:
    """How far the frequencies of classes are from those of all photos: Pearson's chi-squared, but for a factor.

    Args:
        predicted: class numbers, shape (photos,).
    """

    def __init__(self, predicted: NDArray[np.int64]) -> None:
        present, places = np.unique(predicted, return_inverse=True)
        self._is_class = (places[:, None] == np.arange(len(present))).astype(np.float32)
        self._shares = self._is_class.mean(axis=0, dtype=np.float64)

    def __call__(self, is_window: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The statistic for each choice, 0 or more."""
        counts = is_window.astype(np.float32) @ self._is_class
        expected = self._shares * np.count_nonzero(is_window[0])
        distance: NDArray[np.float64] = ((counts - expected) ** 2 / expected).sum(axis=1)
        return distance


class DomainClassifier:
    """How well a classifier tells the window's photos from the others by their features: its cross-validated AUC.

    0.5 is not at all, 1 without a mistake. The classifier is a ridge regression on the features and their squares, so
    that it sees shifts and changes of spread. Its answers are linear in what it is taught: what is costly is computed
    once, and every further choice of a window costs two small products of matrices and a sort.

    Args:
        features: shape (photos, features).
        random: divides the photos into folds.
    """

    def __init__(self, features: NDArray[np.float32], random: np.random.Generator) -> None:
        photos = len(features)
        # In any order but their own: photos that cannot be told apart must not be in that of the windows.
        self._order = random.permutation(photos)
        scaled = _standardised(features[self._order].astype(np.float64))
        inputs = np.column_stack([scaled, _standardised(scaled**2)])
        self._folds = np.array_split(np.arange(photos), min(FOLDS, photos))
        self._taught, self._asked = [], []
        for fold in self._folds:
            others = np.delete(inputs, fold, axis=0)
            penalty = _RIDGE * len(others) * np.eye(inputs.shape[1])
            self._taught.append(np.linalg.solve(others.T @ others + penalty, others.T).astype(np.float32))
            self._asked.append(inputs[fold].astype(np.float32))

    def __call__(self, is_window: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The AUC, in 0..1, for each choice."""
        chosen = is_window[:, self._order]
        target = chosen.astype(np.float32) - np.float32(chosen[0].mean())
        wins, pairs = np.zeros(len(chosen)), np.zeros(len(chosen))
        for fold, taught, asked in zip(self._folds, self._taught, self._asked, strict=True):
            scores = np.delete(target, fold, axis=1) @ taught.T @ asked.T
            ranked = np.take_along_axis(chosen[:, fold], scores.argsort(axis=1), axis=1)
            window = ranked.sum(axis=1)
            wins += ranked @ np.arange(1.0, len(fold) + 1) - window * (window + 1) / 2
            pairs += window * (len(fold) - window)
        auc: NDArray[np.float64] = np.divide(wins, pairs, out=np.full(len(chosen), 0.5), where=pairs > 0)
        return auc


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of mean 0 and variance 1; one that does not vary is 0."""
    centred = values - values.mean(axis=0)
    deviations = centred.std(axis=0)
    scaled: NDArray[np.float64] = np.divide(centred, deviations, out=np.zeros_like(centred), where=deviations > 1e-9)
    return scaled
