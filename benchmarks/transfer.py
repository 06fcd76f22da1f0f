"""Teaching a head on a frozen backbone: features computed once, against a loop that recomputes them every epoch.

The peer is the loop of most notebooks: a ``DataLoader`` with two workers, augmentation in every epoch, the frozen
EfficientNet-Lite0 in eager PyTorch, AdamW on the head, four epochs. Both see the same demo photos and the same number
of processors; the two run in turn, and the ratio of the medians is printed, with the test macro F1 of both.

    python -m benchmarks.transfer [--photos 60] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import PhotoSets, photo_sets
from quality_gate.data.scenes import write_demo_photos
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.home import Home
from quality_gate.inference import softmax
from quality_gate.models.weights import load_pretrained
from quality_gate.models.zoo import TransferNetwork, architecture, assemble
from quality_gate.preprocess import PreprocessingSpec, decode, make_view, normalise, preprocess
from quality_gate.processors import available_processors
from quality_gate.progress import ConsoleReporter
from quality_gate.settings import SplitSettings
from quality_gate.training.augment import augment
from quality_gate.training.transfer import train_transfer
from quality_gate.transfer_settings import TransferSettings

ARCHITECTURE = "efficientnet_lite0"
PEER_EPOCHS = 4
SEED = 42


class AugmentedPhotos(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Photos as the peer reads them: decoded and augmented anew whenever they are asked for."""

    def __init__(self, photos: list[bytes], labels: NDArray[np.int64], spec: PreprocessingSpec) -> None:
        self.photos, self.labels, self.spec = photos, labels, spec

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = augment(make_view(decode(self.photos[index]), "crop", self.spec), np.random.default_rng())
        return torch.from_numpy(normalise(np.asarray(image), self.spec)), int(self.labels[index])


def plain_loop(sets: PhotoSets, spec: PreprocessingSpec) -> TransferNetwork:
    """The peer: the whole network forward for every photo of every epoch, only the head learns."""
    arch = architecture(ARCHITECTURE)
    network = assemble(load_pretrained(arch, None, Path()), arch, len(sets.train.classes))
    network.requires_grad_(False)
    network.head.requires_grad_(True)
    photos = AugmentedPhotos(list(sets.train.read()), sets.train.labels, spec)
    loader = torch.utils.data.DataLoader(photos, batch_size=64, shuffle=True, num_workers=2)
    optimiser = torch.optim.AdamW(network.head.parameters(), lr=1e-3, weight_decay=1e-4)
    for _ in range(PEER_EPOCHS):
        network.train()
        for tensors, labels in loader:
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(tensors), labels).backward()
            optimiser.step()
    return network.eval()


def features_once(sets: PhotoSets, _: PreprocessingSpec) -> TransferNetwork:
    """This project: features of every photo and its views once, the head to convergence."""
    settings = TransferSettings(model=ARCHITECTURE, finetune_epochs=0)
    workers = available_processors()
    with tempfile.TemporaryDirectory() as home:
        result = train_transfer(
            sets.train,
            sets.validation,
            settings,
            seed=SEED,
            home=Home(Path(home)),
            workers=workers,
            reporter=ConsoleReporter(),
        )
    return result.network


def macro_f1(network: TransferNetwork, sets: PhotoSets, spec: PreprocessingSpec) -> float:
    """Test macro F1, 0..1."""
    tensors = torch.from_numpy(np.concatenate([preprocess(photo, spec) for photo in sets.test.read()]))
    with torch.inference_mode():
        logits = torch.cat([network(batch) for batch in torch.split(tensors, 32)]).numpy()
    return compute_metrics(sets.test.labels, softmax(logits), sets.test.classes).macro_f1


def main() -> None:
    """Run both in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=60, help="training photos a class")
    parser.add_argument("--repeats", type=int, default=3, help="times each is run")
    options = parser.parse_args()
    torch.set_num_threads(available_processors())
    arch = architecture(ARCHITECTURE)
    spec = PreprocessingSpec(224, ("crop",), arch.mean, arch.std)
    contestants: dict[str, Callable[[PhotoSets, PreprocessingSpec], TransferNetwork]] = {
        "plain loop": plain_loop,
        "features once": features_once,
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    scores: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        sets = _photos(Path(folder), options.photos)
        for _ in range(options.repeats):
            for name, train in contestants.items():
                start = time.perf_counter()
                network = train(sets, spec)
                seconds[name].append(time.perf_counter() - start)
                scores[name] = macro_f1(network, sets, spec)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<14} {median:6.1f} s  test macro F1 {scores[name]:.3f}")
    print(f"ratio of the medians: {medians['plain loop'] / medians['features once']:.1f}")


def _photos(folder: Path, per_class: int) -> PhotoSets:
    write_demo_photos(folder / "photos", train_per_class=per_class, test_per_class=40, workers=1)
    snapshot = take_snapshot(discover(folder / "photos"), folder / "snapshot").snapshot
    return photo_sets(snapshot, split(snapshot.table, SplitSettings(), SEED).table)


if __name__ == "__main__":
    main()
