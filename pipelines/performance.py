"""From what people said of answers to how good the champion is in production, and whether it keeps its promise."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zenml.enums import ExecutionMode
from zenml.models import PipelineRunResponse

from pipelines.configured import ConfiguredPipeline
from quality_gate.home import locate
from quality_gate.performance_settings import PERFORMANCE_DEFAULTS, PerformanceSettings
from quality_gate.prediction.champion import champion_of
from quality_gate.progress import ConsoleReporter
from quality_gate.settings_section import parse_settings
from steps.report_performance import report_performance

DEFAULTS = Path(__file__).with_suffix(".yaml")


def judge(
    name: str = "visual_quality_gate",
    min_audited: int = 30,
    min_class_photos: int = 5,
    false_alarm_rate: float = 0.01,
    resamples: int = 1000,
    seed: int = 0,
) -> None:
    """Estimate how good all answers of a champion were from the few that people have looked at.

    Every parameter is a setting of performance.yaml, where each is explained.
    """
    given = dict(locals())
    report_performance(
        settings=parse_settings(PerformanceSettings, given, origin="settings", defaults=PERFORMANCE_DEFAULTS)
    )


@contextmanager
def _of_a_champion(parameters: Mapping[str, Any]) -> Iterator[None]:
    """Find the champion before anything starts."""
    champion_of(locate(), parameters["name"])
    yield


def _conclude(run: PipelineRunResponse) -> None:
    """Say what came of it, and where that is written."""
    (verdict,) = run.steps["report_performance"].outputs["performance_verdict"]
    ConsoleReporter().say(f"performance: {verdict.load()}")
    folder = locate().reports(str((run.config.parameters or {})["name"])) / run.name
    ConsoleReporter().say(f"report: {folder / 'performance.html'}")


performance = ConfiguredPipeline(
    check=lambda parameters, origin: parse_settings(
        PerformanceSettings, parameters, origin=origin, defaults=PERFORMANCE_DEFAULTS
    ),
    during=_of_a_champion,
    after=_conclude,
    defaults=PERFORMANCE_DEFAULTS,
    # The log and the reviews are others each time.
    may_cache=False,
    name="performance",
    entrypoint=judge,
    execution_mode=ExecutionMode.FAIL_FAST,
).with_options(config_path=str(DEFAULTS))
