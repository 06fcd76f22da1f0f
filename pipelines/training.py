"""From a folder of labelled photos to a model that has earned production, or has not."""

from typing import Any

from zenml.enums import ExecutionMode

from pipelines.caching import FILES_VARIABLE, StepCode, expected_standing, file_keys, origin
from pipelines.configured import ConfiguredPipeline
from pipelines.ending import conclude
from pipelines.places import absolute
from pipelines.run_configuration import DEFAULT_CONFIGURATION
from quality_gate.data_settings import DEMO
from quality_gate.home import locate
from quality_gate.run_lock import only_run
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from steps.calibrate import calibrate
from steps.context import close_failed_run
from steps.evaluate import evaluate
from steps.find_rival import find_rival
from steps.find_suspects import find_suspects
from steps.gate import gate
from steps.ingest import ingest
from steps.package import package
from steps.prepare_serving import prepare_serving
from steps.promote import promote
from steps.split import split_photos
from steps.train_histogram_baseline import train_histogram_baseline
from steps.train_scratch_baseline import train_scratch_baseline
from steps.train_transfer import train_transfer
from steps.validate import validate

Section = dict[str, Any]


def train(
    name: str = "visual_quality_gate",
    seed: int = 42,
    data: Section | None = None,
    validation: Section | None = None,
    split: Section | None = None,
    baselines: Section | None = None,
    transfer: Section | None = None,
    calibration: Section | None = None,
    evaluation: Section | None = None,
    gate: Section | None = None,
    serving: Section | None = None,
) -> None:
    """Train, evaluate, and promote only what passes the gate.

    Every parameter is a section of zenml.yaml, where each key is explained.
    """
    sections = {
        "data": data,
        "validation": validation,
        "split": split,
        "baselines": baselines,
        "transfer": transfer,
        "calibration": calibration,
        "evaluation": evaluation,
        "gate": gate,
        "serving": serving,
    }
    given = {section: values for section, values in sections.items() if values is not None}
    settings = parse_settings(TrainingSettings, {"name": name, "seed": seed, **given}, origin="settings")
    _wire(_with_absolute_paths(settings), ConfiguredPipeline.compiled().code)


def _wire(settings: TrainingSettings, code: StepCode) -> None:
    seed, name = settings.seed, settings.name
    files = file_keys(settings)
    made_from = origin(settings, files, code)
    snapshot, _ = ingest.with_options(environment={FILES_VARIABLE: files.source})(name=name, settings=settings.data)
    snapshot = validate(name=name, snapshot=snapshot, settings=settings.validation)
    parts, _ = split_photos(
        name=name,
        snapshot=snapshot,
        settings=settings.split,
        min_photos=settings.validation.min_photos_per_class,
        seed=seed,
    )
    parts, _ = find_suspects.with_options(environment={FILES_VARIABLE: files.weights})(
        name=name,
        snapshot=snapshot,
        split=parts,
        settings=settings.transfer,
        exclude=settings.data.exclude_suspects,
        min_photos=settings.validation.min_photos_per_class,
        seed=seed,
    )
    histogram = train_histogram_baseline(snapshot=snapshot, split=parts, settings=settings.baselines)
    scratch = train_scratch_baseline(snapshot=snapshot, split=parts, settings=settings.baselines, seed=seed)
    candidate, history = train_transfer.with_options(environment={FILES_VARIABLE: files.weights})(
        name=name, snapshot=snapshot, split=parts, settings=settings.transfer, seed=seed
    )
    calibrated = calibrate(model=candidate, snapshot=snapshot, split=parts, settings=settings.calibration)
    rival, promotion, built = find_rival.with_options(extra={"origin": made_from})(
        name=name, model=calibrated, **expected_standing(name, made_from)._asdict()
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
    )
    result, report = gate(
        model=calibrated, measured=measured, history=history, snapshot=snapshot, split=parts, settings=settings
    )
    served, _ = prepare_serving(
        model=calibrated,
        measured=measured,
        snapshot=snapshot,
        split=parts,
        settings=settings.serving,
        calibration=settings.calibration,
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


def _with_absolute_paths(settings: TrainingSettings) -> TrainingSettings:
    data, transfer = settings.data, settings.transfer
    places = [place if place == DEMO else absolute(place) for place in data.sources]
    data = data.model_copy(update={"source": places[0] if isinstance(data.source, str) else tuple(places)})
    if data.csv.images is not None:
        data = data.model_copy(update={"csv": data.csv.model_copy(update={"images": absolute(data.csv.images)})})
    if transfer.weights_file is not None:
        transfer = transfer.model_copy(update={"weights_file": absolute(transfer.weights_file)})
    return settings.model_copy(update={"data": data, "transfer": transfer})


training = ConfiguredPipeline(
    check=lambda parameters, origin: parse_settings(TrainingSettings, parameters, origin=origin),
    during=lambda parameters: only_run(locate().registry(parameters["name"]), parameters["name"]),
    after=conclude,
    on_failure=close_failed_run,
    name="training",
    entrypoint=train,
    execution_mode=ExecutionMode.FAIL_FAST,
).with_options(config_path=str(DEFAULT_CONFIGURATION))
