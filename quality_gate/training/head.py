"""The linear head: multinomial logistic regression on frozen features, trained to convergence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INVERSE_REGULARISATIONS: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
FOLDS = 3
# Where a class has too few duplicate groups to cross-validate: the middle of the grid.
FALLBACK_STRENGTH = 0.03


@dataclass(frozen=True)
class LinearHead:
    """Weights of a linear layer.

    Attributes:
        weight: float32, shape (classes, features).
        bias: float32, shape (classes,).
        inverse_regularisation: the C that cross-validation chose.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    inverse_regularisation: float


def train_head(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> LinearHead:
    """Choose the strength of the penalty by :func:`choose_strength` and fit a head with it.

    Args:
        features: float32, shape (rows, F).
        labels: class numbers 0..C−1, shape (rows,); every class occurs.
        groups: number of each row's duplicate group, shape (rows,).
        seed: of the folds.
    """
    return fit_head(features, labels, choose_strength(features, labels, groups, seed))


def fit_head(features: NDArray[np.float32], labels: NDArray[np.int64], strength: float) -> LinearHead:
    """Fit class-balanced multinomial logistic regression on standardised features.

    The standardisation is folded into the weights.

    Args:
        features: float32, shape (rows, F).
        labels: class numbers 0..C−1, shape (rows,); every class occurs.
        strength: inverse of the L2 penalty, the C of scikit-learn.
    """
    from threadpoolctl import threadpool_limits

    mean, scale = _standardisation(features)
    # The matrices are small: threads would wait for each other longer than they work.
    with threadpool_limits(1, user_api="blas"):
        coefficients, intercepts = _fit((features - mean) * scale, labels, strength)
    weight = coefficients * scale
    return LinearHead(weight.astype(np.float32), (intercepts - weight @ mean).astype(np.float32), strength)


def choose_strength(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> float:
    """Choose the inverse of the L2 penalty by cross-validated log loss.

    The folds keep rows of one group together, so that views of one photo never vouch for each other. Where a class has
    one group only there is nothing to hold out, and ``FALLBACK_STRENGTH`` is taken.

    Args:
        features: float32, shape (rows, F).
        labels: class numbers 0..C−1, shape (rows,); every class occurs.
        groups: number of each row's duplicate group, shape (rows,).
        seed: of the folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold
    from threadpoolctl import threadpool_limits

    classes = np.arange(labels.max() + 1)
    folds = min(FOLDS, *(len(np.unique(groups[labels == label])) for label in classes))
    if folds < 2:
        return FALLBACK_STRENGTH
    mean, scale = _standardisation(features)
    standardised = (features - mean) * scale
    losses = np.zeros(len(INVERSE_REGULARISATIONS))
    with threadpool_limits(1, user_api="blas"):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        for train, held_out in splitter.split(standardised, labels, groups):
            if len(np.unique(labels[train])) == len(classes):
                losses += _losses(standardised, labels, train, held_out)
    return INVERSE_REGULARISATIONS[int(losses.argmin())] if losses.any() else FALLBACK_STRENGTH


def _standardisation(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean of each feature, and what its deviation is multiplied by; float32, shape (F,) each."""
    return features.mean(axis=0), 1 / np.maximum(features.std(axis=0), 1e-6)


def _losses(
    features: NDArray[np.float32], labels: NDArray[np.int64], train: NDArray[np.intp], held_out: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Log loss of the held-out rows at every strength, shape (strengths,)."""
    from sklearn.metrics import log_loss

    from quality_gate.inference import softmax

    classes = np.arange(labels.max() + 1)
    losses = []
    for strength in INVERSE_REGULARISATIONS:
        coefficients, intercepts = _fit(features[train], labels[train], strength)
        probabilities = softmax(features[held_out] @ coefficients.T + intercepts)
        losses.append(log_loss(labels[held_out], probabilities, labels=classes))
    return np.array(losses)


def _fit(
    features: NDArray[np.float32], labels: NDArray[np.int64], strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000).fit(features, labels)
    if len(model.classes_) == 2:
        # scikit-learn keeps one row for two classes; a head needs one a class.
        return np.vstack([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2
    return model.coef_, model.intercept_
