"""What the method is worth where photos are few: repeated cross-validation over the photos of all splits."""

from typing import Annotated

from zenml import step

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.scores import CrossValidation
from quality_gate.settings import BaselineSettings, EvaluationSettings, SplitSettings
from quality_gate.transfer_settings import TransferSettings


@step
def cross_validate(
    snapshot: Snapshot,
    split: SplitResult,
    settings: EvaluationSettings,
    shares: SplitSettings,
    transfer: TransferSettings,
    baselines: BaselineSettings,
    seed: int,
) -> Annotated[CrossValidation, "cross_validation"]:
    """Train and test the candidate's method and the baselines anew on every fold.

    Raises:
        UserError: the photos are too few for the folds, or so many that the candidate is fine-tuned.
    """
    from quality_gate.data.photo_set import divided_photos, photo_sets
    from quality_gate.evaluation.cross_validation import cross_validate
    from quality_gate.home import locate
    from quality_gate.processors import available_processors
    from quality_gate.progress import ConsoleReporter
    from quality_gate.training.methods import methods
    from quality_gate.training.threads import pin_threads

    assert settings.cross_validation is not None
    pin_threads(transfer.threads)
    reporter, workers = ConsoleReporter(), available_processors()
    compared = methods(
        transfer,
        baselines,
        learnt=len(photo_sets(snapshot, split.table).train),
        classes=len(snapshot.classes),
        seed=seed,
        home=locate(),
        workers=workers,
    )
    result = cross_validate(
        divided_photos(snapshot, split.table),
        compared,
        settings.cross_validation,
        shares,
        resamples=settings.bootstrap_resamples,
        seed=seed,
        reporter=reporter,
    )
    found, interval = result.candidate.metrics.macro_f1, result.candidate.intervals["macro_f1"]
    reporter.say(f"cross_validate: macro F1 {found:.3f} ({interval.low:.3f} to {interval.high:.3f})")
    return result
