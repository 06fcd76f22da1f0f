"""The sentences say what is there, and warn where something should be done."""

import pandas as pd
import pytest

from quality_gate.data.duplicate_groups import duplicate_groups
from quality_gate.data.image_table import build_table
from quality_gate.reports.class_balance import Balance, ClassRow
from quality_gate.reports.data_findings import (
    balance_findings,
    duplicate_findings,
    left_out_findings,
    outlier_findings,
    shift_findings,
    shortcut_findings,
)
from quality_gate.reports.spreads import histograms, light_measures


def balance_of(**photos: int) -> Balance:
    total = max(1, sum(photos.values()))
    return Balance((), tuple(ClassRow(label, count, count / total, ()) for label, count in photos.items()))


def photos_of(labels: list[str], brightness: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"label": labels, "brightness": brightness, "contrast": 0.2, "sharpness": 300.0})


@pytest.mark.parametrize(
    ("balance", "status", "sentence"),
    [
        (balance_of(ok=110, dent=100), "pass", "The classes are balanced: 100 to 110 photos each."),
        (balance_of(ok=90, dent=90), "pass", "The classes are balanced: 90 photos each."),
        (
            balance_of(ok=200, dent=100),
            "none",
            "The classes are slightly uneven: ok has 2 times as many photos as dent (200 and 100).",
        ),
        (
            balance_of(ok=900, dent=100),
            "warn",
            "The classes are imbalanced: ok has 9 times as many photos as dent (900 and 100). A model that always "
            "answered ok would be right 90% of the time: judge by macro F1, not by accuracy.",
        ),
        (balance_of(ok=9, dent=0), "warn", "Class dent has not one usable photo."),
    ],
)
def test_the_balance_of_the_classes_is_put_into_words(balance: Balance, status: str, sentence: str) -> None:
    (finding,) = balance_findings(balance)
    assert (finding.status, finding.sentence) == (status, sentence)


def test_files_left_out_are_counted() -> None:
    assert [f.status for f in left_out_findings(10, 0)] == ["pass"]
    (finding,) = left_out_findings(1000, 1)
    assert finding.sentence == "1 of 1,000 files (0.1%) is left out, listed with the reason."


def test_conflicts_and_leaks_and_copies_are_told_apart() -> None:
    groups = [("ok", "train", "a"), ("dent", "train", "a"), ("ok", "test", "b"), ("ok", "", "b")]
    table = build_table(
        {"path": str(n), "label": label, "split": split, "group": group, "image_id": group, "is_readable": True}
        for n, (label, split, group) in enumerate(groups)
    )
    assert [(f.status, f.sentence) for f in duplicate_findings(duplicate_groups(table))] == [
        ("warn", "1 group of near-duplicates has several labels: look at them first."),
        (
            "warn",
            "1 group of near-duplicates reaches from training into test; the files outside test are left out.",
        ),
        ("none", "2 files repeat another byte for byte."),
    ]
    (clean,) = duplicate_findings(duplicate_groups(table.assign(is_readable=False)))
    assert clean.status == "pass"


def test_outliers_are_counted() -> None:
    assert [f.status for f in outlier_findings(10, 0)] == ["pass"]
    (finding,) = outlier_findings(200, 3)
    assert finding.sentence.startswith("3 photos (1.5%) are far from the rest of their class")


def test_light_that_tells_the_class_is_a_warning() -> None:
    telling = light_measures(photos_of(["ok", "ok", "dent", "dent"], [0.2, 0.2, 0.8, 0.8]))
    (finding,) = shortcut_findings(telling)
    assert finding.sentence.startswith("The class explains 100% of the variance of brightness:")
    assert not list(shortcut_findings(light_measures(photos_of(["ok", "dent"] * 2, [0.2, 0.2, 0.8, 0.8]))))


def test_a_test_set_of_other_light_is_a_warning() -> None:
    photos = photos_of(["ok"] * 400, [0.3 + n / 4000 for n in range(400)])
    halves = pd.Series([n >= 200 for n in range(400)])
    (finding,) = shift_findings(histograms(light_measures(photos), halves), 200, 200)
    assert finding.status == "warn"
    assert finding.sentence == "The test photos are not like the training photos in brightness (1.00 apart)."
    turns = pd.Series([n % 2 == 0 for n in range(400)])
    assert [f.status for f in shift_findings(histograms(light_measures(photos), turns), 200, 200)] == ["pass"]
    nothing = pd.Series([False] * 400)
    assert not list(shift_findings(histograms(light_measures(photos), nothing), 400, 0))


def test_a_difference_that_few_photos_make_by_chance_is_no_warning() -> None:
    photos = photos_of(["ok"] * 12, [n / 12 for n in range(12)])
    is_test = pd.Series([n in (3, 8, 9, 11) for n in range(12)])
    drawn = histograms(light_measures(photos), is_test)
    assert drawn[0].distance is not None
    assert drawn[0].distance > 0.3
    assert [f.status for f in shift_findings(drawn, 8, 4)] == ["pass"]
