"""Several candidates become one: each is trained by itself; validation photos choose what it counts for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.calibration import fit_temperature
from quality_gate.inference import average_views, softmax
from quality_gate.models.member import Member
from quality_gate.preprocess import preprocess
from quality_gate.training.candidate import Candidate
from quality_gate.training.fallback import Trainer, train_with_fallback
from quality_gate.training.mixture import mixture_weights

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.ensemble_settings import EnsembleSettings
    from quality_gate.models.ensemble import EnsembleNetwork
    from quality_gate.transfer_settings import TransferSettings


def train_ensemble(
    train: Trainer,
    settings: TransferSettings,
    ensemble: EnsembleSettings,
    validation: PhotoSet,
    *,
    seed: int,
    key: str,
    say: Callable[[str], None],
) -> Candidate:
    """Train the candidate and, where there are any, the networks that answer with it.

    Args:
        train: trains one of them.
        settings: of the first.
        ensemble: of the others, and how much each counts.
        validation: photos that choose temperatures and weights.
        seed: of every random choice of the first; each of the others has the next.
        key: of the training; '' starts from the beginning.
        say: is told what each member counts for.

    Raises:
        UserError: one of the networks cannot be trained.
    """
    first = train_with_fallback(train, settings, seed=seed, key=key, say=say)
    if not ensemble.members:
        return first
    others = [
        train_with_fallback(train, member, seed=seed + number, key=key and f"{key}-{number}", say=say)
        for number, member in enumerate(ensemble.members, start=1)
    ]
    result = combine([first, *others], validation, ensemble.weights)
    told = ", ".join(f"{member.architecture} {member.weight:.3f}" for member in result.members)
    say(f"ensemble: weights {told} ({'given' if ensemble.weights else 'chosen on the validation photos'})")
    return result


def combine(candidates: list[Candidate], validation: PhotoSet, weights: tuple[float, ...] | None = None) -> Candidate:
    """One candidate of several: the logits of each divided by its own temperature, the probabilities averaged.

    Args:
        candidates: two or more that take photos of one size in the same views; the normalisation is the first one's.
        validation: photos that none of them has learnt from.
        weights: of each; they are brought to a sum of 1. None: those under which the validation photos are likeliest.
    """
    first = candidates[0]
    even = [
        Member(one.architecture, one.spec.mean, one.spec.std, temperature=1.0, weight=1 / len(candidates))
        for one in candidates
    ]
    logits = _member_logits(_network(candidates, even), validation, first)
    temperatures = [fit_temperature(logits[:, place], validation.labels) for place in range(len(candidates))]
    shares = np.asarray(weights) / sum(weights) if weights else _chosen(logits, temperatures, validation.labels)
    members = tuple(
        replace(member, temperature=temperature, weight=float(share))
        for member, temperature, share in zip(even, temperatures, shares, strict=True)
    )
    return Candidate(
        _network(candidates, list(members)),
        first.spec,
        first.history,
        "+".join(member.architecture for member in members),
        members=members,
        missing=tuple(name for one in candidates for name in one.missing),
    )


def _chosen(logits: NDArray[np.float32], temperatures: list[float], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    of_right = [
        softmax(logits[:, place], temperature)[np.arange(len(labels)), labels]
        for place, temperature in enumerate(temperatures)
    ]
    return mixture_weights(np.log(np.maximum(np.stack(of_right, axis=1), np.finfo(np.float64).tiny)))


def _network(candidates: list[Candidate], members: list[Member]) -> EnsembleNetwork:
    from quality_gate.models.ensemble import EnsembleNetwork
    from quality_gate.models.zoo import TransferNetwork

    networks = [one.network for one in candidates if isinstance(one.network, TransferNetwork)]
    assert len(networks) == len(candidates)
    return EnsembleNetwork(networks, members, candidates[0].spec).eval()


def _member_logits(network: EnsembleNetwork, photos: PhotoSet, first: Candidate) -> NDArray[np.float32]:
    """Logits of each member, the views of a photo averaged, shape (photos, members, classes)."""
    import torch

    rows = []
    for photo in photos.read():
        with torch.inference_mode():
            found = network.member_logits(torch.from_numpy(preprocess(photo, first.spec))).numpy()
        # Views and members change places: each member has an answer of its own.
        rows.append(average_views(found.transpose(1, 0, 2)))
    return np.stack(rows)
