"""Typed settings of a run: every field says what it does, every default why; validated where they are made."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from quality_gate.data_settings import DataSettings
from quality_gate.ensemble_settings import EnsembleSettings, members_like_the_first
from quality_gate.explanation.settings import ExplanationSettings
from quality_gate.gate_name import GateName
from quality_gate.retraining_settings import RetrainingSettings
from quality_gate.settings_section import Count, Settings, Share, UnitInterval, contradiction
from quality_gate.transfer_settings import TransferSettings
from quality_gate.tuning.settings import TuningSettings


class ValidationSettings(Settings):
    """What the data must fulfil before anything is trained on it.

    Attributes:
        suite: name of the Great Expectations suite in ``expectations/``, without ``.yaml``.
        max_unreadable_share: largest share of files that may be unreadable. A camera that damages more than one photo
            in twenty is a fault to mend, not noise to train around.
        min_photos_per_class: fewest readable photos a class may have before the split, those of a folder ``test/`` left
            aside. Below ten a class cannot be split into train, validation and calibration with more than a handful in
            each.
    """

    suite: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = "image_table"
    max_unreadable_share: UnitInterval = 0.05
    min_photos_per_class: Annotated[int, Field(ge=5)] = 10


class SplitSettings(Settings):
    """How the photos are divided.

    Attributes:
        validation_share: share of the training photos on which epochs and the temperature are chosen.
        calibration_share: share of the training photos kept for the routing certificate alone.
        test_share: share of all photos kept for the test; not used where the source has a ``test/`` folder.
        rolling_test_share: share of the reviewed photos of the operation that no model learns from: the second test set
            of a retraining.
        near_duplicate_bits: two photos whose 64-bit perceptual hashes differ in at most so many bits belong to one
            group and are never parted; 0 groups only equal hashes.
    """

    validation_share: Share = 0.15
    calibration_share: Share = 0.15
    test_share: Share = 0.2
    rolling_test_share: Share = 0.25
    near_duplicate_bits: Annotated[int, Field(ge=0, le=12)] = 4

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> Self:
        if self.validation_share + self.calibration_share > 0.6:
            raise ValueError(
                "validation_share + calibration_share may not exceed 0.6: too little would be left to train on"
            )
        return self


class BaselineSettings(Settings):
    """The two models a deep model must beat to be worth its cost.

    Attributes:
        histogram_bins: bins a colour channel of the histogram.
        scratch_size: edge of the photos the small network is trained on, in pixels.
        scratch_epochs: most epochs of the small network.
    """

    histogram_bins: Annotated[int, Field(ge=2, le=256)] = 32
    scratch_size: Annotated[int, Field(ge=32, le=224)] = 64
    scratch_epochs: Count = 12


class WatchedClassSettings(Settings):
    """A class, as it is called after ``data.label_map``, and the share of its photos that are to be found."""

    label: Annotated[str, Field(min_length=1)]
    min_recall: Share


class CalibrationSettings(Settings):
    """The promise made of accepted answers: at most ``alpha`` wrong, with confidence 1 − ``delta``.

    Attributes:
        alpha: largest share of wrong answers among the accepted.
        delta: probability that the promise is not kept.
        watched_class: the class whose probability needs not be the highest to be the answer; null: none.
    """

    alpha: Share = 0.05
    delta: Share = 0.1
    watched_class: WatchedClassSettings | None = None


class CrossValidationSettings(Settings):
    """How a method is measured where photos are few: trained and tested anew on every fold of every repeat.

    Attributes:
        folds: parts of the photos; each is tested once a repeat by models trained on the others.
        repeats: how often the photos are dealt anew.
    """

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    repeats: Annotated[int, Field(ge=1, le=50)] = 5


class EvaluationSettings(Settings):
    """How the test is measured.

    Attributes:
        bootstrap_resamples: resamples behind every interval.
        worst_errors: photos of the most confident errors in the report.
        cross_validation: where it is set, the gate's floors, ceilings and margins over the baselines hold its figures,
            and not those of a test set that may have a dozen photos; null: the test set.
    """

    bootstrap_resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    worst_errors: Annotated[int, Field(ge=0, le=200)] = 24
    cross_validation: CrossValidationSettings | None = None


class GateSettings(Settings):
    """What a model must have earned to go into production.

    Attributes:
        min_macro_f1: floor of the test macro F1.
        min_class_recall: floor of the recall of every class.
        min_watched_recall: floor of the recall of ``calibration.watched_class`` at its threshold; null: none.
        max_brier: ceiling of the multi-class Brier score (0 is perfect, 2 the worst).
        max_ece: ceiling of the expected calibration error.
        min_margin_over_baselines: macro F1 by which the model must beat the better of the two baselines.
        non_inferiority_margin: macro F1 by which it may be worse than the champion on the same photos, at the lower
            end of a one-sided 95% paired bootstrap interval. In simulated duels on 700 test photos, of models that
            disagree as two seeds do on produce, 0.045 refuses 97 of 100 that are truly worse by 0.05 and accepts 96
            of 100 that are equal (``python -m benchmarks.gate_power``); 0.03 would refuse 24 equal ones. With more
            test photos it may be smaller; the gate warns where they are too few for it.
        max_coverage_loss: share of the test photos by which it may accept less than the champion does, where both keep
            the same promise.
        max_export_difference: largest difference of a probability between the trained and the exported model.
        max_model_mb: ceiling of the exported model's size, in megabytes.
        max_latency_ms: ceiling of the median time to answer one photo on one thread, in milliseconds.
        replace_champion_with_other_classes: a champion with other classes cannot be compared; true lets the candidate
            replace it all the same.
    """

    min_macro_f1: UnitInterval = 0.80
    min_class_recall: UnitInterval = 0.65
    min_watched_recall: UnitInterval | None = None
    max_brier: Annotated[float, Field(ge=0, le=2)] = 0.20
    max_ece: UnitInterval = 0.08
    min_margin_over_baselines: Annotated[float, Field(ge=-1, le=1)] = 0.05
    non_inferiority_margin: UnitInterval = 0.045
    max_coverage_loss: UnitInterval = 0.2
    max_export_difference: Annotated[float, Field(gt=0, le=1)] = 1e-4
    max_model_mb: Annotated[float, Field(gt=0)] = 120.0
    max_latency_ms: Annotated[float, Field(gt=0)] = 500.0
    replace_champion_with_other_classes: bool = False


class ServingSettings(Settings):
    """When the network is served in 8-bit integers; the two are compared on the machine that packs the model.

    Attributes:
        int8: whether they are tried at all.
        calibration_photos: training photos on which the ranges of the activations are measured.
        quantisation_aware_epochs: passes in which the last stages are trained further for 8-bit integers, towards their
            answers in floating point; served where the network as it is does not pass and the trained one does. 0:
            none.
        max_latency_ratio: most time for an answer, as a share of the time in 32-bit floating point.
        max_loss: most macro F1 and Brier score that may be lost on the test photos.
        min_agreement: share of the test photos that must get the same label and the same decision.
    """

    int8: bool = True
    calibration_photos: Annotated[int, Field(ge=1, le=10_000)] = 128
    quantisation_aware_epochs: Annotated[int, Field(ge=0, le=100)] = 0
    max_latency_ratio: Annotated[float, Field(gt=0, le=1)] = 0.9
    max_loss: UnitInterval = 0.005
    min_agreement: UnitInterval = 0.99


class TrainingSettings(Settings):
    """All settings of the training pipeline: what stands under ``parameters:`` in a run configuration.

    Attributes:
        name: the gate; each name has its own champion, ledger and Bento.
        seed: of every random choice.
    """

    name: GateName = "visual_quality_gate"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    data: DataSettings = DataSettings()
    validation: ValidationSettings = ValidationSettings()
    split: SplitSettings = SplitSettings()
    baselines: BaselineSettings = BaselineSettings()
    transfer: TransferSettings = TransferSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    explanation: ExplanationSettings = ExplanationSettings()
    gate: GateSettings = GateSettings()
    serving: ServingSettings = ServingSettings()
    retraining: RetrainingSettings = RetrainingSettings()
    tuning: TuningSettings = TuningSettings()

    @model_validator(mode="before")
    @classmethod
    def _members_are_like_the_first(cls, values: Any) -> Any:
        return members_like_the_first(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _members_fit_together(self) -> Self:
        for member in self.ensemble.members:
            if (member.size, member.views) != (self.transfer.size, self.transfer.views):
                raise contradiction(
                    f"ensemble.members: {member.model} takes photos of {member.size} pixels ({', '.join(member.views)})"
                    "; expected size and views of transfer, for all members are given the same photos"
                )
        if self.ensemble.members and self.evaluation.cross_validation is not None:
            raise contradiction(
                "evaluation.cross_validation measures a single network; expected ensemble.members: [], or "
                "evaluation.cross_validation: null"
            )
        if self.ensemble.members and self.serving.quantisation_aware_epochs:
            raise contradiction(
                "serving.quantisation_aware_epochs trains a single network; expected ensemble.members: [], or "
                "serving.quantisation_aware_epochs: 0"
            )
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of all settings."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()
