"""What a run costs in which nothing has changed, and where its seconds go.

Trains once on a folder of photos, under a name of its own and in the state of this installation, then repeats the
literal command, which finds every step cached. Printed are medians of the wall clock: of Python with ZenML's command
line, of importing the pipeline, and of the rest of the command, the run::

    python -m benchmarks.cached_run --photos produce [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

NAME = "cached_run"
STATEMENTS = {
    "Python": "",
    "ZenML's command line": "import zenml.cli.cli",
    "importing the pipeline": "import zenml.cli.cli, training",
}


def main() -> None:
    """Train once, repeat the run, and print where the time went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="class folders")
    parser.add_argument("--repeats", type=int, default=5, help="times each is measured")
    options = parser.parse_args()
    if not options.photos.is_dir():
        parser.error(f"{options.photos} is no folder")
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "cached_run.yaml"
        parameters = {"name": NAME, "data": {"source": str(options.photos.absolute())}}
        configuration.write_text(yaml.safe_dump({"parameters": parameters}))
        zenml = str(Path(sys.executable).with_name("zenml"))
        run = [zenml, "pipeline", "run", "training", "--config", str(configuration)]
        print(f"{'the first run':<28} {_seconds(run)[0]:6.1f} s", flush=True)
        seconds = {
            name: _median([sys.executable, "-c", statement], options.repeats) for name, statement in STATEMENTS.items()
        }
        seconds["the run, every step cached"] = _median(run, options.repeats, expected="nothing was left to do")
    before = 0.0
    for name, until in seconds.items():
        print(f"{name:<28} {until - before:6.1f} s")
        before = until
    print(f"{'together':<28} {before:6.1f} s")


def _median(command: list[str], repeats: int, expected: str = "") -> float:
    found = [_seconds(command) for _ in range(repeats)]
    if any(expected not in said for _, said in found):
        raise SystemExit(f"The run was not cached:\n{found[0][1]}")
    return statistics.median(seconds for seconds, _ in found)


def _seconds(command: list[str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - start, done.stdout + done.stderr


if __name__ == "__main__":
    main()
