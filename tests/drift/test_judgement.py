import json

import pytest

from quality_gate.drift.judgement import judge, left_out_sentence
from quality_gate.drift.report import DriftReport
from quality_gate.drift_settings import DriftSettings

SETTINGS = DriftSettings(name="produce", resamples=999)


@pytest.fixture
def judged(make_window):
    return lambda photos, settings=SETTINGS, **changes: judge(make_window(photos, **changes), settings)


def test_what_has_drifted_rings_and_is_named(judged):
    report = judged(120, brightness=0.4, confidence=0.7)
    assert report.alarm
    assert report.sentence == (
        "ALARM: the photos have drifted in light and confidence (120 photos against 400 of the reference of produce:3)."
    )


def test_no_drift_is_told_with_the_rate_of_false_alarms(judged):
    report = judged(120)
    assert (report.verdict, report.alarm) == ("no_alarm", False)
    assert report.sentence.endswith("windows without drift ring in at most 1% of all cases).")


@pytest.mark.parametrize(
    ("photos", "settings", "sentence"),
    [
        (0, {}, "holds no answer of produce:3 of the last 24 hours, and 100 are needed (min_photos)."),
        (1, {}, "holds 1 answer of produce:3 of the last 24 hours, and 100 are needed (min_photos)."),
        (99, {}, "holds 99 answers of produce:3 of the last 24 hours, and 100 are needed (min_photos)."),
        (40, {"hours": None, "min_photos": 50}, "holds 40 answers of produce:3, and 50 are needed (min_photos)."),
    ],
)
def test_too_few_photos_are_neither_an_alarm_nor_an_all_clear(judged, photos, settings, sentence):
    report = judged(photos, SETTINGS.model_copy(update=settings), brightness=0.4)
    assert (report.verdict, report.alarm, report.groups) == ("not_enough_data", False, ())
    assert report.sentence == f"Not enough data: the prediction log {sentence}"


def test_a_window_of_one_class_is_judged(judged):
    assert "classes" in judged(100, classes=(0, 1, 0, 0)).sentence


def test_answers_of_other_versions_are_told_with_what_the_ledger_knows(make_window):
    assert left_out_sentence(make_window(5, left_out={})) == ""
    assert left_out_sentence(make_window(5)) == (
        "Left out are answers that produce:3 did not give: 5 of version 2; "
        "1,200 of version 9, which the ledger does not know."
    )


def test_a_report_comes_back_from_its_json(judged):
    for report in (judged(120), judged(3)):
        assert DriftReport.from_json(json.loads(json.dumps(report.to_json()))) == report
