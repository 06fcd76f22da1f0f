from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from quality_gate.errors import UserError
from quality_gate.evaluation.bootstrap import Interval
from quality_gate.retraining.triggers import RetrainingState, decide
from quality_gate.retraining_settings import TriggerSettings
from quality_gate.settings_section import parse_settings

NOW = datetime(2026, 3, 20, 12)
TRAINED = datetime(2026, 3, 5)
SETTINGS = TriggerSettings()


@pytest.fixture
def quiet():
    """Nothing has happened since the champion was trained two weeks ago."""
    return RetrainingState(
        NOW, last_training=TRAINED, last_attempt=TRAINED, drift_alarm="", promise_is_broken=False,
        new_reviewed_photos=499, macro_f1=Interval(0.78, 0.85),
        class_precision={"onion": Interval(0.7, 0.8), "potato": Interval(0.95, 0.99)},
    )  # fmt: skip


def test_without_a_reason_nothing_is_trained(quiet):
    decision = decide(quiet, SETTINGS)
    assert not decision.retrain
    assert decision.sentence() == "No reason to train anew."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"drift_alarm": "brightness lower by 0.3"}, "drift (brightness lower by 0.3)"),
        ({"promise_is_broken": True}, "accepted answers are more often wrong than the certificate promised"),
        ({"new_reviewed_photos": 1500}, "1,500 reviewed photos are new (new_reviewed_photos: 500)"),
        ({"macro_f1": Interval(0.7, 0.79)}, "macro F1 is below 0.8 (95% interval 0.700 to 0.790)"),
        (
            {"class_precision": {"onion": Interval(0.6, 0.79)}},
            "the precision of onion is below 0.8 (95% interval 0.600 to 0.790)",
        ),
        (
            {"now": datetime(2026, 4, 1, 4)},
            "it was due on 2026-04-01 (monthly on 1 at 03:00), trained last on 2026-03-05",
        ),
    ],
)
def test_each_reason_is_told_in_words(quiet, change, reason):
    decision = decide(replace(quiet, **change), SETTINGS)
    assert decision.retrain
    assert decision.reasons == (reason,)
    assert decision.sentence() == f"Train anew: {reason}."


def test_all_reasons_are_told(quiet):
    decision = decide(replace(quiet, drift_alarm="blur", promise_is_broken=True), SETTINGS)
    assert len(decision.reasons) == 2
    assert "; " in decision.sentence()


def test_every_reason_can_be_switched_off(quiet):
    all_at_once = replace(
        quiet, now=NOW + timedelta(days=60), drift_alarm="blur", promise_is_broken=True, new_reviewed_photos=10_000,
        macro_f1=Interval(0.1, 0.2), class_precision={"onion": Interval(0.1, 0.2)},
    )  # fmt: skip
    assert len(decide(all_at_once, SETTINGS).reasons) == 6
    off = TriggerSettings(
        on_drift_alarm=False,
        on_broken_promise=False,
        new_reviewed_photos=None,
        min_macro_f1=None,
        min_class_precision=None,
        every=None,
    )
    assert decide(all_at_once, off).reasons == ()


def test_after_an_attempt_that_did_not_pass_the_same_alarm_waits(quiet):
    tried = replace(quiet, last_attempt=NOW - timedelta(days=1), drift_alarm="blur")
    decision = decide(tried, SETTINGS)
    assert not decision.retrain
    assert decision.resting_until == NOW + timedelta(days=6)
    assert decision.sentence() == "Not before 2026-03-26 12:00 (rest_days), though there is reason: drift (blur)."
    assert decide(replace(tried, now=decision.resting_until), SETTINGS).retrain


def test_an_attempt_after_the_day_in_the_calendar_is_the_one_that_was_due(quiet):
    tried = replace(quiet, now=datetime(2026, 4, 20), last_attempt=datetime(2026, 4, 2))
    assert decide(tried, SETTINGS).reasons == ()


def test_a_missed_day_is_caught_up_once(quiet):
    late = replace(quiet, now=datetime(2026, 7, 14))
    assert len(decide(late, SETTINGS).reasons) == 1


def test_words_that_are_no_time_of_the_calendar_are_told():
    with pytest.raises(UserError, match="every is 'sometimes': 'sometimes' is no time of the calendar"):
        parse_settings(TriggerSettings, {"every": "sometimes"}, origin="my.yaml")
