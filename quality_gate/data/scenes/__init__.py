"""Demo photos for a user without data: painted market scenes with potatoes, onions, tomatoes, or none of them.

The scenes are hard on purpose where a shop is hard: colours overlap between the classes, light is coloured,
goods are half hidden, and the same clutter lies in every class. `Shift` turns known knobs on whole photos, so
that a drift alarm can be tried on a change whose size is known.
"""

from __future__ import annotations

import io
import shutil
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from quality_gate.data.scenes.composition import arrange, develop, lamp_light, lit_ground
from quality_gate.errors import UserError
from quality_gate.process_pool import process_pool
from quality_gate.processors import available_processors

LABELS: tuple[str, ...] = ("noise", "onion", "potato", "tomato")
SPLITS: tuple[str, ...] = ("train", "test")
SMALLEST, LARGEST = 16, 2048
# Below this many photos a pool of processes takes longer to start than it saves.
WORTH_A_POOL = 64


@dataclass(frozen=True)
class Shift:
    """A known change of the photos, the same for every photo it is given to.

    Attributes:
        brightness: factor on the display values (1.0 is no change), above 0 and up to 4.
        warmth: colour of the light, -1 (blue) to 1 (orange); at 1 red gains 35 % and blue loses 35 %.
        blur: standard deviation of a Gaussian blur of the finished picture, 0 to 32 pixels.
        new_background: lay the same goods on a family of grounds that no other photo shows.
    """

    brightness: float = 1.0
    warmth: float = 0.0
    blur: float = 0.0
    new_background: bool = False

    def __post_init__(self) -> None:
        """Raise UserError where a value is outside its range."""
        if not 0.0 < self.brightness <= 4.0:
            raise UserError(f"brightness is {self.brightness}; expected a factor above 0 and up to 4.")
        if not -1.0 <= self.warmth <= 1.0:
            raise UserError(f"warmth is {self.warmth}; expected a number from -1 (blue) to 1 (orange).")
        if not 0.0 <= self.blur <= 32.0:
            raise UserError(f"blur is {self.blur}; expected a number of pixels from 0 to 32.")


NO_SHIFT = Shift()
SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {
        "dark": Shift(brightness=0.4),
        "warm": Shift(warmth=0.7),
        "blur": Shift(blur=2.5),
        "new_background": Shift(new_background=True),
    }
)


def named_shift(name: str) -> Shift:
    """The shift of that name in `SHIFTS`; UserError when there is none."""
    if name not in SHIFTS:
        raise UserError(f"Shift '{name}' is unknown; expected one of {', '.join(SHIFTS)}.")
    return SHIFTS[name]


def render_scene(label: str, seed: int, *, size: int = 256, shift: Shift = NO_SHIFT) -> Image.Image:
    """Paint one square RGB photo; the same arguments give the same pixels.

    Args:
        label: one of `LABELS`.
        seed: any whole number from 0; the labels do not share scenes under one seed.
        size: edge of the picture in pixels, 16 to 2048.
        shift: known change; it leaves the goods and their places as they are.

    Raises:
        UserError: for an unknown label, a negative seed or a size out of range.
    """
    return Image.open(io.BytesIO(encode_scene(label, seed, size=size, shift=shift))).convert("RGB")


def encode_scene(label: str, seed: int, *, size: int = 256, shift: Shift = NO_SHIFT) -> bytes:
    """The JPEG file behind `render_scene`; same arguments, same errors."""
    if label not in LABELS:
        raise UserError(f"Label '{label}' is unknown; expected one of {', '.join(LABELS)}.")
    if seed < 0:
        raise UserError(f"seed is {seed}; expected a whole number from 0.")
    _check_size(size)
    # One stream for each concern, so that a shift of one leaves the others as they were.
    streams = np.random.SeedSequence([seed, LABELS.index(label)]).spawn(4)
    layout, ground, lamp, camera = (np.random.default_rng(stream) for stream in streams)
    light = lamp_light(lamp)
    canvas = lit_ground(ground, size, light, new_background=shift.new_background)
    arrange(canvas, layout, label, light)
    warm, bright = 0.35 * shift.warmth, shift.brightness
    return develop(canvas, lamp, camera, gains=(bright * (1 + warm), bright, bright * (1 - warm)), blur=shift.blur)


def _check_size(size: int) -> None:
    if not SMALLEST <= size <= LARGEST:
        raise UserError(f"size is {size}; expected {SMALLEST} to {LARGEST} pixels.")


@dataclass(frozen=True)
class _Job:
    """One photo to write; plain values, so that it can be sent to another process."""

    path: Path
    label: str
    seed: int
    size: int
    shift: Shift


