"""What a second ingest costs, when a few photos have joined those that are known.

Run as ``python -m benchmarks.ingest``; ``--photos FOLDER`` measures class folders of your own.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.scenes import write_demo_photos
from quality_gate.data.sources import discover

REPETITIONS = 3
NEW_PHOTOS = 10

# The clock of a file system must have moved on before a file counts as unchanged.
SETTLING_SECONDS = 2.5


def main() -> None:
    """Print the seconds of a first ingest, of one after some photos were added, and of one after none were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="class folders; demo photos are made without it")
    photos = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if photos is None:
            write_demo_photos(folder / "photos", train_per_class=250, test_per_class=50)
        else:
            shutil.copytree(photos, folder / "photos")
        time.sleep(SETTLING_SECONDS)
        measured = [_measure(folder, number) for number in range(REPETITIONS)]
    for name in measured[0]:
        print(f"{name:<24} {statistics.median(seconds[name] for seconds in measured):6.2f} s")


def _measure(folder: Path, number: int) -> dict[str, float]:
    run = folder / str(number)
    files = [Path(file.origin.name) for file in discover(folder / "photos").files if file.origin is not None]
    seconds = {f"{len(files):,} photos, all new": _ingest(folder, run, "first")}
    added = [file.with_name(f"new {number} {file.name}") for file in files[:NEW_PHOTOS]]
    for file, copy in zip(files, added, strict=False):
        shutil.copyfile(file, copy)
    seconds[f"{len(added)} more"] = _ingest(folder, run, "grown")
    for copy in added:
        copy.unlink()
    seconds["the first ones again"] = _ingest(folder, run, "again")
    return seconds


def _ingest(folder: Path, run: Path, name: str) -> float:
    start = time.perf_counter()
    take_snapshot(discover(folder / "photos"), run / name, stores=run / "ingested")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
