"""Brings what the review desk knows into the operational dataset of a gate."""

from __future__ import annotations

from collections.abc import Collection

from quality_gate.home import Home
from quality_gate.monitoring.log_settings import log_database
from quality_gate.retraining.operational_photos import OperationalPhotos, update_operational_photos


def gather_operational_photos(home: Home, name: str, classes: Collection[str]) -> OperationalPhotos:
    """Update the operational dataset of the gate called ``name`` from the database of the prediction log.

    Args:
        home: where the dataset lies.
        name: of the gate.
        classes: of the champion.

    Raises:
        UserError: the database cannot be used, or a variable holds what is no value of it.
    """
    from quality_gate.review.reading import Reviews
    from quality_gate.review.settings import read_review_settings

    store = read_review_settings().open_photos()
    with log_database() as database:
        reviews = Reviews(database, name)
        return update_operational_photos(home.operational(name), reviews.by_photo(), reviews.photos(), store, classes)
