"""Typed settings of tuning: its budget, and among which settings of the candidate it looks for better ones."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from quality_gate.settings_section import Settings, describe

Metric = Literal["macro_f1", "brier"]


class Range(Settings):
    """Numbers from ``low`` to ``high``, both included; ``log`` draws equally often from each power of ten."""

    low: float
    high: float
    log: bool = False


# A range of numbers, or the values themselves.
Dimension = Range | tuple[Any, ...]


class SearchSettings(Settings):
    """What each setting of ``transfer`` may become; None leaves it as the recipe has it.

    A range or list need not hold the recipe's own value: it is widened by it, since the recipe is tried first. What
    makes a photo dearer to answer in service (views) is not among them; a network or a size is only tried where it is
    named.
    """

    model: Dimension | None = None
    size: Dimension | None = None
    training_views: Dimension | None = (
        ("crop",),
        ("crop", "crop_mirrored"),
        ("crop", "crop_mirrored", "squash"),
        ("crop", "crop_mirrored", "squash", "squash_mirrored"),
    )
    augmented_views: Dimension | None = Range(low=0, high=4)
    finetune_min_photos: Dimension | None = (0, 2000)
    finetune_stages: Dimension | None = None
    finetune_epochs: Dimension | None = None
    unfreezing: Dimension | None = None
    learning_rate: Dimension | None = Range(low=1e-5, high=1e-3, log=True)
    find_learning_rate: Dimension | None = None
    schedule: Dimension | None = None
    weight_decay: Dimension | None = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
    batch_size: Dimension | None = (16, 32, 64)
    class_balance: Dimension | None = ("sampler", "loss", "both", "none")
    label_smoothing: Dimension | None = Range(low=0, high=0.2)
    focal_gamma: Dimension | None = Range(low=0, high=3)
    mixup: Dimension | None = Range(low=0, high=0.5)
    ema_decay: Dimension | None = (0.0, 0.9, 0.99, 0.995)
    patience: Dimension | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _of_possible_values(cls, given: Any, field: ValidationInfo) -> Dimension | None:
        assert field.field_name is not None
        if given is None:
            return None
        if isinstance(given, Range | Mapping):
            return _range(field.field_name, given)
        if isinstance(given, list | tuple):
            return _choices(field.field_name, given)
        raise ValueError("expected a range such as {low: 0.1, high: 0.5}, or a list of values")

    @model_validator(mode="after")
    def _looks_for_something(self) -> Self:
        if not self.dimensions():
            raise ValueError("nothing is left to look for; expected a range or a list of values at least once")
        return self

    def dimensions(self) -> dict[str, Dimension]:
        """What is looked for, by the setting."""
        found = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: dimension for name, dimension in found if dimension is not None}


class TuningSettings(Settings):
    """Only of the pipeline ``tuning``.

    Attributes:
        minutes: budget of a run; a trial that is under way when they are over ends with its pass.
        trials: most trials of a study, those of earlier runs included.
        metric: of the validation photos: ``macro_f1`` is the higher the better, ``brier`` the lower. The Brier score
            is that of the answers before their temperature is fitted.
        seed: of what is tried; the trainings keep the seed of the run.
        search: what each setting may become.
    """

    minutes: Annotated[float, Field(gt=0, le=10_080)] = 30.0
    trials: Annotated[int, Field(ge=1, le=10_000)] = 50
    metric: Metric = "macro_f1"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    search: SearchSettings = SearchSettings()


def _range(name: str, given: Range | Mapping[str, Any]) -> Range:
    try:
        found = Range.model_validate(given)
    except ValidationError as error:
        raise ValueError(describe(error)) from None
    if not found.low < found.high:
        raise ValueError("low has to lie below high")
    if found.log and found.low <= 0:
        raise ValueError("a logarithmic range has to begin above 0")
    for end in (found.low, found.high):
        value = possible_value(name, end)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} has no numbers; expected a list of values")
    return found


def _choices(name: str, given: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    found = tuple(possible_value(name, value) for value in given)
    if not found or any(value in found[:place] for place, value in enumerate(found)):
        raise ValueError("expected one value or more, each once")
    return found


def possible_value(name: str, value: Any) -> Any:
    """A value as the setting ``name`` of the candidate takes it.

    Raises:
        ValueError: it is none.
    """
    # Not above: the settings of a run hold those of tuning.
    from quality_gate.transfer_settings import TransferSettings

    try:
        return getattr(TransferSettings.model_validate({name: value}), name)
    except ValidationError as error:
        raise ValueError(describe(error)) from None
