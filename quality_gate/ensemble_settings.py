"""Typed settings of an ensemble: which networks answer together with the candidate, and how much each counts."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from quality_gate.settings_section import Settings, contradiction
from quality_gate.transfer_settings import TransferSettings

# Settings of the first network that are not meant for any other.
_OF_THE_FIRST = ("weights_file", "fallback", "fallback_below")


class EnsembleSettings(Settings):
    """Networks whose probabilities are averaged with those of ``transfer``, in one graph that is served as one model.

    Off by default: it multiplies the cost of an answer. On 707 grocery photos a small network from scratch beside
    EfficientNet-Lite0 changes macro F1 by +0.002 (0.000 to 0.007) at its best share, a tenth, and by −0.049 (−0.084 to
    −0.017) at a half.

    Attributes:
        members: the other networks; each is written like ``transfer``, and what it does not say is as there, but for
            ``weights_file`` and the fallback. Every member trains with a seed of its own.
        weights: shares of the probabilities, ``transfer`` first; null chooses those under which the validation photos
            are likeliest.
    """

    members: Annotated[tuple[TransferSettings, ...], Field(max_length=7)] = ()
    weights: tuple[Annotated[float, Field(gt=0, le=1)], ...] | None = None

    @model_validator(mode="after")
    def _a_weight_for_each(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.members) + 1:
            raise contradiction(
                f"ensemble.weights: expected {len(self.members) + 1} of them, one for the network of transfer and one "
                "for each member"
            )
        return self


def members_like_the_first(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run in which the members have all that they do not say from ``transfer``.

    Args:
        values: the sections, as they are given; what is no mapping is left to be refused.
    """
    transfer, ensemble = values.get("transfer", {}), values.get("ensemble", {})
    members = ensemble.get("members") if isinstance(ensemble, Mapping) else None
    if not isinstance(members, list | tuple) or not isinstance(transfer, Mapping):
        return dict(values)
    shared = {key: value for key, value in transfer.items() if key not in _OF_THE_FIRST}
    laid_over = [{**shared, **member} if isinstance(member, Mapping) else member for member in members]
    return {**values, "ensemble": {**ensemble, "members": laid_over}}
