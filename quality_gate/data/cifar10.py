"""The photos of CIFAR-10 as class folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from quality_gate.errors import UserError

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

SPLITS = ("train", "test")


def download_cifar10(folder: Path, *, on_progress: Callable[[int, int], None] | None = None) -> int:
    """Download the original photos and write ``folder/train/<class>/00000.png`` and ``folder/test/<class>/…``.

    What is downloaded is unpickled by torchvision, after its digest was found to be the published one. The folder
    appears under its name only once it is complete.

    Args:
        folder: where to write; must not exist yet, or be empty.
        on_progress: called with (photos written, photos in all) after each photo.

    Returns:
        How many photos there are.

    Raises:
        UserError: the folder holds something or cannot be written, or the photos cannot be downloaded.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} holds something already; name a new folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as unfinished:
            parts = {split: _downloaded(Path(unfinished) / "download", split) for split in SPLITS}
            written = _write(parts, Path(unfinished) / "photos", on_progress)
            (Path(unfinished) / "photos").replace(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}.") from None
    return written


def _downloaded(folder: Path, split: str) -> CIFAR10:
    from torchvision.datasets import CIFAR10

    try:
        return CIFAR10(folder, train=split == "train", download=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise UserError(
            f"CIFAR-10 could not be downloaded ({reason}); fetch {CIFAR10.url} where there is a network, and put its "
            "photos into class folders."
        ) from None


def _write(parts: dict[str, CIFAR10], folder: Path, on_progress: Callable[[int, int], None] | None) -> int:
    total, written = sum(len(photos) for photos in parts.values()), 0
    for split, photos in parts.items():
        for label in photos.classes:
            (folder / split / label).mkdir(parents=True)
        for number in range(len(photos)):
            image, label_number = photos[number]
            image.save(folder / split / photos.classes[label_number] / f"{number:05d}.png")
            written += 1
            if on_progress:
                on_progress(written, total)
    return written
