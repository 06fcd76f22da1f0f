"""Groups of near-duplicates: seconds and memory up to a million photos, and what each radius finds on real ones.

Without options ``group_photos`` is run on tables of made-up hashes, each in a process of its own: random ones of which
a tenth have a neighbour planted within the radius, and inputs that are hard for a search by buckets. Printed are the
seconds of processor time, the exponent by which they grow (1 is linear), the peak memory of the process, and how much
of it was there before the search. Every planted neighbour must be found.

    python -m benchmarks.near_duplicates [--radius 4] [--counts 10000 100000 300000 1000000] [--inputs random ...]

With a folder of photos, for every radius: pairs by the hash alone, those that colour, contrast and shape confirm, and
those that EfficientNet-Lite0 features would confirm (a cosine of at least 0.9), each with the share that has different
labels; the groups; and how many re-encoded, resized, exposed, cropped or turned copies of the photos would be found.
The bits of a hash flip in pairs, so that an odd radius finds what the even one below it does.

    python -m benchmarks.near_duplicates --photos path/to/photos
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from quality_gate.data.audit import audit
from quality_gate.data.image_facts import audit_bytes
from quality_gate.data.image_table import build_table
from quality_gate.data.near_duplicates import BLANK_CONTRAST, Closeness, group_photos, traits
from quality_gate.data.phash import from_hex
from quality_gate.data.sources import discover
from quality_gate.preprocess import PreprocessingSpec, decode, preprocess

RADII = tuple(range(0, 13, 2))
COPIED_PHOTOS = 100
ALIKE = 0.9

Hashes = NDArray[np.uint64]


def random_hashes(rng: np.random.Generator, count: int, radius: int) -> Hashes:
    """Random ones; each of the first tenth is a neighbour of one of the second tenth."""
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    tenth = count // 10
    hashes[:tenth] = flipped(rng, hashes[tenth : 2 * tenth], radius)
    return hashes


def flipped(rng: np.random.Generator, hashes: Hashes, flips: int) -> Hashes:
    """The same hashes with up to so many bits flipped in each."""
    result = hashes.copy()
    for _ in range(flips):
        result ^= np.uint64(1) << rng.integers(0, 64, len(hashes), dtype=np.uint64)
    return result


def quarter_equal(rng: np.random.Generator, count: int, radius: int) -> Hashes:
    """Random ones, of which a quarter is one and the same."""
    hashes = random_hashes(rng, count, radius)
    hashes[-count // 4 :] = 0
    return hashes


def around_one(rng: np.random.Generator, count: int, radius: int) -> Hashes:
    """All within the radius of one hash: nearly every pair shares most bits."""
    return flipped(rng, np.full(count, 0xF0E1D2C3B4A59687, dtype=np.uint64), radius)


def around_thousands(rng: np.random.Generator, count: int, radius: int) -> Hashes:
    """In balls of a thousand, a little too wide for all in them to be neighbours."""
    centres = rng.integers(0, 2**64, -(-count // 1000), dtype=np.uint64)
    return flipped(rng, np.repeat(centres, 1000)[:count], radius + 2)


def all_equal(rng: np.random.Generator, count: int, radius: int) -> Hashes:
    """One hash only."""
    return np.zeros(count, dtype=np.uint64)


INPUTS: dict[str, Callable[[np.random.Generator, int, int], Hashes]] = {
    "random": random_hashes,
    "quarter-equal": quarter_equal,
    "all-equal": all_equal,
    # The same hashes again, and photos of every colour and contrast.
    "all-equal-coloured": all_equal,
    "around-one": around_one,
    "around-thousands": around_thousands,
}


def made_up_table(name: str, count: int, radius: int) -> pd.DataFrame:
    """An image table with the columns that grouping reads."""
    rng = np.random.default_rng(7)
    hashes = INPUTS[name](rng, count, radius)
    spread = 1.0 if name.endswith("coloured") else 0.0
    colours = np.exp(0.3 * spread * rng.normal(size=(count, 3)))
    return pd.DataFrame(
        {
            "image_id": pd.Series([f"{number:016x}{'':0>48}" for number in rng.permutation(count)], dtype="str"),
            "label": pd.Series(rng.choice(["onion", "potato", "tomato"], count), dtype="str"),
            "is_readable": True,
            "brightness": 0.5,
            "contrast": 0.2 * np.exp(0.5 * spread * rng.normal(size=count)),
            "red_mean": colours[:, 0],
            "green_mean": colours[:, 1],
            "blue_mean": colours[:, 2],
            "aspect_ratio": 1.5,
            "phash": pd.Series([f"{value:016x}" for value in hashes.tolist()], dtype="str"),
        }
    )


def measure(name: str, count: int, radius: int) -> dict[str, float]:
    """Group one table in this process."""
    table = made_up_table(name, count, radius)
    group_photos(table[:100], radius)
    before = _peak_mb()
    wall, processor = time.perf_counter(), time.process_time()
    groups = group_photos(table, radius).to_numpy()
    tenth = count // 10
    return {
        "seconds": time.process_time() - processor,
        "wall": time.perf_counter() - wall,
        "peak_mb": _peak_mb(),
        "before_mb": before,
        "groups": len(set(groups)),
        "found": float((groups[:tenth] == groups[tenth : 2 * tenth]).mean()),
    }


def print_growth(name: str, counts: list[int], radius: int) -> None:
    """Measure an input at every size, each in a process of its own."""
    seconds = []
    for count in counts:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(measure, name, count, radius).result()
        seconds.append(found["seconds"])
        planted = f"  planted neighbours found {found['found']:.2%}" if name == "random" else ""
        print(
            f"{name:<20} {count:>9,} {found['seconds']:7.1f} s ({found['wall']:.1f} s on the clock) "
            f"{found['peak_mb']:6.0f} MB, {found['before_mb']:.0f} before  {found['groups']:>9,.0f} groups{planted}",
            flush=True,
        )
    if len(counts) > 1:
        print(f"{name:<20} grows with the power {np.polyfit(np.log(counts), np.log(seconds), 1)[0]:.2f}", flush=True)


def print_radii(folder: Path) -> None:
    """What every radius finds among real photos."""
    table = build_table(one.row for one in audit(discover(folder).files))
    photos = table[table["contrast"] >= BLANK_CONTRAST].drop_duplicates("image_id").reset_index(drop=True)
    left, right = np.triu_indices(len(photos), 1)
    distances = hash_distances(photos, photos, left, right)
    confirmed = agree(photos, photos, left, right)
    others = photos["label"].to_numpy()[left] != photos["label"].to_numpy()[right]
    alike = feature_likeness([folder / path for path in photos["path"]])[left, right] >= ALIKE
    copies = copied(photos, folder)
    print(f"{folder}: {len(photos)} different photos; {alike.sum():,} of {len(alike):,} pairs have features alike")
    print("          pairs, other label          confirmed, other label")
    print(
        "radius    by hash alone    by colour, contrast, shape    by features     groups  photos  largest  copies found"
    )
    for radius in RADII:
        near = distances <= radius
        sizes = group_photos(photos, radius).value_counts()
        sizes = sizes[sizes > 1]
        counted = [f"{pairs.sum():>6,} {_share(others, pairs):>6}" for pairs in (near, near & confirmed, near & alike)]
        print(
            f"{radius:>6}    {counted[0]}    {counted[1]:>26}    {counted[2]}   {len(sizes):>7} {sizes.sum():>7} "
            f"{sizes.max() if len(sizes) else 0:>8} {np.mean([copy[radius] for copy in copies]):>13.0%}",
            flush=True,
        )


def hash_distances(first: pd.DataFrame, second: pd.DataFrame, left: NDArray, right: NDArray) -> NDArray[np.uint8]:
    """Bits in which the hashes of pairs differ."""
    return np.bitwise_count(from_hex(first["phash"].tolist())[left] ^ from_hex(second["phash"].tolist())[right])


def agree(first: pd.DataFrame, second: pd.DataFrame, left: NDArray, right: NDArray) -> NDArray[np.bool_]:
    """Whether colour, contrast and shape of pairs agree as near-duplicates' must."""
    differences = np.abs(traits(first, Closeness(0))[left] - traits(second, Closeness(0))[right])
    return differences.max(axis=1, initial=0) <= 1