def write_demo_photos(
    folder: Path,
    *,
    train_per_class: int = 160,
    test_per_class: int = 60,
    seed: int = 7,
    size: int = 256,
    shift: Shift = NO_SHIFT,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write `folder/train/<label>/<label>_0001.jpg` and `folder/test/<label>/...`; return how many photos.

    A photo depends on seed, split, label and its number alone, so asking for more photos leaves the first ones
    as they were. The folder appears under its name only once it is complete.

    Args:
        folder: where to write; must not exist yet, or be empty.
        train_per_class: photos a label in train, from 0.
        test_per_class: photos a label in test, from 0.
        seed: any whole number from 0.
        size: edge of the photos in pixels, 16 to 2048.
        shift: known change given to every photo.
        workers: processes that paint; None chooses by the number of cores and photos, 1 stays in this process.
        on_progress: called with (photos written, photos in all) after each photo.

    Raises:
        UserError: for a value out of range, a folder that holds something or cannot be written, or processes
                that cannot start.
    """
    _check_request(folder, train_per_class, test_per_class, seed, size, workers)
    folder = folder.resolve()
    building = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    counts = dict(zip(SPLITS, (train_per_class, test_per_class), strict=True))
    jobs = [
        _Job(
            building / split / label / f"{label}_{number:04d}.jpg",
            label,
            _photo_seed(seed, split, label, number),
            size,
            shift,
        )
        for split, count in counts.items()
        for label in LABELS
        for number in range(1, count + 1)
    ]
    try:
        _make_folders({job.path.parent for job in jobs}, folder)
        # Closed at once, so that no process still paints while the unfinished folder is being removed.
        with closing(_written(jobs, workers)) as written:
            for done, _ in enumerate(written, start=1):
                if on_progress is not None:
                    on_progress(done, len(jobs))
        if folder.exists():
            folder.rmdir()
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return len(jobs)


def _check_request(
    folder: Path, train_per_class: int, test_per_class: int, seed: int, size: int, workers: int | None
) -> None:
    for name, value in (
        ("train_per_class", train_per_class),
        ("test_per_class", test_per_class),
        ("seed", seed),
    ):
        if value < 0:
            raise UserError(f"{name} is {value}; expected a whole number from 0.")
    if train_per_class + test_per_class == 0:
        raise UserError("train_per_class and test_per_class are both 0; expected at least one photo a class.")
    _check_size(size)
    if workers is not None and workers < 1:
        raise UserError(f"workers is {workers}; expected a number of processes from 1.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} already holds something; expected a new or an empty folder for the demo photos.")


def _make_folders(directories: set[Path], folder: Path) -> None:
    try:
        for directory in sorted(directories):
            directory.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); expected a place for demo photos.") from error


def _photo_seed(seed: int, split: str, label: str, number: int) -> int:
    words = np.random.SeedSequence([seed, SPLITS.index(split), LABELS.index(label), number])
    return int(words.generate_state(1, np.uint64)[0])


def _written(jobs: list[_Job], workers: int | None) -> Generator[None, None, None]:
    """Write every photo, yielding once for each."""
    if workers is None:
        workers = 1 if len(jobs) < WORTH_A_POOL else min(8, available_processors())
    if workers == 1:
        yield from map(_write, jobs)
        return
    failure = "The processes that paint demo photos could not run; expected it to work with workers=1."
    with process_pool(workers, failure) as pool:
        yield from pool.map(_write, jobs, chunksize=8)


def _write(job: _Job) -> None:
    job.path.write_bytes(encode_scene(job.label, job.seed, size=job.size, shift=job.shift))


def contact_sheet(folder: Path, *, columns: int = 8, tile: int = 128) -> Image.Image:
    """One row of photos a class, evenly picked, under the class name.

    Args:
        folder: holds one folder a class, or a `train` folder that does.
        columns: photos a row, from 1; a class with fewer leaves the rest of its row empty.
        tile: edge of a photo on the sheet, in pixels, from 16.

    Raises:
        UserError: for a value out of range, or a folder without photos.
    """
    if columns < 1 or tile < SMALLEST:
        raise UserError(f"columns is {columns} and tile {tile}; expected at least 1 and {SMALLEST} pixels.")
    root = folder / "train" if (folder / "train").is_dir() else folder
    rows = {path.name: sorted(path.glob("*.jpg")) for path in sorted(root.glob("*")) if path.is_dir()}
    rows = {name: photos for name, photos in rows.items() if photos}
    if not rows:
        raise UserError(f"{folder} holds no class folders with .jpg photos; expected train/<label>/*.jpg.")
    title, gap = max(12, tile // 6), max(2, tile // 32)
    step = title + tile + gap
    sheet = Image.new("RGB", (columns * (tile + gap) + gap, len(rows) * step + gap), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(title * 0.7)
    for row, (name, photos) in enumerate(rows.items()):
        pen.text((gap, row * step + gap), name, fill="black", font=font)
        shown = min(columns, len(photos))
        for column in range(shown):
            with Image.open(photos[column * len(photos) // shown]) as photo:
                small = photo.convert("RGB").resize((tile, tile), Image.Resampling.LANCZOS)
            sheet.paste(small, (gap + column * (tile + gap), row * step + title + gap))
    return sheet
