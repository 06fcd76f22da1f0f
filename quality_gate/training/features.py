"""What the frozen backbone sees of each photo, computed once and kept: training then costs only what is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quality_gate.preprocess import PreprocessingSpec, View, decode, make_view, normalise
from quality_gate.training.augment import augment
from quality_gate.training.embedding import DTYPES, KINDS, BatchEmbedding, CpuEmbedding, Embedding, Kind
from quality_gate.training.feature_cache import FeatureCache
from quality_gate.training.mapped import tensor_in

if TYPE_CHECKING:
    import torch

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.models.zoo import TransferNetwork
    from quality_gate.progress import Progress

PUT_ROWS = 256

# What decides, besides the weights, which features a photo has.
_MODULES = ("preprocess.py", "training/augment.py", "training/embedding.py", "training/features.py")
_LIBRARIES = ("numpy", "onnxruntime", "pillow", "torch", "torchvision")


@dataclass(frozen=True)
class Row:
    """One picture of a photo that the network is given.

    Attributes:
        view: how the photo is brought to the network's size.
        copy: 0 is the view as it is; 1, 2, … are randomly changed copies of it.
    """

    view: View
    copy: int = 0


class Seen(NamedTuple):
    """What the backbone saw of some photos: all rows of the first photo, then those of the second, and so on.

    Attributes:
        features: of the penultimate layer, float32, shape (rows, F).
        activations: behind the trunk, float16, shape (rows, channels, h, w): half the memory of float32, and finer
            than 8-bit photos are; None where they were not asked for.
    """

    features: NDArray[np.float32]
    activations: torch.Tensor | None


def read_rows(
    photo: bytes, image_id: str, rows: Iterable[Row], spec: PreprocessingSpec, seed: int
) -> NDArray[np.float32]:
    """Decode a photo and make some of its rows.

    Args:
        photo: encoded bytes.
        image_id: SHA-256 of them; with ``seed`` it decides the random copies.
        rows: which ones.
        spec: size and normalisation.
        seed: of the run.

    Returns:
        float32, shape (rows, 3, size, size).
    """
    image = decode(photo)
    pictures = []
    for row in rows:
        picture = make_view(image, row.view, spec)
        if row.copy:
            picture = augment(picture, np.random.default_rng([seed, row.copy, int(image_id[:16], 16)]))
        pictures.append(np.asarray(picture))
    return normalise(np.stack(pictures), spec)


class FrozenBackbone:
    """A pretrained network before it is taught anything.

    On the CPU ONNX Runtime runs it, in half the time of PyTorch, and every photo has one thread: threads that share a
    photo wait for each other, the longer the busier the machine is, and the result would depend on their number.

    Args:
        network: in evaluation mode on ``device``.
        spec: size and normalisation.
        device: where it runs; on CUDA in half precision and in batches.
        folder: where features are kept, with the exported network.
        workers: threads.
    """

    def __init__(
        self, network: TransferNetwork, spec: PreprocessingSpec, device: torch.device, folder: Path, *, workers: int
    ) -> None:
        digest = _digest(network, spec, device)
        self._spec = spec
        self._workers = workers
        self._cache = FeatureCache(folder / f"{digest}.sqlite")
        self._embedding: Embedding = (
            CpuEmbedding(network, spec.size, folder / f"{digest}.onnx")
            if device.type == "cpu"
            else BatchEmbedding(network, device)
        )
        self._shapes = _shapes(network, spec.size, device)

    def see(
        self,
        photos: PhotoSet,
        rows: Sequence[Row],
        *,
        seed: int,
        on_progress: Progress,
        activations: bool = False,
        folder: Path | None = None,
    ) -> Seen:
        """Run the backbone over photos, except over the rows it has seen before.

        Args:
            photos: the photos.
            rows: of each photo.
            seed: of the random copies.
            on_progress: called with the rows that are done and how many there are.
            activations: whether those of the trunk are wanted too.
            folder: where what was seen lies in files that are mapped into memory, for as long as the folder is there;
                None: in memory.
        """
        import torch

        kinds = KINDS if activations else KINDS[:1]
        tensors = {
            kind: tensor_in(
                folder, (len(photos), len(rows), *self._shapes[kind]), getattr(torch, DTYPES[kind].__name__)
            )
            for kind in kinds
        }
        arrays = {kind: tensor.numpy() for kind, tensor in tensors.items()}
        places: dict[str, list[int]] = {}
        for place, image_id in enumerate(photos.image_ids):
            places.setdefault(image_id, []).append(place)
        done = 0
        for image_id, found, values in self._recall_or_compute(photos, list(places), rows, seed, kinds):
            for kind, value in zip(kinds, values, strict=True):
                arrays[kind][np.ix_(places[image_id], found)] = value
            done += len(places[image_id]) * len(found)
            on_progress(done, len(photos) * len(rows))
        flat = [tensors[kind].reshape(-1, *self._shapes[kind]) for kind in kinds]
        return Seen(flat[0].numpy(), flat[1] if activations else None)

    def _recall_or_compute(
        self, photos: PhotoSet, image_ids: list[str], rows: Sequence[Row], seed: int, kinds: Sequence[Kind]
    ) -> Iterator[tuple[str, list[int], list[NDArray[np.generic]]]]:
        """Places of some rows of each photo with their arrays of each kind; what is known first."""

        def keys_of(image_id: str) -> list[list[str]]:
            return [[f"{kind}:{_key(image_id, row, seed)}" for row in rows] for kind in kinds]

        lacking: dict[tuple[int, ...], list[str]] = {}
        for image_id in image_ids:
            keys = keys_of(image_id)
            known = self._cache.get([key for some in keys for key in some])
            there = [place for place in range(len(rows)) if all(some[place] in known for some in keys)]
            if there:
                recalled = [
                    np.stack([np.frombuffer(known[some[place]], DTYPES[kind]) for place in there])
                    for kind, some in zip(kinds, keys, strict=True)
                ]
                shapes = [(len(there), *self._shapes[kind]) for kind in kinds]
                yield image_id, there, [one.reshape(shape) for one, shape in zip(recalled, shapes, strict=True)]
            if len(there) < len(rows):
                lacking.setdefault(tuple(sorted(set(range(len(rows))) - set(there))), []).append(image_id)
        for places, some_ids in lacking.items():
            fresh: dict[str, bytes] = {}
            wanted = [rows[place] for place in places]
            for image_id, values in zip(some_ids, self._compute(photos, some_ids, wanted, seed, kinds), strict=True):
                for some, value in zip(keys_of(image_id), values, strict=True):
                    fresh |= {some[place]: row.tobytes() for place, row in zip(places, value, strict=True)}
                if len(fresh) >= PUT_ROWS or image_id == some_ids[-1]:
                    self._cache.put(fresh)
                    fresh = {}
                yield image_id, list(places), values

    def _compute(
        self, photos: PhotoSet, image_ids: list[str], rows: Sequence[Row], seed: int, kinds: Sequence[Kind]
    ) -> Iterator[list[NDArray[np.generic]]]:
        def read(place: int, photo: bytes) -> NDArray[np.float32]:
            return read_rows(photo, image_ids[place], rows, self._spec, seed)

        encoded = photos.snapshot.photos(image_ids)
        return self._embedding.run(encoded, read, kinds, workers=self._workers)


def _key(image_id: str, row: Row, seed: int) -> str:
    return f"{image_id}:{row.view}:{row.copy}:{seed}" if row.copy else f"{image_id}:{row.view}"


def _shapes(network: TransferNetwork, size: int, device: torch.device) -> dict[Kind, tuple[int, ...]]:
    """Of one row of each kind."""
    import torch

    with torch.inference_mode():
        activations = network.trunk(torch.zeros(1, 3, size, size, device=device))
        return {"features": tuple(network.features(activations).shape[1:]), "activations": tuple(activations.shape[1:])}


def _digest(network: TransferNetwork, spec: PreprocessingSpec, device: torch.device) -> str:
    """Of all that decides, besides the photo, what the backbone sees of it."""
    from safetensors.torch import save

    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for part in (network.trunk, network.tail):
        digest.update(save({name: tensor.cpu().contiguous() for name, tensor in part.state_dict().items()}))
    digest.update(repr(network.trunk).encode())
    digest.update(json.dumps([asdict(replace(spec, views=("crop",))), device.type]).encode())
    for module in _MODULES:
        digest.update((package / module).read_bytes())
    digest.update(json.dumps([version(library) for library in _LIBRARIES]).encode())
    return digest.hexdigest()
