"""How often a window of photos rings: without drift, and under shifts whose size is known.

A model is trained (head on frozen features), and answers photos it has not seen, as they are and changed. Windows
are drawn from these answers and held against a reference drawn from the unchanged ones, both anew each time, by what
the drift pipeline does. Printed is the share of windows that ring, by shift and number of photos.

    python -m benchmarks.drift                               # demo photos
    python -m benchmarks.drift --photos ../shared/data/produce/test

Real photos are changed as the demo generator changes its own: all are decoded and encoded again, so that this tells no
window from another; for a new background a photo is laid, at seven tenths of its size, on one of the grounds that the
generator keeps apart. A folder called ``train`` beside them is what the model is trained on.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from quality_gate.data.image_facts import measure
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import photo_sets
from quality_gate.data.scenes import LABELS, NO_SHIFT, SHIFTS, Shift, encode_scene, write_demo_photos
from quality_gate.data.scenes.grounds import NEW_GROUNDS, photographed_ground
from quality_gate.data.scenes.painting import display_photo
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.drift.detection import compare
from quality_gate.drift.features import FeatureProjection
from quality_gate.drift.observations import STATISTICS, Observations
from quality_gate.home import locate
from quality_gate.inference import OnnxClassifier
from quality_gate.models.export import export_onnx
from quality_gate.models.manifest import ModelManifest
from quality_gate.preprocess import decode, prepare
from quality_gate.processors import available_processors
from quality_gate.progress import ConsoleReporter
from quality_gate.settings import SplitSettings
from quality_gate.training.transfer import train_transfer
from quality_gate.transfer_settings import TransferSettings

WINDOWS = (100, 300, 1_000)
RATE = 0.01
# Fewer than the pipeline's: an alarm is then a little rarer, never more frequent.
RESAMPLES = 1_999
MOST_REFERENCE_PHOTOS = 800
MILD = {"dark ×0.9": Shift(brightness=0.9), "warm 0.2": Shift(warmth=0.2), "blur 0.6": Shift(blur=0.6)}
NAMES = {"dark": "dark ×0.4", "warm": "warm 0.7", "blur": "blur 2.5", "new_background": "new background"}
ALL_SHIFTS: dict[str, Shift] = {"none": NO_SHIFT, **{NAMES[name]: shift for name, shift in SHIFTS.items()}, **MILD}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of class folders, beside one called train")
    parser.add_argument(
        "--windows", type=int, default=50, help="windows behind a share; six times as many without drift"
    )
    parser.add_argument("--pool", type=int, default=1_200, help="demo photos a shift is shown by")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.photos is None:
            train = Path(folder) / "demo"
            write_demo_photos(train, train_per_class=60, test_per_class=1, workers=available_processors())
            photos: Callable[[Shift], Iterator[bytes]] = lambda shift: painted(options.pool, shift)  # noqa: E731
        else:
            train = options.photos.parent / "train"
            photos = lambda shift: changed_photos(options.photos, shift)  # noqa: E731
        model, projection = train_model(train, Path(folder) / "model")
        pools = _pools(model, projection, photos)
    _print_table(pools, options.windows)


def _print_table(pools: Mapping[str, Observations], windows: int) -> None:
    print(f"share of windows that ring, {windows} windows each, {6 * windows} without drift; rate {RATE:.0%}")
    print(f"{'shift':<16}" + "".join(f"{photos:>8} photos" for photos in WINDOWS), flush=True)
    for name, pool in pools.items():
        row = [_share(pools["none"], pool, photos, 6 * windows if name == "none" else windows) for photos in WINDOWS]
        print(f"{name:<16}" + "".join(f"{cell:>15}" for cell in row), flush=True)


def _share(unchanged: Observations, changed: Observations, photos: int, windows: int) -> str:
    """Of windows of the changed photos the share that rings, or a dash where there are too few photos."""
    same = unchanged is changed
    size = min(MOST_REFERENCE_PHOTOS, len(unchanged) - (photos if same else 0), 2 * len(unchanged) // 3)
    if photos > len(changed) or size < 100:
        return "–"
    count = 0
    for seed in range(windows):
        random = np.random.default_rng([seed, photos])
        order = random.permutation(len(unchanged))
        reference = unchanged.take(order[:size])
        # Scenes are the same in each pool: those of the reference are not shown again.
        left = order[size:] if len(order) - size >= photos else random.permutation(len(changed))
        count += rings(reference, changed.take(left[:photos]), seed)
    return f"{count / windows:.1%}"


def rings(reference: Observations, window: Observations, seed: int) -> bool:
    """Whether a window rings."""
    groups = compare(reference, window, false_alarm_rate=RATE, resamples=RESAMPLES, min_photos=30, seed=seed)
    return any(group.drifted for group in groups)


def _pools(
    model: OnnxClassifier, projection: FeatureProjection, photos: Callable[[Shift], Iterator[bytes]]
) -> dict[str, Observations]:
    reporter, pools = ConsoleReporter(), {}
    for name, shift in ALL_SHIFTS.items():
        reporter.say(f"answers: {name}")
        seen = observe(model, photos(shift))
        pools[name] = replace(seen, features=projection.compact(seen.features).astype(np.float32))
    return pools


def observe(model: OnnxClassifier, photos: Iterable[bytes]) -> Observations:
    """What drift sees of photos; the features are those of the network, not compact ones."""
    facts, answers, features = [], [], []
    for data in photos:
        image = decode(data)
        facts.append(measure(image, data))
        probabilities, seen = model.probabilities_and_features(prepare(image, model.manifest.preprocessing)[None])
        assert seen is not None
        answers.append(probabilities[0])
        features.append(seen[0])
    probabilities = np.stack(answers)
    return Observations(
        model.manifest.classes,
        {name: np.array([getattr(one, name) for one in facts], dtype=np.float64) for name in STATISTICS},
        probabilities.argmax(axis=1).astype(np.int64),
        probabilities.max(axis=1),
        np.stack(features),
    )


def painted(count: int, shift: Shift) -> Iterator[bytes]:
    """Demo photos of all classes; with another shift the same scenes."""
    for number in range(count):
        yield encode_scene(LABELS[number % len(LABELS)], 1_000_000 + number, shift=shift)


def changed_photos(folder: Path, shift: Shift) -> Iterator[bytes]:
    """Photos of a folder, changed and encoded again."""
    for number, path in enumerate(sorted(folder.rglob("*.jpg"))):
        image = decode(path.read_bytes())
        if shift.new_background:
            image = _on_new_ground(image, number)
        warm = 0.35 * shift.warmth
        gains = np.array([1 + warm, 1.0, 1 - warm]) * shift.brightness
        pixels = (np.asarray(image, dtype=np.float64) * gains).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(pixels)
        if shift.blur:
            # The generator's photos are 256 pixels wide.
            image = image.filter(ImageFilter.GaussianBlur(shift.blur * max(image.size) / 256))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        yield buffer.getvalue()


def _on_new_ground(image: Image.Image, number: int) -> Image.Image:
    ground = photographed_ground(np.random.default_rng(number), max(image.size), 0.3, 0.0, family=NEW_GROUNDS)
    whole = display_photo(ground**0.45).resize(image.size)
    small = image.resize(tuple(round(0.7 * edge) for edge in image.size))
    whole.paste(small, tuple((edge - inner) // 2 for edge, inner in zip(image.size, small.size, strict=True)))
    return whole


def train_model(photos: Path, folder: Path) -> tuple[OnnxClassifier, FeatureProjection]:
    """A head on frozen features, and what makes its features compact."""
    snapshot = take_snapshot(discover(photos), folder / "snapshot").snapshot
    sets = photo_sets(snapshot, split(snapshot.table, SplitSettings(), 0).table)
    settings = TransferSettings(training_views=("crop",), augmented_views=0, finetune_epochs=0)
    result = train_transfer(
        sets.train,
        sets.validation,
        settings,
        seed=0,
        home=locate(),
        workers=available_processors(),
        reporter=ConsoleReporter(),
    )
    export_onnx(result.network, settings.size, folder)
    ModelManifest("benchmark", settings.model, sets.train.classes, result.spec).save(folder)
    model = OnnxClassifier(folder)
    return model, FeatureProjection.fit(observe(model, sets.train.read()).features)


if __name__ == "__main__":
    main()
