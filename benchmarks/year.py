"""A year at a belt whose camera ages, with the loop that keeps the model honest and without it.

Week by week the photos become darker, warmer and less sharp, and in autumn the ground below the goods is another one.
All of them go to a running service. Two people see what it sends to review, and a share of what it accepts; some of
their labels are wrong. Each week the newest photos are looked at for drift; an alarm has the model retrained at once,
though not twice in two weeks, and every fourth week does. The model of the first day, left alone, answers the same
photos. Printed for each week, and drawn, are macro F1, the share of accepted answers and of errors among them, alarms,
and new champions::

    python -m benchmarks.year [--weeks 52] [--photos 600] [--picture year.png]

A year of 600 photos a week takes nearly two hours on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
import yaml

from benchmarks.servers import Server, answer, bento_server, connect, form
from quality_gate.data.scenes import LABELS, Shift, encode_scene, write_demo_photos
from quality_gate.deployment import wait_until_served
from quality_gate.drift.judgement import judge
from quality_gate.drift.reference import Reference
from quality_gate.drift.window import read_window
from quality_gate.drift_settings import DriftSettings
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.home import Home
from quality_gate.inference import OnnxClassifier
from quality_gate.ledger import Ledger
from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction_log import PredictionLog, Window
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.verdict import Review

NAME = "year"
ROOT = Path(__file__).resolve().parent.parent
WEEKS_BETWEEN_RETRAININGS = 4
WEEKS_OF_REST = 2
# What is demanded, and what is asked of the certificate, which holds for photos like those it was made on: the rest is
# room for what the camera does until the next training.
ALPHA, CERTIFIED = 0.05, 0.02
# Photos on which they disagree are held back, so that few wrong labels are learnt.
REVIEWERS = ("first", "second")
# Of the year: when another ground lies below the goods.
AUTUMN = 0.7
FIRST_DAY_TEST_SHARE = 0.2
CATCH_UP_SECONDS = 120.0


@dataclass(frozen=True)
class Score:
    """One model on the photos of a week.

    Attributes:
        macro_f1: of all answers.
        coverage: share of accepted answers.
        accepted_error: share of wrong ones among these; 0 where none was accepted.
    """

    macro_f1: float
    coverage: float
    accepted_error: float


@dataclass(frozen=True)
class Week:
    """What happened in a week.

    Attributes:
        number: 0 is the first.
        attended: the model that is watched and retrained.
        unattended: the model of the first day.
        version: of the champion that answered.
        reviewed: photos that people labelled.
        alarm: the groups in which photos had drifted.
        promoted: whether a retraining at its end gave a new champion; None where there was none.
    """

    number: int
    attended: Score
    unattended: Score
    version: str
    reviewed: int
    alarm: tuple[str, ...]
    promoted: bool | None


def main() -> None:
    """Live through the year, print it, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=52, help="how many")
    parser.add_argument("--photos", type=int, default=600, help="photos a week")
    parser.add_argument(
        "--first-day", type=int, default=600, help="photos a class that the first model is trained with"
    )
    parser.add_argument("--wrong-labels", type=float, default=0.03, help="share of labels that people get wrong")
    parser.add_argument("--audit-share", type=float, default=0.05, help="share of accepted photos that people see")
    parser.add_argument("--picture", type=Path, help="PNG file to draw")
    parser.add_argument("--figures", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        weeks = list(live(Home(Path(folder)), options))
    for model in ("attended", "unattended"):
        kept = sum(getattr(week, model).accepted_error <= ALPHA for week in weeks)
        print(f"{model}: at most {ALPHA:.0%} wrong among the accepted in {kept} of {len(weeks)} weeks")
    if options.figures:
        options.figures.write_text(json.dumps([asdict(week) for week in weeks], indent=2))
    if options.picture:
        draw(weeks, options.picture)


def live(home: Home, options: argparse.Namespace) -> Iterator[Week]:
    """Train, serve, and go through the weeks one by one."""
    environment = {**os.environ, **home.environment(), "QUALITY_GATE_HOME": str(home.root), "OMP_NUM_THREADS": "1"}
    os.environ.update(environment)
    configuration = _configure(home, options.first_day)
    _run([sys.executable, str(ROOT / "infra" / "stacks" / "local.py")])
    _run(["zenml", "pipeline", "run", "training", "--config", str(configuration)])
    _champion(home)
    first_day = OnnxClassifier(_model_folder(home))
    chance = np.random.default_rng(0)
    settings = {**environment, "QUALITY_GATE_AUDIT_SHARE": str(options.audit_share)}
    with (
        bento_server(f"{NAME}:latest", form(encode_scene("noise", 1)), settings) as server,
        _database(home) as database,
    ):
        last_retraining = 0
        for number in range(options.weeks):
            photos = week_of_photos(number, options.photos, camera(number / max(options.weeks - 1, 1)))
            version = _champion(home)
            answers = _ask(server, photos)
            _wait_for(PredictionLog(database), photos)
            reviewed = _review(database, photos, options.wrong_labels, chance)
            alarm = _drift(home, version, options.photos)
            promoted, weeks_since = None, number + 1 - last_retraining
            if weeks_since >= (WEEKS_OF_REST if alarm else WEEKS_BETWEEN_RETRAININGS):
                promoted = _retrain(home, configuration, server)
                last_retraining = number + 1
            unattended = [one.to_json() for one in first_day.predict([photo for _, photo in photos.values()])]
            labels = [label for label, _ in photos.values()]
            week = Week(number, score(labels, answers), score(labels, unattended), version, reviewed, alarm, promoted)
            print(_line(week), flush=True)
            yield week


def camera(age: float) -> Shift:
    """What the camera and the belt make of photos: darker, warmer, less sharp, in autumn on another ground.

    Args:
        age: share of the year that has gone by, 0..1.
    """
    return Shift(brightness=1 - 0.6 * age, warmth=0.8 * age, blur=2 * age, new_background=age >= AUTUMN)


def week_of_photos(number: int, count: int, shift: Shift) -> dict[str, tuple[str, bytes]]:
    """Label and encoded photo by file name, of classes in turn, as no other week has them."""
    labels = [LABELS[place % len(LABELS)] for place in range(count)]
    first = 1_000_000 + 10_000 * number
    return {
        f"week {number} photo {place}.jpg": (label, encode_scene(label, first + place, shift=shift))
        for place, label in enumerate(labels)
    }


def score(labels: Sequence[str], answers: Sequence[Mapping[str, object]]) -> Score:
    """One model on some photos.

    Args:
        labels: what they show.
        answers: as the service gives them.
    """
    classes = sorted(set(labels))
    truth = np.array([classes.index(label) for label in labels])
    given = np.array([[dict(one["probabilities"])[name] for name in classes] for one in answers])  # type: ignore[call-overload]
    accepted = np.array([one["decision"] == "accept" for one in answers])
    wrong = given.argmax(axis=1) != truth
    error = float(wrong[accepted].mean()) if accepted.any() else 0.0
    return Score(compute_metrics(truth, given, classes).macro_f1, float(accepted.mean()), error)


def draw(weeks: Sequence[Week], path: Path) -> None:
    """Draw both models over the weeks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    numbers = [week.number + 1 for week in weeks]
    names = {"macro_f1": "macro F1", "accepted_error": "wrong among the accepted", "coverage": "accepted"}
    for axis, (field, name) in zip(axes, names.items(), strict=True):
        for model, colour in (("attended", "#0b6e99"), ("unattended", "#c0392b")):
            values = [getattr(getattr(week, model), field) for week in weeks]
            axis.plot(numbers, values, color=colour, label=f"{model} model", linewidth=1.6)
        axis.set_ylabel(name)
        axis.grid(alpha=0.25)
    axes[1].axhline(ALPHA, color="#555", linestyle="--", linewidth=1, label=f"demanded: at most {ALPHA:.0%}")
    for week in weeks:
        if week.promoted:
            axes[0].axvline(week.number + 1.5, color="#0b6e99", alpha=0.25, linewidth=1)
    alarms = [week.number + 1 for week in weeks if week.alarm]
    axes[0].plot(alarms, [0.02] * len(alarms), "v", color="#b26a00", transform=axes[0].get_xaxis_transform(),
                 label="drift alarm")  # fmt: skip
    axes[0].legend(loc="center left", fontsize=8)
    axes[1].legend(loc="upper left", fontsize=8)
    axes[2].set_xlabel("week (thin lines: a new champion)")
    figure.savefig(path, dpi=110)


def _configure(home: Home, photos_per_class: int) -> Path:
    """Paint the photos of the first day, and write the run configuration of the gate."""
    photos, test = home.root / "photos", round(FIRST_DAY_TEST_SHARE * photos_per_class)
    write_demo_photos(photos, train_per_class=photos_per_class - test, test_per_class=test, workers=1)
    parameters = {
        "name": NAME,
        "data": {"source": str(photos)},
        # So many photos to certify on that one confident error among the surest quarter does not leave all to people.
        "split": {"calibration_share": 0.42},
        # A small network from scratch is far behind; that it stays so every week need not be proven at length.
        "baselines": {"scratch_epochs": 3},
        # The head alone learns, however many photos are reviewed: a retraining takes a minute then.
        "transfer": {"finetune_epochs": 0},
        "calibration": {"alpha": CERTIFIED},
        # What is lost on photos of the first day matters less than what is gained on those that the camera takes now.
        "gate": {"non_inferiority_margin": 0.1},
        "retraining": {"min_reviewed_photos": 10},
    }
    path = home.root / "year.yaml"
    path.write_text(yaml.safe_dump({"parameters": parameters}))
    return path


def _run(command: Sequence[str]) -> int:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode and "gate: " not in result.stderr + result.stdout:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}")
    return result.returncode


def _champion(home: Home) -> str:
    champion = Ledger(home.registry(NAME)).champion()
    if champion is None or champion.version is None:
        raise SystemExit(f"{NAME} has no champion: its first model did not pass; give it more photos with --first-day")
    return champion.version


def _model_folder(home: Home) -> Path:
    store = home.bentos / "bentos" / NAME
    return store / (store / "latest").read_text().strip() / "src" / "bentos" / "model"


@contextmanager
def _database(home: Home) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{home.predictions}")
    try:
        yield database
    finally:
        database.close()


def _ask(server: Server, photos: Mapping[str, tuple[str, bytes]]) -> list[Mapping[str, object]]:
    connection = connect(server.port)
    try:
        return [json.loads(answer(connection, form(photo, name))) for name, (_, photo) in photos.items()]
    finally:
        connection.close()


def _logged(log: PredictionLog, photos: Mapping[str, object]) -> list:  # type: ignore[type-arg]
    newest = Window(gate=NAME, photos=2 * len(photos))
    return [one for page in log.read(newest) for one in page if one.image_name in photos]


def _wait_for(log: PredictionLog, photos: Mapping[str, object]) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while len(_logged(log, photos)) < len(photos):
        if time.monotonic() > deadline:
            raise SystemExit("the prediction log does not get the answers")
        time.sleep(0.2)


def _review(
    database: Database, photos: Mapping[str, tuple[str, bytes]], wrong: float, chance: np.random.Generator
) -> int:
    """Have two people label what went to them, each wrong in a share of the labels; gives the number of photos."""
    seen = [one for one in _logged(PredictionLog(database), photos) if one.review_reason is not None]
    reviews = []
    for prediction in seen:
        truth = photos[prediction.image_name][0]
        others = [label for label in LABELS if label != truth]
        for reviewer in REVIEWERS:
            label = others[chance.integers(len(others))] if chance.random() < wrong else truth
            reviews.append(Review(uuid4(), datetime.now(UTC), prediction.image_sha256, reviewer, "label", label))
    ReviewDesk(database, NAME, classes=LABELS).record_all(reviews)
    return len(seen)


def _drift(home: Home, version: str, photos: int) -> tuple[str, ...]:
    settings = DriftSettings(name=NAME, hours=None, photos=photos)
    report = judge(read_window(settings, version, {version}, Reference.load(_model_folder(home))), settings)
    return tuple(group.name for group in report.groups if group.drifted) if report.alarm else ()


def _retrain(home: Home, configuration: Path, server: Server) -> bool:
    before = _champion(home)
    _run(["zenml", "pipeline", "run", "retraining", "--config", str(configuration)])
    wait_until_served(f"http://127.0.0.1:{server.port}", _champion(home))
    return _champion(home) != before


def _line(week: Week) -> str:
    def of(score: Score) -> str:
        return f"F1 {score.macro_f1:.3f} accepted {score.coverage:4.0%} wrong {score.accepted_error:5.1%}"

    models = f"v{week.version:>2} {of(week.attended)} | alone {of(week.unattended)}"
    happened = f"reviewed {week.reviewed:3}" + (f", alarm: {' '.join(week.alarm)}" if week.alarm else "")
    if week.promoted is not None:
        happened += ", retrained" if week.promoted else ", retrained and refused"
    return f"week {week.number + 1:2}  {models} | {happened}"


if __name__ == "__main__":
    main()
