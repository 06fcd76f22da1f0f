"""The steps that lead from a source to divided photos, for every pipeline that learns from them."""

from pipelines.caching import FILES_VARIABLE, FileKeys
from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.settings import TrainingSettings
from steps.find_suspects import find_suspects
from steps.ingest import ingest
from steps.split import split_photos
from steps.validate import validate


def divided_photos(settings: TrainingSettings, files: FileKeys) -> tuple[Snapshot, SplitResult]:
    """Call the steps from the source to checked and divided photos."""
    name = settings.name
    snapshot, _ = ingest.with_options(environment={FILES_VARIABLE: files.source})(name=name, settings=settings.data)
    snapshot = validate(name=name, snapshot=snapshot, settings=settings.validation)
    watched = settings.calibration.watched_class
    parts, _ = split_photos(
        name=name,
        snapshot=snapshot,
        settings=settings.split,
        min_photos=settings.validation.min_photos_per_class,
        seed=settings.seed,
        watched=watched.label if watched else None,
    )
    return snapshot, parts


def without_suspects(
    settings: TrainingSettings, files: FileKeys, snapshot: Snapshot, parts: SplitResult
) -> SplitResult:
    """Call the step that leaves out as many suspects as the settings say."""
    parts, _ = find_suspects.with_options(environment={FILES_VARIABLE: files.weights})(
        name=settings.name,
        snapshot=snapshot,
        split=parts,
        settings=settings.transfer,
        exclude=settings.data.exclude_suspects,
        min_photos=settings.validation.min_photos_per_class,
        seed=settings.seed,
    )
    return parts
