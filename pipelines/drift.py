"""From the prediction log to a verdict: whether the photos of a window have drifted from those the champion knows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zenml.enums import ExecutionMode
from zenml.models import PipelineRunResponse

from pipelines.configured import ConfiguredPipeline
from quality_gate.drift_settings import DRIFT_DEFAULTS, DriftSettings
from quality_gate.home import locate
from quality_gate.prediction.champion import champion_of
from quality_gate.progress import ConsoleReporter
from quality_gate.run_lock import only_run
from quality_gate.settings_section import parse_settings
from steps.detect_drift import detect_drift
from steps.read_window import read_window
from steps.report_drift import report_drift

DEFAULTS = Path(__file__).with_suffix(".yaml")


def detect(
    name: str = "visual_quality_gate",
    hours: float | None = 24.0,
    photos: int | None = None,
    until: str | None = None,
    min_photos: int = 100,
    max_photos: int = 5_000,
    false_alarm_rate: float = 0.01,
    resamples: int = 9_999,
    seed: int = 0,
    suite: str = "prediction_window",
) -> None:
    """Hold the newest answers of a champion against the photos it was proven on.

    Every parameter is a setting of drift.yaml, where each is explained.
    """
    settings = parse_settings(
        DriftSettings,
        {
            "name": name,
            "hours": hours,
            "photos": photos,
            "until": until,
            "min_photos": min_photos,
            "max_photos": max_photos,
            "false_alarm_rate": false_alarm_rate,
            "resamples": resamples,
            "seed": seed,
            "suite": suite,
        },
        origin="settings",
        defaults=DRIFT_DEFAULTS,
    )
    window = read_window(settings=settings)
    report = detect_drift(window=window, settings=settings)
    report_drift(window=window, report=report, settings=settings)


@contextmanager
def _alone(parameters: Mapping[str, Any]) -> Iterator[None]:
    """Find the champion before anything starts, and keep other drift runs of the gate away."""
    home, name = locate(), parameters["name"]
    champion_of(home, name)
    with only_run(home.drift(name), name, use="looked at for drift"):
        yield


def _conclude(run: PipelineRunResponse) -> None:
    """Say what came of it, and where that is written."""
    (output,) = run.steps["detect_drift"].outputs["drift"]
    ConsoleReporter().say(f"drift: {output.load().sentence}")
    folder = locate().drift(str((run.config.parameters or {})["name"])) / run.name
    ConsoleReporter().say(f"report: {folder / 'drift.html'}")


drift = ConfiguredPipeline(
    check=lambda parameters, origin: parse_settings(DriftSettings, parameters, origin=origin, defaults=DRIFT_DEFAULTS),
    during=_alone,
    after=_conclude,
    defaults=DRIFT_DEFAULTS,
    # The log has other photos each time.
    may_cache=False,
    name="drift",
    entrypoint=detect,
    execution_mode=ExecutionMode.FAIL_FAST,
).with_options(config_path=str(DEFAULTS))
