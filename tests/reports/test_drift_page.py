import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from quality_gate.data.validation import Check, ValidationResult
from quality_gate.drift.judgement import judge
from quality_gate.drift_settings import DriftSettings
from quality_gate.reports.drift_page import drift_page


def _windows():
    """The fixtures of another folder of tests: windows without a log."""
    spec = spec_from_file_location("windows_of_tests", Path(__file__).parents[1] / "drift" / "conftest.py")
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_window = _windows().make_window
CHECKS = ValidationResult(
    "prediction_window",
    120,
    (Check("not_too_dark", "brightness", "warning", False, "80%", "0.08 or more", 96, (), "Look at the <lamp>."),),
)


@pytest.fixture
def page(make_window):
    def make(photos, checks=CHECKS, **changes):
        window = make_window(photos, **changes)
        return drift_page(judge(window, DriftSettings(name="produce", resamples=999)), window, checks)

    return make


def test_an_alarm_says_what_has_drifted_by_how_much(page):
    html = page(120, brightness=0.4)
    assert "ALARM: the photos have drifted in light (120 photos against 400 of the reference of produce:3)." in html
    assert html.count("drifted</span>") == 1
    assert re.search(r"brightness: 0\.[45]\d+ → 0\.[12]\d+", html)
    assert "produce:3 · photos of 2026-03-04 08:00 UTC to 2026-03-04 10:00 UTC" in html
    assert html.count("data:image/svg+xml") == 10


def test_the_sharpness_is_shown_in_its_own_unit(page):
    assert re.search(r"sharpness: [34]\d\d → [34]\d\d", page(120))


def test_no_script_runs_in_it_and_nothing_is_loaded(page):
    html = page(120)
    assert "<script" not in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_failed_checks_are_listed_as_text(page):
    html = page(120)
    assert "not_too_dark" in html
    assert "Look at the &lt;lamp&gt;." in html


def test_too_few_photos_have_a_page_too(page):
    html = page(3, checks=None)
    assert "Not enough data" in html
    assert "This is neither an alarm nor an all-clear." in html
    assert "What was compared" not in html


def test_a_window_of_equal_photos_can_be_drawn(page):
    assert "no drift" in page(100, classes=(0, 0, 0, 1))
