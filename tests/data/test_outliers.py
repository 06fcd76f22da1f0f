"""Outliers are what a person would pick out of a class: neither its second kind of photos nor its noise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data.image_table import build_table
from quality_gate.data.outliers import SMALLEST_CLASS, THRESHOLD, TRAITS, find_outliers, traits


def table_of(photos: int = 40, label: str = "onion", **columns: object) -> pd.DataFrame:
    """Photos of one class that vary a little in light; named columns replace their values."""
    varied = np.linspace(0.45, 0.55, photos)
    rows = [
        {
            "image_id": f"{label}{number:060}",
            "path": f"{label}/{number:04}.jpg",
            "label": label,
            "width": 400,
            "height": 300,
            "aspect_ratio": 4 / 3,
            "brightness": light,
            "contrast": 0.2,
            "red_mean": 0.5,
            "green_mean": 0.4,
            "blue_mean": 0.3,
            "sharpness": 300.0,
            "is_readable": True,
        }
        for number, light in enumerate(varied)
    ]
    return build_table(rows).assign(**columns)


def changed(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The table with other values in its first row."""
    table = table.copy()
    for name, value in values.items():
        table.loc[0, name] = value
    return table


@pytest.mark.parametrize(
    ("values", "trait", "sign"),
    [
        ({"brightness": 0.95}, "brightness", 1),
        ({"brightness": 0.05}, "brightness", -1),
        ({"contrast": 0.45}, "contrast", 1),
        ({"sharpness": 4.0}, "sharpness", -1),
        ({"width": 1200, "height": 900}, "size", 1),
        ({"width": 600, "height": 200, "aspect_ratio": 3.0}, "shape", 1),
        ({"blue_mean": 0.6}, "warmth", -1),
        ({"green_mean": 0.2}, "greenness", -1),
    ],
)
def test_a_photo_far_from_its_class_is_found_with_trait_and_direction(
    values: dict[str, float], trait: str, sign: int
) -> None:
    found = find_outliers(changed(table_of(), **values))
    row = found[found["trait"] == trait].iloc[0]
    assert (row["path"], row["label"]) == ("onion/0000.jpg", "onion")
    assert np.sign(row["score"]) == sign
    assert set(found["path"]) == {"onion/0000.jpg"}


def test_the_score_is_the_distance_in_deviations_scaled_from_the_mad() -> None:
    table = changed(table_of(41), brightness=0.9)
    light = table["brightness"]
    mad = (light - light.median()).abs().median()
    row = find_outliers(table).iloc[0]
    assert row["value"] == 0.9
    assert row["median"] == pytest.approx(light.median())
    assert row["score"] == pytest.approx((0.9 - light.median()) / (1.4826 * mad))


def test_a_second_kind_of_photos_in_a_class_is_no_outlier() -> None:
    smaller = [1] * 34 + [2] * 6
    table = table_of(40, width=[800 / n for n in smaller], height=[600 / n for n in smaller])
    assert find_outliers(table).empty


def test_upright_and_lying_photos_are_alike() -> None:
    table = changed(table_of(), width=300, height=400, aspect_ratio=3 / 4)
    assert find_outliers(table).empty


def test_a_difference_nobody_sees_is_none_in_a_class_of_equal_photos() -> None:
    equal = table_of(brightness=0.5)
    assert find_outliers(changed(equal, brightness=0.53, sharpness=310.0, width=402)).empty
    assert len(find_outliers(changed(equal, brightness=0.6))) == 1


def test_a_class_is_judged_by_itself() -> None:
    dark = table_of(label="plum").assign(brightness=lambda table: table["brightness"] - 0.35)
    assert find_outliers(pd.concat([table_of(), dark], ignore_index=True)).empty


def test_one_photo_in_a_small_class_does_not_hide_itself() -> None:
    table = changed(table_of(SMALLEST_CLASS), brightness=0.95)
    assert find_outliers(table)["path"].tolist() == ["onion/0000.jpg"]


def test_classes_too_small_to_judge_are_left_alone() -> None:
    assert find_outliers(changed(table_of(SMALLEST_CLASS - 1), brightness=0.95)).empty


def test_the_farthest_photo_comes_first() -> None:
    table = changed(table_of(), brightness=0.95, contrast=0.3)
    table.loc[1, "contrast"] = 0.45
    scores = find_outliers(table)["score"].abs()
    assert scores.tolist() == sorted(scores, reverse=True)
    assert len(scores) == 3


def test_a_black_photo_has_no_colour_but_a_number() -> None:
    black = traits(changed(table_of(), brightness=0.0, contrast=0.0, red_mean=0.0, green_mean=0.0, blue_mean=0.0))
    assert black.loc[0, ["warmth", "greenness"]].tolist() == pytest.approx([0, 1 / 3])
    assert black.columns.tolist() == [trait.name for trait in TRAITS]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_outliers_do_not_depend_on_the_order_of_the_photos(light: list[float], random: object) -> None:
    table = table_of(len(light), brightness=light)
    shuffled = table.sample(frac=1, random_state=random.randrange(2**32))  # type: ignore[attr-defined]
    found, again = find_outliers(table), find_outliers(shuffled)
    pd.testing.assert_frame_equal(found, again)
    assert (found["score"].abs() >= THRESHOLD).all()
