"""What the frozen trunk sees of each photo, computed once and kept: fine-tuning then costs only the tail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.batches import ordered_map, tensor_batches
from quality_gate.preprocess import PreprocessingSpec, decode, normalise, resize
from quality_gate.training.augment import augment

if TYPE_CHECKING:
    import torch

    from quality_gate.models.zoo import TransferNetwork


def read_views(photo: bytes, spec: PreprocessingSpec, views: int, seed: int) -> NDArray[np.float32]:
    """Decode a photo and make its views.

    Args:
        photo: encoded bytes.
        spec: how it becomes a tensor.
        views: augmented copies beside the plain photo, 0 or more.
        seed: of this photo's augmentation.

    Returns:
        float32, shape (1 + views, 3, size, size); the plain photo first.
    """
    plain = resize(decode(photo), spec)
    rng = np.random.default_rng(seed)
    pictures = [plain, *(augment(plain, rng) for _ in range(views))]
    return normalise(np.stack([np.asarray(picture) for picture in pictures]), spec)


def trunk_activations(
    network: TransferNetwork,
    photos: Iterable[bytes],
    read: Callable[[int, bytes], NDArray[np.float32]],
    device: torch.device,
    *,
    workers: int,
    on_progress: Callable[[int], None],
) -> torch.Tensor:
    """Run the frozen trunk over photos.

    On the CPU every photo has one thread: threads that share a photo wait for each other, the longer the busier the
    machine is, and the result would depend on their number.

    Args:
        network: in evaluation mode on ``device``.
        photos: encoded photos.
        read: place and bytes of a photo to its views, float32, shape (views, 3, size, size).
        device: where the trunk runs; on CUDA it runs in half precision and in batches.
        workers: threads.
        on_progress: called with the rows that are done.

    Returns:
        float16 on the CPU, shape (rows, channels, h, w): half the memory, and finer than 8-bit photos are.
    """
    import torch

    from quality_gate.training.threads import one_thread

    def embed(views: NDArray[np.float32]) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast(device.type, enabled=device.type == "cuda"):
            tensors = torch.from_numpy(views).to(device, memory_format=torch.channels_last)
            activations: torch.Tensor = network.trunk(tensors)
            return activations.to("cpu", torch.float16)

    parts: list[torch.Tensor] = []
    done = 0
    with one_thread():
        if device.type == "cpu":
            results = ordered_map(lambda numbered: embed(read(*numbered)), enumerate(photos), workers=workers)
        else:
            results = map(embed, tensor_batches(photos, read, workers=workers))
        for part in results:
            parts.append(part)
            done += len(part)
            on_progress(done)
    return torch.cat(parts)


def pooled_features(network: TransferNetwork, activations: torch.Tensor, device: torch.device) -> NDArray[np.float32]:
    """Features of the penultimate layer, float32, shape (rows, F), of the trunk's activations."""
    import torch

    with torch.inference_mode():
        parts = [
            network.features(part.to(device, torch.float32, memory_format=torch.channels_last)).cpu()
            for part in torch.split(activations, 64)
        ]
    return torch.cat(parts).numpy()