def feature_likeness(paths: list[Path]) -> NDArray[np.float32]:
    """Cosine of the penultimate features of all photos with all, by the pretrained EfficientNet-Lite0."""
    import torch

    from quality_gate.models.weights import load_pretrained
    from quality_gate.models.zoo import architecture, assemble

    arch = architecture("efficientnet_lite0")
    network = assemble(load_pretrained(arch, None, Path()), arch, 2).eval()
    spec = PreprocessingSpec(224, ("crop",), arch.mean, arch.std)
    with torch.inference_mode():
        rows = [
            network.features(network.trunk(torch.from_numpy(preprocess(path.read_bytes(), spec)))) for path in paths
        ]
    features = torch.nn.functional.normalize(torch.cat(rows)).numpy()
    return features @ features.T


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "re-encoded": lambda image: image,
    "halved": lambda image: image.resize((image.width // 2 or 1, image.height // 2 or 1), Image.Resampling.LANCZOS),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "cropped by 1%": lambda image: image.crop(
        (image.width // 100, image.height // 100, image.width - image.width // 100, image.height - image.height // 100)
    ),
    "turned by 1°": lambda image: image.rotate(1, Image.Resampling.BICUBIC),
}


def copied(photos: pd.DataFrame, root: Path) -> list[dict[int, bool]]:
    """For edited copies of some photos, whether each radius finds them."""
    sample = photos.sample(min(COPIED_PHOTOS, len(photos)), random_state=0)
    originals, edited = [], []
    for path in sample["path"]:
        data = (root / path).read_bytes()
        for edit in EDITS.values():
            buffer = io.BytesIO()
            edit(decode(data)).save(buffer, "JPEG", quality=60)
            originals.append(audit_bytes(data)._asdict())
            edited.append(audit_bytes(buffer.getvalue())._asdict())
    first, second = pd.DataFrame(originals), pd.DataFrame(edited)
    every = np.arange(len(first))
    distances, confirmed = hash_distances(first, second, every, every), agree(first, second, every, every)
    return [
        {radius: bool(near <= radius and same) for radius in RADII}
        for near, same in zip(distances, confirmed, strict=True)
    ]


def _share(what: NDArray[np.bool_], among: NDArray[np.bool_]) -> str:
    count = int(among.sum())
    return f"{what[among].mean():.1%}" if count else "-"


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Print what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of class folders")
    parser.add_argument("--radius", type=int, default=4, help="Hamming radius")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    options = parser.parse_args()
    if options.photos:
        print_radii(options.photos)
    else:
        for name in options.inputs:
            print_growth(name, options.counts, options.radius)


if __name__ == "__main__":
    main()
