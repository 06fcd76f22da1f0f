"""Brings what the review desk knows into the operational dataset of a gate."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing

from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.retraining.operational_photos import OperationalPhotos, update_operational_photos


def gather_operational_photos(home: Home, name: str, classes: Collection[str]) -> OperationalPhotos:
    """Update the operational dataset of the gate called ``name`` from the database of the prediction log.

    Args:
        home: where the dataset lies.
        name: of the gate.
        classes: of the champion.

    Raises:
        UserError: the database does not answer, or a variable that names it is no value; nothing is changed then.
    """
    from quality_gate.monitoring.database import LogUnavailable
    from quality_gate.monitoring.log_settings import read_log_settings
    from quality_gate.review.reading import Reviews
    from quality_gate.review.settings import read_review_settings

    settings, store = read_log_settings(), read_review_settings().open_photos()
    try:
        with closing(settings.open_database()) as database:
            reviews = Reviews(database, name)
            return update_operational_photos(
                home.operational(name), reviews.by_photo(), reviews.photos(), store, classes
            )
    except LogUnavailable as error:
        raise UserError(f"The reviews cannot be read ({error}); nothing was changed, try again later.") from None
