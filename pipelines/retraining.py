"""From what people said of the photos of an operation to a better champion, or to the same one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any

from zenml.enums import ExecutionMode

from pipelines.configured import ConfiguredPipeline, NothingToDo
from pipelines.ending import conclude
from pipelines.run_configuration import DEFAULT_CONFIGURATION
from pipelines.training import Section, given_settings
from pipelines.wiring import Reviewed, wire
from quality_gate.errors import UserError
from quality_gate.home import locate
from quality_gate.ledger import LedgerEntry
from quality_gate.models.manifest import WEIGHTS_FILE, ModelManifest
from quality_gate.performance_settings import PerformanceSettings
from quality_gate.prediction.champion import champion_of
from quality_gate.progress import ConsoleReporter
from quality_gate.retraining.gathering import gather_operational_photos
from quality_gate.retraining.occasion import retraining_state
from quality_gate.retraining.operational_photos import OperationalPhotos
from quality_gate.retraining.triggers import decide
from quality_gate.run_lock import only_run
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from quality_gate.tracking import find_run, flatten
from steps.champions import registry
from steps.context import close_failed_run, tracking_uri


def retrain(
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
    """Train on the photos of the training and on those that people have reviewed since; promote only what passes.

    Every parameter is a section of zenml.yaml, where each key is explained; they should be those of the training.
    """
    settings = given_settings(locals())
    champion = champion_of(locate(), name)
    with registry(name).model_folder(champion) as folder:
        photos = gather_operational_photos(locate(), name, ModelManifest.load(folder).classes)
        _check_enough(photos, settings)
        if settings.retraining.start == "champion":
            _check_division(settings, champion)
            settings = _starting_with(settings, champion, folder)
    for line in photos.summary():
        ConsoleReporter().say(f"retraining: {line}")
    data_settings = settings.data.model_copy(update={"reviewed": str(photos.labels_file)})
    held_back = {one.image_sha256: dict(one.labels) for one in photos.disagreements}
    wire(
        settings.model_copy(update={"data": data_settings}),
        ConfiguredPipeline.compiled().code,
        Reviewed(photos.summary(), held_back, sorted(photos.mistaken)),
    )


def _check_enough(photos: OperationalPhotos, settings: TrainingSettings) -> None:
    needed = settings.retraining.min_reviewed_photos
    if len(photos.labels) < needed:
        raise UserError(
            f"{settings.name}: {'; '.join(photos.summary())}, and retraining.min_reviewed_photos is {needed:,}; review "
            "more photos at /review of the service, or set it lower."
        )


def _check_division(settings: TrainingSettings, champion: LedgerEntry) -> None:
    """Make sure that the photos are divided as they were for the champion: its weights know those it learnt from."""
    entries = registry(settings.name).ledger.entries()
    run = next(one.run for one in entries if (one.event, one.version) == ("promoted", champion.version))
    recorded = find_run(tracking_uri(), settings.name, run)
    if recorded is None:
        raise UserError(f"retraining.start is champion, but MLflow no longer knows the run {run}; set pretrained.")
    former, now = recorded.parameters(), flatten({"seed": settings.seed, "split": settings.split.model_dump()})
    for name, value in now.items():
        if former.get(name, str(value)) != str(value):
            raise UserError(
                f"retraining.start is champion, but {name} is {value}, and {settings.name}:{champion.version} was "
                f"trained with {former[name]}: it would be tested on photos it has learnt from. Take its value, or set "
                "pretrained."
            )


def _starting_with(settings: TrainingSettings, champion: LedgerEntry, folder: Path) -> TrainingSettings:
    """The settings with the weights of the champion, under a name that stays while it is champion.

    Where the champion is of a network that the settings fall back on, it is this network that goes on.
    """
    manifest = ModelManifest.load(folder)
    if manifest.members:
        raise UserError(
            f"retraining.start is champion, but {settings.name}:{champion.version} is an ensemble, whose members have "
            "weights of their own; set pretrained."
        )
    weights = locate().weights / f"{settings.name}-{champion.version}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    copyfile(folder / WEIGHTS_FILE, weights)
    fell_back = {"model": manifest.architecture} if manifest.architecture in settings.transfer.fallback else {}
    transfer = settings.transfer.model_copy(update={"weights_file": str(weights), **fell_back})
    return settings.model_copy(update={"transfer": transfer})


@contextmanager
def _alone_if_due(parameters: Mapping[str, Any]) -> Iterator[None]:
    """Keep other runs of the gate away, and end where the settings see no reason for this one."""
    settings = parse_settings(TrainingSettings, parameters, origin="settings")
    with only_run(locate().registry(settings.name), settings.name):
        if settings.retraining.only_if_due:
            champion = champion_of(locate(), settings.name)
            state = retraining_state(locate(), champion, PerformanceSettings(name=settings.name))
            decision = decide(state, settings.retraining.triggers)
            if not decision.retrain:
                raise NothingToDo(f"retraining: {decision.sentence()}")
            ConsoleReporter().say(f"retraining: {decision.sentence()}")
        yield


retraining = ConfiguredPipeline(
    check=lambda parameters, origin: parse_settings(TrainingSettings, parameters, origin=origin),
    during=_alone_if_due,
    after=conclude,
    on_failure=close_failed_run,
    name="retraining",
    entrypoint=retrain,
    execution_mode=ExecutionMode.FAIL_FAST,
).with_options(config_path=str(DEFAULT_CONFIGURATION))
