"""From a recipe to settings of the candidate that are better on the validation photos, if there are any."""

from uuid import uuid4

from zenml.enums import ExecutionMode
from zenml.models import PipelineRunResponse

from pipelines.caching import FILES_VARIABLE, file_keys
from pipelines.configured import ConfiguredPipeline
from pipelines.divided_photos import divided_photos, without_suspects
from pipelines.run_configuration import DEFAULT_CONFIGURATION
from pipelines.training import Section, given_settings
from quality_gate.evaluation.wording import number
from quality_gate.home import locate
from quality_gate.progress import ConsoleReporter
from quality_gate.run_lock import only_run
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from quality_gate.tracking import find_run
from quality_gate.tuning.result import TuningResult
from quality_gate.tuning.search import METRICS_IN_WORDS, in_words
from steps.context import close_failed_run, tracking_uri
from steps.tune import BEST_FILE, tune


def look_for_better(
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
    """Try settings of the candidate, the recipe's own first; nothing is tested, and nothing is promoted.

    Every parameter is a section of zenml.yaml, where each key is explained; they should be those of the training.
    """
    settings = given_settings(locals())
    files = file_keys(settings)
    snapshot, parts = divided_photos(settings, files)
    if settings.data.exclude_suspects:
        parts = without_suspects(settings, files, snapshot, parts)
    # Never taken from the cache: each run goes on with the trials of those before.
    tune.with_options(environment={FILES_VARIABLE: uuid4().hex})(
        snapshot=snapshot, split=parts, settings=settings, weights=files.weights
    )


def _conclude(run: PipelineRunResponse) -> None:
    """Say what was found, and how to train with it."""
    (found,) = run.steps["tune"].outputs["tuning_result"]
    result: TuningResult = found.load()
    name = str((run.config.parameters or {})["name"])
    tracked = find_run(tracking_uri(), name, run.name)
    if tracked is not None:
        tracked.finish(succeeded=True)
    folder = locate().reports(name) / run.name
    metric, recipe, best = METRICS_IN_WORDS[result.metric], result.recipe, result.best
    values = f"{metric} {number(best.measured)} of trial {best.number}, the recipe's is {number(recipe.measured)}"
    say = ConsoleReporter().say
    say(f"tuning: {len(result.trials)} trials; best validation {values}")
    say(f"settings: {in_words(best.settings) or 'the recipe itself was not surpassed'}")
    say(f"report: {folder / 'tuning.html'}")
    say(f"train with them: zenml pipeline run training --config {folder / BEST_FILE}")


tuning = ConfiguredPipeline(
    check=lambda parameters, origin: parse_settings(TrainingSettings, parameters, origin=origin),
    during=lambda parameters: only_run(locate().tuning(parameters["name"]), parameters["name"], use="tuned"),
    after=_conclude,
    on_failure=close_failed_run,
    name="tuning",
    entrypoint=look_for_better,
    execution_mode=ExecutionMode.FAIL_FAST,
).with_options(config_path=str(DEFAULT_CONFIGURATION))
