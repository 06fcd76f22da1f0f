"""How fast a network is fine-tuned on a GPU, against a plain loop; what each measure brings; the time of `cifar10`.

All of a network is trained, at 224 pixels, on mirrored and shifted photos. The plain loop is that of a tutorial: a
``DataLoader`` with a worker a processor that decodes JPEG files, single precision, contiguous tensors, AdamW, the loss
of each step looked at. The others are the gate's own loop (`quality_gate.training.fit.train_pass`), which decodes each
photo once and averages its weights too, with one measure at a time, and with all of them, as the gate trains on CUDA.
``waiting`` is the share of the time in which the loop is busy with getting its next batch; on a GPU, which lags behind
the loop, less than that is lost. Weights are random: they cost the same. Needs torch, torchvision, timm, numpy, pandas
and pillow.

    python -m benchmarks.gpu [--photos FOLDER] [--cifar10 FOLDER] [--json FILE]

``--photos`` names a folder of class folders with JPEG photos, else some are painted; ``--cifar10`` one with ``train/``
and ``test/``. ``--device cpu --quick`` shows that everything works where there is no GPU; its figures say nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torchvision import transforms

from benchmarks.gpu_cifar10 import Cifar10, train_cifar10
from quality_gate.data.batches import ordered_map
from quality_gate.data.scenes import write_demo_photos
from quality_gate.models.zoo import IMAGENET_MEAN, IMAGENET_STD, architecture, assemble
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.processors import available_processors
from quality_gate.training.acceleration import Acceleration
from quality_gate.training.fit import train_pass
from quality_gate.training.objective import Objective, Rows
from quality_gate.training.recipe import Recipe
from quality_gate.training.shift_and_mirror import MOST_SHIFT, shift_and_mirror
from quality_gate.training.state import TrainingState
from quality_gate.training.threads import pin_threads

NETWORKS = ("efficientnet_lite0", "resnet18", "resnet50")
PLAIN = "plain loop"
AIM = 5.0
PAINTED_EDGE = 400
SEED = 0


@dataclass(frozen=True)
class Load:
    """How much is trained: edge of the photos in pixels, photos a step, steps that are timed, how many are painted."""

    size: int = 224
    batch: int = 128
    steps: int = 60
    painted: int = 2048
    compiled: bool = True


QUICK = Load(size=32, batch=4, steps=2, painted=8, compiled=False)


@dataclass(frozen=True)
class Speed:
    """What one way of training a network does.

    Attributes:
        network: name in the zoo.
        way: of training it.
        images_per_second: photos forth and back.
        waiting: share of the time in which the loop got its next batch, 0..1.
        ratio: to the plain loop with the same network.
    """

    network: str
    way: str
    images_per_second: float
    waiting: float
    ratio: float = 1.0


@dataclass(frozen=True)
class WatchedObjective(Objective):
    """The gate's own, which notes the seconds that getting each batch takes."""

    seconds: list[float] = field(default_factory=list)

    def inputs(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of these numbers as the network is given them."""
        started = time.perf_counter()
        batch = super().inputs(rows)
        self.seconds.append(time.perf_counter() - started)
        return batch


class JpegFiles(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Photos as a tutorial reads them: decoded and changed anew whenever they are asked for."""

    def __init__(self, files: Sequence[Path], labels: NDArray[np.int64], size: int, rows: int) -> None:
        self.files, self.labels, self.rows = files, labels, rows
        self.change = transforms.Compose(
            [
                transforms.Resize((size, size), transforms.InterpolationMode.BICUBIC),
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(size, padding=round(MOST_SHIFT * size), padding_mode="reflect"),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        place = number % len(self.files)
        with Image.open(self.files[place]) as photo:
            return self.change(photo.convert("RGB")), int(self.labels[place])


def plain_loop(
    name: str, files: Sequence[Path], labels: NDArray[np.int64], load: Load, device: torch.device
) -> tuple[float, float]:
    """Images a second, and the share of the time in which it waits for the loader."""
    network = _network(name, int(labels.max()) + 1).to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    # As many steps again come before those that are timed.
    loader = torch.utils.data.DataLoader(
        JpegFiles(files, labels, load.size, 2 * load.steps * load.batch),
        batch_size=load.batch,
        shuffle=True,
        num_workers=min(available_processors(), load.batch),
        pin_memory=device.type == "cuda",
    )
    batches, waited = iter(loader), 0.0
    for step in range(2 * load.steps):
        if step == load.steps:
            started, waited = _now(device), 0.0
        asked = time.perf_counter()
        photos, classes = next(batches)
        waited += time.perf_counter() - asked
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(photos.to(device)), classes.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss.item()
    seconds = _now(device) - started
    return load.steps * load.batch / seconds, waited / seconds


def gate_loop(
    name: str, rows: Rows, acceleration: Acceleration, load: Load, device: torch.device, *, compiled: bool
) -> tuple[float, float]:
    """The same two of the gate's own loop."""
    layout = torch.channels_last if acceleration.channels_last else torch.contiguous_format
    classes = int(rows.labels.max()) + 1
    network = _network(name, classes).to(device, memory_format=layout).train()  # type: ignore[call-overload]
    recipe = Recipe(
        epochs=1, rows_per_epoch=load.steps * load.batch, learning_rate=1e-4, weight_decay=0.01, batch_size=load.batch,
        patience=1, seed=SEED, balance="none", ema_decay=0.99,
    )  # fmt: skip
    state = TrainingState.start(network, recipe, device, acceleration)
    if compiled:
        state.network = torch.compile(network)
    objective = WatchedObjective.of(
        rows, classes, recipe, device, shift_and_mirror, state.generator, acceleration=acceleration
    )
    train_pass(state, objective)
    objective.seconds.clear()
    started = _now(device)
    train_pass(state, objective)
    seconds = _now(device) - started
    return load.steps * load.batch / seconds, sum(objective.seconds) / seconds


def ways(device: torch.device) -> dict[str, Acceleration]:
    """The gate's loop with nothing, with each measure apart, and with all that it takes on CUDA."""
    nothing = Acceleration(channels_last=False)
    everything = Acceleration(torch.bfloat16, resident=True, prepare_on_device=True, fused=True)
    if device.type == "cuda":
        everything = Acceleration.of(device)
    return {
        "decoded once": nothing,
        "+ mixed precision": replace(nothing, precision=everything.precision),
        "+ channels last": replace(nothing, channels_last=True),
        "+ fused optimiser": replace(nothing, fused=True),
        "+ augmented on the device": replace(nothing, prepare_on_device=True),
        "+ that, photos on the device": replace(nothing, prepare_on_device=True, resident=True),
        "all of these, as the gate": everything,
    }


def speeds(
    networks: Sequence[str], files: Sequence[Path], labels: NDArray[np.int64], load: Load, device: torch.device
) -> Iterator[Speed]:
    """Every way of every network, the plain loop first."""
    rows = decoded(files, labels, load.size)
    for name in networks:
        plain, waiting = plain_loop(name, files, labels, load, device)
        yield Speed(name, PLAIN, plain, waiting)
        tried = [(way, acceleration, False) for way, acceleration in ways(device).items()]
        if load.compiled:
            tried += [("+ compiled", tried[0][1], True), ("all of these, compiled", tried[-1][1], True)]
        for way, acceleration, compiled in tried:
            found, waiting = gate_loop(name, rows, acceleration, load, device, compiled=compiled)
            yield Speed(name, way, found, waiting, found / plain)


def decoded(files: Sequence[Path], labels: NDArray[np.int64], size: int) -> Rows:
    """Photos as the gate keeps them in memory: decoded once, in half precision."""
    spec = PreprocessingSpec(size, ("squash",), IMAGENET_MEAN, IMAGENET_STD)
    read = ordered_map(
        lambda file: preprocess(file.read_bytes(), spec).astype(np.float16), files, workers=available_processors()
    )
    return Rows(torch.from_numpy(np.concatenate(list(read))), labels)


def photo_files(folder: Path) -> tuple[list[Path], NDArray[np.int64]]:
    """The JPEG files of class folders, with their class numbers."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        raise SystemExit(f"--photos: {folder} holds no JPEG photos; expected class folders with .jpg files.")
    _, labels = np.unique([file.parent.name for file in files], return_inverse=True)
    return files, labels.astype(np.int64)


def machine(device: torch.device) -> dict[str, str | int | None]:
    """What was measured on, and with which versions."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    libraries = {name: version(name) for name in ("torch", "torchvision", "timm")}
    return {"gpu": gpu, "processors": available_processors(), "cuda": torch.version.cuda, **libraries}


def main() -> None:
    """Measure, print a table, and write it as JSON too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, or cpu with --quick")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="of the zoo")
    parser.add_argument("--photos", type=Path, help="folder of class folders with JPEG photos")
    parser.add_argument("--cifar10", type=Path, help="folder with train/ and test/")
    parser.add_argument("--quick", action="store_true", help="a few tiny photos: does it work?")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args()
    device, load = torch.device(options.device), QUICK if options.quick else Load()
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device; --device cpu --quick shows that everything works without one.")
    pin_threads(0)
    found = machine(device)
    print(", ".join(f"{name} {value}" for name, value in found.items() if value), flush=True)
    measured = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.photos or Path(temporary) / "photos"
        if not options.photos:
            write_demo_photos(folder, train_per_class=load.painted // 4, test_per_class=0, size=PAINTED_EDGE)
        files, labels = photo_files(folder)
        print(f"{len(files)} photos, {load.size} pixels, {load.batch} a step\n\n{_HEAD}", flush=True)
        for speed in speeds(options.networks, files, labels, load, device):
            measured.append(speed)
            print(_line(speed), flush=True)
    for name, of_network in itertools.groupby(measured, lambda speed: speed.network):
        best = max(speed.ratio for speed in of_network if not speed.way.endswith("compiled"))
        print(f"{name}: {best:.1f} times the plain loop, {'' if best >= AIM else 'not '}the {AIM:.0f} times aimed at")
    cifar10 = _cifar10(options.cifar10, options.quick, device)
    if options.json:
        result = {"machine": found, "load": asdict(load), "speeds": [asdict(speed) for speed in measured]}
        options.json.write_text(json.dumps(result | {"cifar10": cifar10 and asdict(cifar10)}, indent=2) + "\n")


_HEAD = f"{'network':<20} {'way':<30} {'images/s':>9} {'waiting':>8} {'ratio':>6}"


def _line(speed: Speed) -> str:
    found = f"{speed.images_per_second:>9.0f} {speed.waiting:>8.1%} {speed.ratio:>6.1f}"
    return f"{speed.network:<20} {speed.way:<30} {found}"


def _cifar10(folder: Path | None, quick: bool, device: torch.device) -> Cifar10 | None:
    if folder is None:
        print("LEFT OUT: the recipe `cifar10`, for want of --cifar10")
        return None
    outcome = train_cifar10(folder, device, epochs=2 if quick else None)
    print(outcome)
    return outcome


def _network(name: str, classes: int) -> nn.Module:
    """All of it learns."""
    torch.manual_seed(SEED)
    arch = architecture(name)
    network = arch.build()
    return assemble(network, arch, classes, len(arch.stages(network)))


def _now(device: torch.device) -> float:
    """The time when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()
