"""From the declared ranges to the settings of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quality_gate.errors import UserError
from quality_gate.transfer_settings import TransferSettings
from quality_gate.tuning.settings import Dimension, Range, SearchSettings

if TYPE_CHECKING:
    from optuna import Trial

# These decide whether anything is fine-tuned at all; without that all others have no effect, and are not drawn.
FIRST = (
    "model", "size", "training_views", "augmented_views", "finetune_min_photos", "finetune_stages", "finetune_epochs",
)  # fmt: skip

# What optuna takes for one of several values.
Parameter = None | bool | int | float | str


@dataclass(frozen=True)
class Space:
    """What may be tried, the recipe among it.

    Attributes:
        recipe: the settings to be improved.
        dimensions: what each of them may become, those of :data:`FIRST` first.
        photos: photos to train on.
    """

    recipe: TransferSettings
    dimensions: Mapping[str, Dimension]
    photos: int

    @classmethod
    def around(cls, recipe: TransferSettings, search: SearchSettings, photos: int) -> Space:
        """The space of a search, widened by the recipe's own values.

        Raises:
            UserError: a range cannot hold the recipe's value.
        """
        given = search.dimensions()
        names = [name for name in FIRST if name in given] + [name for name in given if name not in FIRST]
        return cls(recipe, {name: _widened(name, given[name], getattr(recipe, name)) for name in names}, photos)

    def recipe_parameters(self) -> dict[str, Parameter]:
        """The recipe as a point of the space."""
        return {name: encoded(getattr(self.recipe, name)) for name in self.dimensions}

    def suggest(self, trial: Trial) -> TransferSettings:
        """Draw the settings of a trial."""
        settings = self.recipe
        for name, dimension in self.dimensions.items():
            if name in FIRST or _is_fine_tuned(settings, self.photos):
                settings = settings.model_copy(update={name: self._draw(trial, name, dimension)})
        return settings

    def _draw(self, trial: Trial, name: str, dimension: Dimension) -> Any:
        own = getattr(self.recipe, name)
        if not isinstance(dimension, Range):
            values = {encoded(value): value for value in dimension}
            return values[trial.suggest_categorical(name, list(values))]
        if isinstance(own, int):
            return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
        drawn = trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
        # Three digits are as good, and can be read; the recipe's own value stays what it is.
        short = min(max(float(f"{drawn:.3g}"), dimension.low), dimension.high)
        return own if drawn == own else short


def encoded(value: Any) -> Parameter:
    """A value of a setting as optuna keeps it: views as one text."""
    return "+".join(value) if isinstance(value, tuple) else value


def _is_fine_tuned(settings: TransferSettings, photos: int) -> bool:
    from quality_gate.models.zoo import architecture

    if not architecture(settings.model).pretrained:
        return settings.finetune_epochs > 0
    too_few = photos < settings.finetune_min_photos
    return not too_few and settings.finetune_epochs > 0 and settings.finetune_stages != 0


def _widened(name: str, dimension: Dimension, own: Any) -> Dimension:
    if not isinstance(dimension, Range):
        return dimension if own in dimension else (own, *dimension)
    if own is None:
        raise UserError(f"tuning.search.{name} is a range, and transfer.{name} is null; list the values instead.")
    if dimension.log and own <= 0:
        raise UserError(
            f"tuning.search.{name} is a logarithmic range, which cannot hold the {own:g} of transfer.{name}; set its "
            "`log:` to false, or list the values instead."
        )
    return dimension.model_copy(update={"low": min(dimension.low, own), "high": max(dimension.high, own)})
