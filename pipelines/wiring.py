"""How the steps are put together that lead from photos to a model in production."""

from typing import NamedTuple

from pipelines.caching import FILES_VARIABLE, StepCode, expected_standing, file_keys, origin
from pipelines.divided_photos import divided_photos, without_suspects
from pipelines.places import absolute
from quality_gate.data_settings import DEMO
from quality_gate.settings import TrainingSettings
from quality_gate.transfer_settings import TransferSettings
from steps.calibrate import calibrate
from steps.cross_validate import cross_validate
from steps.evaluate import evaluate
from steps.find_rival import find_rival
from steps.gate import gate
from steps.package import package
from steps.prepare_serving import prepare_serving
from steps.promote import promote
from steps.report_retraining import report_retraining
from steps.train_histogram_baseline import train_histogram_baseline
from steps.train_scratch_baseline import train_scratch_baseline
from steps.train_transfer import train_transfer


class Reviewed(NamedTuple):
    """What is known of the reviewed photos of a retraining.

    Attributes:
        said: in words, a line each.
        held_back: the labels on which reviewers disagree, by SHA-256 and reviewer.
        mistaken: SHA-256 of the photos that the model had answered wrongly.
    """

    said: list[str]
    held_back: dict[str, dict[str, str]]
    mistaken: list[str]


def wire(settings: TrainingSettings, code: StepCode, reviewed: Reviewed | None = None) -> None:
    """Call every step, inside of a pipeline that is being compiled.

    Args:
        settings: of the run, with absolute paths.
        code: of the steps.
        reviewed: of a retraining, whose report is then written before the gate judges.
    """
    seed, name = settings.seed, settings.name
    files = file_keys(settings)
    copies = settings.retraining.hard_negative_copies
    # Where they count as any other, it is the same training whichever they are.
    hard_negatives = reviewed.mistaken if reviewed is not None and copies > 1 else []
    made_from = origin(settings, files, code, hard_negatives)
    snapshot, parts = divided_photos(settings, files)
    parts = without_suspects(settings, files, snapshot, parts)
    histogram = train_histogram_baseline(snapshot=snapshot, split=parts, settings=settings.baselines)
    scratch = train_scratch_baseline(snapshot=snapshot, split=parts, settings=settings.baselines, seed=seed)
    candidate, history = train_transfer.with_options(environment={FILES_VARIABLE: files.weights})(
        name=name,
        snapshot=snapshot,
        split=parts,
        settings=settings.transfer,
        ensemble=settings.ensemble,
        seed=seed,
        hard_negatives=hard_negatives,
        copies=copies if hard_negatives else 1,
    )
    calibrated = calibrate(model=candidate, snapshot=snapshot, split=parts, settings=settings.calibration)
    rival, promotion, built = find_rival.with_options(extra={"origin": made_from})(
        name=name, model=calibrated, **expected_standing(name, made_from)._asdict()
    )
    crossed = {}
    if settings.evaluation.cross_validation is not None:
        crossed["cross_validation"] = cross_validate.with_options(environment={FILES_VARIABLE: files.weights})(
            snapshot=snapshot,
            split=parts,
            settings=settings.evaluation,
            shares=settings.split,
            transfer=settings.transfer,
            baselines=settings.baselines,
            seed=seed,
        )
    measured = evaluate(
        model=calibrated,
        histogram=histogram,
        scratch=scratch,
        snapshot=snapshot,
        split=parts,
        settings=settings.evaluation,
        seed=seed,
        rival=rival,
        **crossed,
    )
    judged_after = []
    if reviewed is not None:
        report_retraining(
            name=name, measured=measured, snapshot=snapshot, split=parts, copies=copies, **reviewed._asdict()
        )
        judged_after.append("report_retraining")
    result, report = gate(
        model=calibrated,
        measured=measured,
        history=history,
        snapshot=snapshot,
        split=parts,
        settings=settings,
        after=judged_after,
    )
    served, _ = prepare_serving(
        model=calibrated,
        measured=measured,
        snapshot=snapshot,
        split=parts,
        settings=settings.serving,
        calibration=settings.calibration,
        seed=seed,
        threads=settings.transfer.threads,
        after=["gate"],
    )
    version = promote(
        model=served,
        measured=measured,
        gate=result,
        history=history,
        snapshot=snapshot,
        split=parts,
        settings=settings,
        report=report,
        promotion=promotion,
    )
    package(name=name, version=version, built=built)


def with_absolute_paths(settings: TrainingSettings) -> TrainingSettings:
    """The settings with places that mean the same wherever a step runs."""
    data, ensemble = settings.data, settings.ensemble
    places = [place if place == DEMO else absolute(place) for place in data.sources]
    data = data.model_copy(update={"source": places[0] if isinstance(data.source, str) else tuple(places)})
    if data.csv.images is not None:
        data = data.model_copy(update={"csv": data.csv.model_copy(update={"images": absolute(data.csv.images)})})
    if data.reviewed is not None:
        data = data.model_copy(update={"reviewed": absolute(data.reviewed)})
    transfer, *members = (_with_absolute_weights(one) for one in (settings.transfer, *ensemble.members))
    ensemble = ensemble.model_copy(update={"members": tuple(members)})
    return settings.model_copy(update={"data": data, "transfer": transfer, "ensemble": ensemble})


def _with_absolute_weights(transfer: TransferSettings) -> TransferSettings:
    if transfer.weights_file is None:
        return transfer
    return transfer.model_copy(update={"weights_file": absolute(transfer.weights_file)})
