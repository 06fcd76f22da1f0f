"""Several networks that answer as one: their probabilities are averaged, inside of one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from quality_gate.models.member import Member
    from quality_gate.models.zoo import TransferNetwork
    from quality_gate.preprocess import PreprocessingSpec


class EnsembleNetwork(nn.Module):
    """Photos in, logarithms of the averaged probabilities out, so that it is calibrated and served as one network.

    Each member is given the same photos, brought from the normalisation of the ensemble to its own:

        p = Σ_m  w_m · softmax(logits_m / T_m)

    Of its state only the tensors of the networks are kept; the constants are those of ``members``.

    Args:
        networks: of the members, in their order.
        members: what each of them counts for.
        spec: how photos become the input of the ensemble.
    """

    temperatures: Tensor
    weights: Tensor
    scales: Tensor
    shifts: Tensor

    def __init__(self, networks: Sequence[TransferNetwork], members: Sequence[Member], spec: PreprocessingSpec) -> None:
        super().__init__()
        self.members = nn.ModuleList(networks)
        mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
        constants = {
            "temperatures": torch.tensor([member.temperature for member in members]),
            "weights": torch.tensor([member.weight for member in members]),
            "scales": torch.stack([std / torch.tensor(member.std) for member in members]),
            "shifts": torch.stack(
                [(mean - torch.tensor(member.mean)) / torch.tensor(member.std) for member in members]
            ),
        }
        for name, values in constants.items():
            self.register_buffer(name, values, persistent=False)

    @property
    def first(self) -> TransferNetwork:
        """The member whose normalisation is that of the ensemble; what is explained of a photo is what it saw."""
        network: TransferNetwork = self.members[0]  # type: ignore[assignment]
        return network

    def forward(self, photos: Tensor) -> Tensor:
        """Logarithms of the averaged probabilities (N, classes) of photos (N, 3, S, S)."""
        return self.mix(self.member_logits(photos))

    def member_logits(self, photos: Tensor) -> Tensor:
        """Logits of each member (N, members, classes) of photos (N, 3, S, S)."""
        return torch.stack([network(self.seen_by(number, photos)) for number, network in enumerate(self.members)], 1)

    def seen_by(self, number: int, photos: Tensor) -> Tensor:
        """Photos (N, 3, S, S) in the normalisation of a member."""
        if number == 0:
            return photos
        return photos * self.scales[number].view(1, 3, 1, 1) + self.shifts[number].view(1, 3, 1, 1)

    def mix(self, logits: Tensor) -> Tensor:
        """Logarithms of the averaged probabilities (N, classes) of the members' logits (N, members, classes)."""
        # In logarithms to the end: a probability may be too small for a float where its logarithm is not.
        sure = (logits / self.temperatures.view(1, -1, 1)).log_softmax(dim=2)
        return (sure + self.weights.log().view(1, -1, 1)).logsumexp(dim=1)
