"""How the frozen backbone is run over photos: one thread a photo on a processor, batch by batch on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.batches import ordered_map, tensor_batches
from quality_gate.inference import PHOTOS_INPUT, open_session
from quality_gate.models.export import export_backbone
from quality_gate.models.manifest import UnknownModelFormat
from quality_gate.training.acceleration import to_device

if TYPE_CHECKING:
    import torch

    from quality_gate.models.zoo import TransferNetwork

Kind = Literal["features", "activations"]
KINDS: tuple[Kind, ...] = ("features", "activations")
DTYPES: Mapping[Kind, type[np.generic]] = MappingProxyType({"features": np.float32, "activations": np.float16})


class Embedding(Protocol):
    """A way to run the backbone over photos."""

    def run(
        self,
        photos: Iterable[bytes],
        read: Callable[[int, bytes], NDArray[np.float32]],
        kinds: Sequence[Kind],
        *,
        workers: int,
    ) -> Iterator[list[NDArray[np.generic]]]:
        """The arrays of each kind, photo by photo, of what ``read`` makes of the place and the bytes of each."""


class CpuEmbedding:
    """Of a processor: one thread a photo, in ONNX Runtime.

    Args:
        network: in evaluation mode, on the CPU.
        size: edge of its photos, in pixels.
        path: where the exported network is kept.
    """

    def __init__(self, network: TransferNetwork, size: int, path: Path) -> None:
        try:
            self._session = open_session(path, threads=1)
        except UnknownModelFormat:
            # It was never exported, or the file is damaged.
            export_backbone(network, size, path)
            self._session = open_session(path, threads=1)

    def run(
        self,
        photos: Iterable[bytes],
        read: Callable[[int, bytes], NDArray[np.float32]],
        kinds: Sequence[Kind],
        *,
        workers: int,
    ) -> Iterator[list[NDArray[np.generic]]]:
        """See :class:`Embedding`."""

        def embed(numbered: tuple[int, bytes]) -> list[NDArray[np.generic]]:
            arrays = self._session.run(list(kinds), {PHOTOS_INPUT: read(*numbered)})
            return [np.asarray(array, DTYPES[kind]) for kind, array in zip(kinds, arrays, strict=True)]

        return ordered_map(embed, enumerate(photos), workers=workers)


class BatchEmbedding:
    """Of a GPU: a batch travels and is answered while the next one is being decoded.

    In float16, not in bfloat16 as in training: finer, and what a frozen network answers has no gradient to lose.

    Args:
        network: in evaluation mode, on the device.
        device: where it runs.
    """

    def __init__(self, network: TransferNetwork, device: torch.device) -> None:
        self._network = network
        self._device = device

    def run(
        self,
        photos: Iterable[bytes],
        read: Callable[[int, bytes], NDArray[np.float32]],
        kinds: Sequence[Kind],
        *,
        workers: int,
    ) -> Iterator[list[NDArray[np.generic]]]:
        """See :class:`Embedding`."""
        running: tuple[dict[Kind, torch.Tensor], list[int]] | None = None
        for batch, sizes in tensor_batches(photos, read, workers=workers):
            seen = self._answer(batch)
            if running:
                yield from _by_photo(*running, kinds)
            running = seen, sizes
        if running:
            yield from _by_photo(*running, kinds)

    def _answer(self, batch: NDArray[np.float32]) -> dict[Kind, torch.Tensor]:
        """What the network sees; a GPU may still be at it."""
        import torch

        with torch.inference_mode(), torch.autocast(self._device.type, dtype=torch.float16):
            activations = self._network.trunk(to_device(torch.from_numpy(batch), self._device))
            return {"features": self._network.features(activations), "activations": activations}


def _by_photo(
    seen: Mapping[Kind, torch.Tensor], sizes: Sequence[int], kinds: Sequence[Kind]
) -> Iterator[list[NDArray[np.generic]]]:
    """The arrays of each kind, photo by photo, of the rows of a batch; waits for the GPU."""
    arrays = [seen[kind].cpu().numpy().astype(DTYPES[kind]) for kind in kinds]
    parts = [np.split(array, np.cumsum(sizes)[:-1]) for array in arrays]
    yield from map(list, zip(*parts, strict=True))
