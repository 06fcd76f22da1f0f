"""Look for labels that are probably wrong, before anything is trained on them."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.transfer_settings import TransferSettings
from steps.context import experiment_run, report_folder


@step
def find_suspects(
    name: str,
    snapshot: Snapshot,
    split: SplitResult,
    settings: TransferSettings,
    exclude: int,
    min_photos: int,
    seed: int,
) -> tuple[Annotated[SplitResult, "training_split"], Annotated[HTMLString, "suspects_report"]]:
    """Judge every label by a head that has not seen its photo; leave out as many suspects as the settings say.

    The page, with all suspects in a CSV file beside it, is written before anything is left out.

    Args:
        name: the gate.
        snapshot: the photos.
        split: how they are divided.
        settings: of the network whose backbone sees the photos.
        exclude: how many suspects are left out.
        min_photos: fewest photos a class must keep.
        seed: of the heads.

    Returns:
        The split to train with, and the page.

    Raises:
        UserError: the pretrained weights cannot be had, or too few photos of a class would be left.
    """
    from quality_gate.data.photo_set import divided_photos, photos_by_path
    from quality_gate.home import locate
    from quality_gate.processors import available_processors
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.suspects_page import shown_photos, suspects_csv, suspects_page
    from quality_gate.training.suspects import find_suspects as search
    from quality_gate.training.suspects import leave_out_suspects, plain_features
    from quality_gate.training.threads import pin_threads

    pin_threads(settings.threads)
    reporter = ConsoleReporter()
    photos = divided_photos(snapshot, split.table)
    features = plain_features(
        photos,
        settings,
        home=locate(),
        workers=available_processors(),
        reporter=reporter,
    )
    suspects = search(photos, split.table, features, seed)
    for line in suspects.summary(exclude):
        reporter.say(f"find_suspects: {line}")
    shown = photos_by_path(photos, shown_photos(suspects))
    page = suspects_page(suspects, name=name, exclude=exclude, thumbnails=shown)
    folder = report_folder(name)
    (folder / "suspects.html").write_text(page, encoding="utf-8")
    (folder / "suspects.csv").write_text(suspects_csv(suspects), encoding="utf-8")
    result = leave_out_suspects(split, suspects, exclude, min_photos)
    run = experiment_run(name)
    run.log_metrics({"suspects": suspects.excludable, "suspects_excluded": min(exclude, suspects.excludable)})
    run.log_tags({"split_digest": result.digest})
    return result, HTMLString(page)
