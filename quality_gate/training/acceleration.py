"""How the loop uses its device: what makes a GPU fast, and leaves every bit of the processor's results as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Of the free memory of a GPU: what the rows may take; the rest is the network's, its optimiser's and the activations'.
SHARE_FOR_ROWS = 0.5


@dataclass(frozen=True)
class Acceleration:
    """What is done to train faster than one operation after the other in single precision.

    Attributes:
        precision: of the arithmetic that allows for less (mixed precision); None computes in float32.
        channels_last: photos and maps keep the channels of a pixel side by side.
        resident: all rows lie on the device, where they take no more than half of its free memory.
        prepare_on_device: what changes a batch (augmentation) runs on the device; what is drawn for it is drawn on the
            processor all the same, so that a seed draws the same everywhere.
        fused: the optimiser updates all weights at once.
    """

    precision: torch.dtype | None = None
    channels_last: bool = True
    resident: bool = False
    prepare_on_device: bool = False
    fused: bool = False

    @classmethod
    def of(cls, device: torch.device) -> Acceleration:
        """The fastest way on a device.

        A GPU that computes in bfloat16 does so: with the range of float32 no gradient underflows, and no step waits
        for the processor to look whether one did. Older ones compute in float16, with scaled losses.
        """
        import torch

        if device.type != "cuda":
            return cls()
        precision = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        return cls(precision, resident=True, prepare_on_device=True, fused=True)

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which a network answers while it is trained."""
        import torch

        return torch.autocast(device.type, dtype=self.precision, enabled=self.precision is not None)

    def scaler(self, device: torch.device) -> torch.amp.GradScaler:
        """Scales losses where small gradients would vanish; idle where they do not."""
        import torch

        return torch.amp.GradScaler(device.type, enabled=self.precision is torch.float16)


def to_device(
    batch: torch.Tensor, device: torch.device, dtype: torch.dtype | None = None, *, channels_last: bool = True
) -> torch.Tensor:
    """A batch on the device, photos and maps with their channels last where wanted; no GPU is waited for.

    Args:
        batch: on the processor or on the device.
        device: where it goes.
        dtype: type of the result; None takes single precision. What travels is converted on arrival, so that halves
            take half the way.
        channels_last: the layout of a batch of four dimensions.
    """
    import torch

    layout = torch.channels_last if channels_last and batch.dim() == 4 else torch.contiguous_format
    if device.type == "cuda" and batch.device.type == "cpu":
        # From pinned memory the copy runs while the GPU still computes.
        batch = batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device, dtype or torch.float32, non_blocking=True, memory_format=layout)


def resident(rows: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Rows on the device if they fit there, else as they are."""
    fits = rows.numel() * rows.element_size() <= SHARE_FOR_ROWS * free_memory(device)
    return rows.to(device) if fits else rows


def free_memory(device: torch.device) -> float:
    """Bytes that are free on a device; of the processor's memory, in which all rows lie already, no limit is known."""
    import torch

    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")
