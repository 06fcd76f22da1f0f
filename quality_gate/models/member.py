"""A member of an ensemble: one of the networks that answer together."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True)
class Member:
    """One network of an ensemble, and what its answers count for.

    Attributes:
        architecture: name of the network in the zoo.
        mean: channel means of the photos it was trained on, in 0..1.
        std: channel standard deviations, above 0.
        temperature: what its logits are divided by before they are mixed with those of others, above 0.
        weight: share of its probabilities in those of the ensemble, above 0; the weights of all members sum to 1.

    Raises:
        ValueError: temperature or weight is out of its range.
    """

    architecture: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    temperature: float
    weight: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < inf or not 0 < self.weight <= 1:
            raise ValueError(
                f"member {self.architecture} has temperature {self.temperature} and weight {self.weight}; expected a "
                "temperature above 0 and a weight above 0 and at most 1"
            )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Member:
        """Rebuild a member from the plain values of its fields.

        Raises:
            TypeError: a field is missing or unknown.
            ValueError: a value is out of its range.
        """
        (red, green, blue), (red_std, green_std, blue_std) = values.get("mean", ()), values.get("std", ())
        return cls(**{**values, "mean": (red, green, blue), "std": (red_std, green_std, blue_std)})
