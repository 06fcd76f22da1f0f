"""Pipelines that check their settings before anything runs, key steps by their code, and explain mistakes in words."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from pydantic import ValidationError
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.integrations.registry import integration_registry
from zenml.logger import ZenMLConsoleHandler
from zenml.models import PipelineRunResponse
from zenml.pipelines.compilation_context import PipelineCompilationContext
from zenml.pipelines.pipeline_definition import Pipeline
from zenml.steps import BaseStep

from pipelines.cached_results import only_whole_results
from pipelines.caching import CODE_VARIABLE, StepCode
from pipelines.interruption import interruptible
from quality_gate.errors import UserError
from quality_gate.settings_section import describe

DEFAULT_CONFIGURATION = Path(__file__).resolve().parent.parent / "zenml.yaml"

# Lines that tell a user nothing: what failed is said again below, by the trace or by the sentence the run ends with.
_UNHELPFUL = (
    "Failed to run step",
    "Models can be viewed in the dashboard using ZenML Pro",
    "Found credentials in",
    "Found endpoint for",
)


class ConfiguredPipeline(Pipeline):
    """A pipeline that checks a run configuration when it is named.

    ZenML would answer a misspelt parameter with a stack trace, and pass over what it does not know at the top: a run
    meant for a user's photos would train on the demo photos.
    """

    def __init__(
        self,
        *,
        check: Callable[[Mapping[str, Any], str], object],
        during: Callable[[Mapping[str, Any]], AbstractContextManager[None]],
        after: Callable[[PipelineRunResponse], None],
        on_failure: Callable[[], None] | None = None,
        defaults: str = "zenml.yaml",
        may_cache: bool = True,
        **options: Any,
    ) -> None:
        """Make a pipeline.

        Args:
            check: is given the parameters of a configuration file and its name; raises UserError.
            during: is given the parameters of a run; what it returns is entered while the run lasts.
            after: is given a run whose steps have all succeeded.
            on_failure: called when a step has failed.
            defaults: file that has every setting of the pipeline, for messages.
            may_cache: False has every step run every time; `enable_cache` in a run configuration would overrule what
                the steps themselves say.
            options: of ZenML's pipeline.
        """
        super().__init__(**options)
        self._check = check
        self._during = during
        self._after = after
        self._on_failure = on_failure
        self._defaults = defaults
        self._may_cache = may_cache
        self._code: StepCode | None = None

    @property
    def code(self) -> StepCode:
        """The code of the steps, as it is on the disk while the pipeline is compiled."""
        if self._code is None:
            self._code = StepCode()
        return self._code

    @classmethod
    def compiled(cls) -> "ConfiguredPipeline":
        """The pipeline that is being compiled, as seen from its own function."""
        context = PipelineCompilationContext.get()
        assert context is not None
        assert isinstance(context.pipeline, cls)
        return context.pipeline

    def with_options(self, *args: Any, config_path: str | None = None, **options: Any) -> "ConfiguredPipeline":
        """Copy the pipeline with a configuration file laid over the defaults.

        Raises:
            UserError: the file is no run configuration, or its parameters are no settings.
        """
        if config_path is not None:
            self._check(read_parameters(Path(config_path), defaults=self._defaults), Path(config_path).name)
        configured: ConfiguredPipeline = super().with_options(*args, config_path=config_path, **options)
        return configured

    def __call__(self, *args: Any, **parameters: Any) -> Any:
        """Run the pipeline; a user's mistake in a step ends as the step's own sentence."""
        given = self._apply_config_parameters(parameters)
        self._check(given, "settings")
        with _helpful_console(), _no_integrations(), only_whole_results(), interruptible(), self._during(given):
            # Not before: ZenML opens its store to find a hook again, and an import would do so.
            self.configure(on_failure=self._on_failure)
            run = super().__call__(*args, **parameters)
            if run is not None:
                self._after(run)
            return run

    def prepare(self, *args: Any, **parameters: Any) -> None:
        """Compile the pipeline."""
        self._code = None
        super().prepare(*args, **parameters)

    def add_step_invocation(self, step: BaseStep, *args: Any, **options: Any) -> str:
        """Add a step, keyed by the code it can reach: no step of a pipeline can be forgotten."""
        key = self.code.digest(step.source_object.__module__) if self._may_cache else uuid4().hex
        step.configure(environment={CODE_VARIABLE: key})
        return super().add_step_invocation(step, *args, **options)


def read_parameters(path: Path, *, defaults: str = DEFAULT_CONFIGURATION.name) -> Mapping[str, Any]:
    """The mapping under ``parameters:`` in a run configuration; empty where there is none.

    Args:
        path: of the file.
        defaults: a run configuration that has every setting, for messages.

    Raises:
        UserError: the file cannot be read, is no YAML, or is no run configuration.
    """
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}).") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no YAML ({reason}).") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is no run configuration; expected a mapping with `parameters:`, as in {defaults}.")
    unknown = [str(key) for key in content if key not in PipelineRunConfiguration.model_fields]
    if unknown:
        raise UserError(
            f"{path.name}: {', '.join(unknown)} is no key at the top of a run configuration; the settings of a run "
            f"stand under `parameters:`, as in {defaults}."
        )
    try:
        return PipelineRunConfiguration.model_validate(content).parameters or {}
    except ValidationError as error:
        raise UserError(f"{path.name}: {describe(error, defaults=defaults)}.") from None


@contextmanager
def _helpful_console() -> Iterator[None]:
    """Show of ZenML's log only what helps; what is kept with the run keeps every line."""
    helpful = _HelpfulLines()
    consoles = [handler for handler in logging.getLogger().handlers if isinstance(handler, ZenMLConsoleHandler)]
    for console in consoles:
        console.addFilter(helpful)
    try:
        yield
    finally:
        for console in consoles:
            console.removeFilter(helpful)


@contextmanager
def _no_integrations() -> Iterator[None]:
    """Keep ZenML from importing torch, scikit-learn and BentoML before it knows whether any step has to run.

    It would learn from them how to keep their values, and no step hands on any.
    """
    activate = integration_registry.activate_integrations
    integration_registry.activate_integrations = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        integration_registry.activate_integrations = activate  # type: ignore[method-assign]


class _HelpfulLines(logging.Filter):
    """Drops unhelpful lines, and the traceback of a user's mistake; any other error keeps its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], UserError):
            record.exc_info = None
        return not str(record.msg).startswith(_UNHELPFUL)
