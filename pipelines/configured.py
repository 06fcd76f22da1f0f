"""Pipelines that check their settings before anything runs, key steps by their code, and explain mistakes in words."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunResponse
from zenml.pipelines.compilation_context import PipelineCompilationContext
from zenml.pipelines.pipeline_definition import Pipeline
from zenml.steps import BaseStep

from pipelines.cached_results import only_whole_results
from pipelines.caching import CODE_VARIABLE, StepCode
from pipelines.console import helpful_console
from pipelines.containers import in_containers, places_of
from pipelines.integrations import no_integrations
from pipelines.interruption import interruptible
from pipelines.outages import explained_outages
from pipelines.run_configuration import read_parameters
from quality_gate.progress import ConsoleReporter
from quality_gate.settings_section import DEFAULTS


class NothingToDo(Exception):
    """A run is not worth while now; the message says why, and the command ends well."""


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
        defaults: str = DEFAULTS,
        may_cache: bool = True,
        **options: Any,
    ) -> None:
        """Make a pipeline.

        Args:
            check: is given the parameters of a configuration file and its name; raises UserError.
            during: is given the parameters of a run; what it returns is entered while the run lasts, and may raise
                NothingToDo before.
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
        places = places_of(self._check(given, "settings"))
        try:
            return self._run_checked(given, places, args, parameters)
        except NothingToDo as reason:
            ConsoleReporter().say(str(reason))
            return None

    def _run_checked(
        self, given: Mapping[str, Any], places: list[str], args: tuple[Any, ...], parameters: Mapping[str, Any]
    ) -> Any:
        with (
            helpful_console(),
            no_integrations(),
            only_whole_results(),
            interruptible(),
            explained_outages(),
            self._during(given),
            in_containers(self.name, places) as settings,
        ):
            # Not before: ZenML opens its store to find a hook again, and an import would do so.
            self.configure(on_failure=self._on_failure, settings=settings)
            run = super().__call__(*args, **parameters)
            # An orchestrator that works on after the command has ended is left alone.
            if run is not None and run.status == ExecutionStatus.COMPLETED:
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
