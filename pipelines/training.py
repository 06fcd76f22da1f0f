"""From a folder of labelled photos to a model that has earned production, or has not."""

from collections.abc import Mapping
from typing import Any

from zenml.enums import ExecutionMode

from pipelines.configured import ConfiguredPipeline
from pipelines.ending import conclude
from pipelines.run_configuration import DEFAULT_CONFIGURATION
from pipelines.wiring import wire, with_absolute_paths
from quality_gate.home import locate
from quality_gate.run_lock import only_run
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from steps.context import close_failed_run

Section = dict[str, Any]


def train(
    name: str = "visual_quality_gate",
    seed: int = 42,
    data: Section | None = None,
    validation: Section | None = None,
    split: Section | None = None,
    baselines: Section | None = None,
    transfer: Section | None = None,
    ensemble: Section | None = None,
    calibration: Section | None = None,
    evaluation: Section | None = None,
    explanation: Section | None = None,
    gate: Section | None = None,
    serving: Section | None = None,
    retraining: Section | None = None,
    tuning: Section | None = None,
) -> None:
    """Train, evaluate, and promote only what passes the gate.

    Every parameter is a section of zenml.yaml, where each key is explained.
    """
    wire(given_settings(locals()), ConfiguredPipeline.compiled().code)


def given_settings(parameters: Mapping[str, Any]) -> TrainingSettings:
    """The settings of a run, with absolute paths.

    Args:
        parameters: of the pipeline; None stands for a section that is not given.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    return with_absolute_paths(parse_settings(TrainingSettings, given, origin="settings"))


training = ConfiguredPipeline(
    check=lambda parameters, origin: parse_settings(TrainingSettings, parameters, origin=origin),
    during=lambda parameters: only_run(locate().registry(parameters["name"]), parameters["name"]),
    after=conclude,
    on_failure=close_failed_run,
    name="training",
    entrypoint=train,
    execution_mode=ExecutionMode.FAIL_FAST,
).with_options(config_path=str(DEFAULT_CONFIGURATION))
