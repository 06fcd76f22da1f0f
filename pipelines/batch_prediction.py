"""From a folder of photos to answers: in the prediction log, in a table, and on a page."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zenml.enums import ExecutionMode
from zenml.models import PipelineRunResponse

from pipelines.configured import ConfiguredPipeline
from pipelines.places import absolute
from quality_gate.batch_settings import BATCH_DEFAULTS, INBOX, BatchSettings
from quality_gate.home import locate
from quality_gate.prediction.champion import champion_of
from quality_gate.progress import ConsoleReporter
from quality_gate.run_lock import only_run
from quality_gate.settings_section import parse_settings
from steps.answer_batch import answer_batch
from steps.report_batch import report_batch
from steps.settle_batch import settle_batch

DEFAULTS = Path(__file__).with_suffix(".yaml")


def predict(
    name: str = "visual_quality_gate",
    source: str = INBOX,
    workers: int = 0,
    max_unreadable_share: float = 0.05,
    settle_seconds: float = 10.0,
    review_photos: int = 24,
) -> None:
    """Let the champion of a gate answer every photo of a folder, a URL or the inbox.

    Every parameter is a setting of batch_prediction.yaml, where each is explained.
    """
    settings = parse_settings(
        BatchSettings,
        {
            "name": name,
            "source": source if source == INBOX else absolute(source),
            "workers": workers,
            "max_unreadable_share": max_unreadable_share,
            "settle_seconds": settle_seconds,
            "review_photos": review_photos,
        },
        origin="settings",
        defaults=BATCH_DEFAULTS,
    )
    batch = answer_batch(settings=settings)
    report_batch(batch=batch, settings=settings)
    settle_batch(batch=batch, settings=settings, after=["report_batch"])


@contextmanager
def _alone(parameters: Mapping[str, Any]) -> Iterator[None]:
    """Keep other batches of the gate away, and from the inbox those of other gates, which would take its photos."""
    home, name = locate(), parameters["name"]
    champion_of(home, name)
    with only_run(home.batches(name), name, use="used for a batch prediction"):
        if parameters["source"] == INBOX:
            with only_run(home.inbox_done, "the inbox", use="emptied", key="source"):
                yield
        else:
            yield


def _conclude(run: PipelineRunResponse) -> None:
    """Say where the result is."""
    folder = locate().batches(str((run.config.parameters or {})["name"])) / run.name
    ConsoleReporter().say(f"result: {folder / 'result.csv'}")
    ConsoleReporter().say(f"report: {folder / 'batch.html'}")


batch_prediction = ConfiguredPipeline(
    check=lambda parameters, origin: parse_settings(BatchSettings, parameters, origin=origin, defaults=BATCH_DEFAULTS),
    during=_alone,
    after=_conclude,
    defaults=BATCH_DEFAULTS,
    # New photos, another champion: what is answered already is known to the record of the batch, never to a cache.
    may_cache=False,
    name="batch_prediction",
    entrypoint=predict,
    execution_mode=ExecutionMode.FAIL_FAST,
).with_options(config_path=str(DEFAULTS))
