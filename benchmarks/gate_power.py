"""The power curve of the champion rule: how often a candidate is accepted, by how much better or worse it truly is.

Duels are drawn from the disagreement of real models (``benchmarks/duels.py``) and judged by the gate itself, with its
default margin.

    python -m benchmarks.gate_power [--figure gate_power.png] [--duels 300]
    python -m benchmarks.gate_power --measure PHOTOS [--seeds 42 43 44 45 46 47]

The second call trains a model of the default settings with every seed, and prints the disagreement of their answers to
the test photos as ``benchmarks/duels.py`` holds it: minutes a model.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.duels import PRODUCE, Pair, acceptance_rate, observed_pair
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import PhotoSets, photo_sets
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.home import Home
from quality_gate.preprocess import preprocess
from quality_gate.processors import available_processors
from quality_gate.progress import ConsoleReporter
from quality_gate.reports.figures import INK, LINE, QUIET, TEXT_SIZE
from quality_gate.reports.rendering import PALETTE
from quality_gate.settings import GateSettings, SplitSettings
from quality_gate.training.transfer import train_transfer
from quality_gate.transfer_settings import TransferSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEST_PHOTOS = (200, 700, 3000)
DIFFERENCES = np.arange(-10, 3) / 100
SEED = 1
RESAMPLES = 500  # half of the gate's: the curve does not show the difference
_STYLES = (("s", (0, (1, 1.5))), ("o", "solid"), ("^", (0, (5, 2))))


def power_curve(photos: int, settings: GateSettings, duels: int) -> NDArray[np.float64]:
    """Share of accepted candidates at every one of ``DIFFERENCES``, for so many test photos."""
    rates = [
        acceptance_rate(PRODUCE, float(difference), photos, settings, duels=duels, seed=SEED, resamples=RESAMPLES)
        for difference in DIFFERENCES
    ]
    return np.array(rates)


def power_figure(curves: dict[int, NDArray[np.float64]], margin: float) -> Figure:
    """The curves, with the margin and what is demanded of 700 photos.

    Args:
        curves: of ``power_curve``, by number of test photos.
        margin: ``gate.non_inferiority_margin``.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure((7.2, 3.9), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b5bec7")
    axes.grid(True, color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    for colour, (marker, dashes), (photos, rates) in zip(PALETTE, _STYLES, curves.items(), strict=False):
        label = f"{photos:,} test photos"
        axes.plot(DIFFERENCES, rates, marker, linestyle=dashes, color=colour, markersize=4, linewidth=1.6, label=label)
    axes.axvline(-margin, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(f"margin {margin:g}", (-margin, 1.0), (-5, 0), textcoords="offset points", ha="right", va="center",
                  fontsize=TEXT_SIZE, color=INK)  # fmt: skip
    for difference, share, text, to_the_right in (
        (-0.05, 0.05, "5 points worse: at most\n5% accepted (700 photos)", False),
        (0.0, 0.90, "equal: at least 90%\naccepted (700 photos)", True),
    ):
        axes.plot(difference, share, "*", markersize=11, color=PALETTE[4], markeredgecolor=INK, zorder=5)
        axes.annotate(text, (difference, share), (9, 0) if to_the_right else (-8, 14), textcoords="offset points",
                      ha="left" if to_the_right else "right", va="center" if to_the_right else "bottom",
                      fontsize=TEXT_SIZE, color=INK)  # fmt: skip
    axes.set(xlabel="true difference of macro F1 to the champion", ylabel="duels in which it is accepted")
    axes.set(xlim=(DIFFERENCES[0] - 0.002, DIFFERENCES[-1] + 0.006), ylim=(-0.02, 1.04))
    axes.tick_params(labelsize=TEXT_SIZE, color="#b5bec7", labelcolor=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(fontsize=TEXT_SIZE, color=QUIET)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.2f}".replace("-", "−") if abs(value) > 1e-9 else "0")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="upper left", fontsize=TEXT_SIZE, labelcolor=INK, facecolor="white", edgecolor="none")
    return figure


def measure_disagreement(photos: Path, seeds: Sequence[int]) -> Pair:
    """Train a model of the default settings with every seed and compare their answers to the test photos.

    Every seed has its own split, views, head and fine-tuning; ``photos`` needs a test folder, so that all answer the
    same photos.
    """
    with tempfile.TemporaryDirectory() as folder:
        snapshot = take_snapshot(discover(photos), Path(folder) / "snapshot").snapshot
        splits = SplitSettings()
        sets = [photo_sets(snapshot, split(snapshot.table, splits, seed).table) for seed in seeds]
        home = Home(Path(folder) / "home")
        answers = [_answers(each, seed, home) for each, seed in zip(sets, seeds, strict=True)]
    test = sets[0].test
    return observed_pair(test.labels, answers, test.classes)


def _answers(sets: PhotoSets, seed: int, home: Home) -> NDArray[np.int64]:
    import torch

    reporter = ConsoleReporter()
    reporter.say(f"seed {seed}")
    result = train_transfer(
        sets.train,
        sets.validation,
        TransferSettings(),
        seed=seed,
        home=home,
        workers=available_processors(),
        reporter=reporter,
    )
    with torch.inference_mode():
        logits = [
            result.network(torch.from_numpy(preprocess(photo, result.spec))).numpy() for photo in sets.test.read()
        ]
    answers: NDArray[np.int64] = np.concatenate(logits).argmax(axis=1)
    return answers


def main() -> None:
    """Print the table and draw the figure, or measure the disagreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", type=Path, help="where to draw the curve, as PNG or SVG")
    parser.add_argument("--duels", type=int, default=300, help="duels behind every point")
    parser.add_argument("--measure", type=Path, metavar="PHOTOS", help="folder of photos with train/ and test/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44, 45, 46, 47], help="of the models compared")
    options = parser.parse_args()
    if options.measure:
        pair = measure_disagreement(options.measure, options.seeds)
        print("classes", *pair.classes)
        for name in ("photos", "one_right", "none_right", "taken_for"):
            print(name, getattr(pair, name).round(4).tolist())
        return
    settings = GateSettings()
    curves = {}
    print(f"accepted of 100, margin {settings.non_inferiority_margin}, {options.duels} duels a cell")
    print("test photos  " + "  ".join(f"{difference:+.2f}" for difference in DIFFERENCES))
    for photos in TEST_PHOTOS:
        curves[photos] = power_curve(photos, settings, options.duels)
        print(f"{photos:>11}  " + "  ".join(f"{100 * rate:5.1f}" for rate in curves[photos]), flush=True)
    if options.figure:
        power_figure(curves, settings.non_inferiority_margin).savefig(options.figure, dpi=200)


if __name__ == "__main__":
    main()
