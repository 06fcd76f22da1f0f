"""What the suite finds, check by check, and how it says so."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data.image_table import build_table
from quality_gate.data.validation import Check, ValidationResult, validate
from quality_gate.errors import UserError
from quality_gate.settings import ValidationSettings

SUITES = Path(__file__).parents[2] / "expectations"
CLASSES = ("ok", "scratch")
LIMITS = ValidationSettings(min_photos_per_class=5, max_unreadable_share=0.1)
MEASURED = {
    "width": "width_measured",
    "height": "height_measured",
    "file_size_kb": "file_size_measured",
    "aspect_ratio": "aspect_ratio_measured",
    "brightness": "brightness_measured",
    "contrast": "contrast_measured",
    "red_mean": "red_measured",
    "green_mean": "green_measured",
    "blue_mean": "blue_measured",
    "sharpness": "sharpness_measured",
}


def clean_table() -> pd.DataFrame:
    """Six training and two test photos of each class, without any fault."""
    places = [
        (split, label, n) for label in CLASSES for split, photos in (("train", 6), ("test", 2)) for n in range(photos)
    ]
    return build_table(
        {
            "image_id": f"{position:064x}",
            "path": f"{split}/{label}/{n}.jpg",
            "label": label,
            "split": split,
            "width": 640,
            "height": 480,
            "mode": "RGB",
            "format": "JPEG",
            "file_size_kb": 50,
            "aspect_ratio": 640 / 480,
            "brightness": 0.5,
            "contrast": 0.2,
            "red_mean": 0.5,
            "green_mean": 0.5,
            "blue_mean": 0.5,
            "sharpness": 300,
            "phash": f"{position:016x}",
            "is_readable": True,
        }
        for position, (split, label, n) in enumerate(places)
    )


def outcome(table: pd.DataFrame, limits: ValidationSettings = LIMITS, folder: Path = SUITES) -> ValidationResult:
    return validate(table, CLASSES, limits, folder)


def check(result: ValidationResult, name: str) -> Check:
    (found,) = [check for check in result.checks if check.name == name]
    return found


def at(table: pd.DataFrame, path: str, **values: object) -> pd.DataFrame:
    """The table with one row changed."""
    changed = table.copy()
    for column, value in values.items():
        changed.loc[changed["path"] == path, column] = value
    return changed


def unreadable(table: pd.DataFrame, *paths: str) -> pd.DataFrame:
    """The table as the audit would have made it, had these files been damaged."""
    rows = table.to_dict("records")
    kept = ("path", "label", "split")
    return build_table(
        {**{column: row[column] for column in kept}, "problem": "damaged"} if row["path"] in paths else row
        for row in rows
    )


def without(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    return table[~table["path"].str.startswith(prefix)]


def twin(table: pd.DataFrame, path: str, other: str) -> pd.DataFrame:
    """The table with the bytes of one photo in the place of another."""
    return at(table, other, image_id=table.loc[table["path"] == path, "image_id"].item())


@pytest.fixture(scope="module")
def clean() -> ValidationResult:
    return outcome(clean_table())


def test_a_clean_table_passes_every_check(clean: ValidationResult) -> None:
    assert clean.passed
    assert [check.name for check in clean.checks if not check.passed] == []
    assert clean.photos == 16


def test_checks_come_in_the_order_of_the_suite_each_with_a_name_and_a_meaning_of_its_own(
    clean: ValidationResult,
) -> None:
    entries = yaml.safe_load((SUITES / "image_table.yaml").read_text())["expectations"]
    assert [check.name for check in clean.checks] == [entry["meta"]["check"] for entry in entries]
    assert len({check.name for check in clean.checks}) == len(clean.checks)
    assert all(check.meaning and check.expected and check.observed for check in clean.checks)


def test_every_column_of_the_image_table_is_asked_for(clean: ValidationResult) -> None:
    for column in clean_table().columns:
        assert column in check(clean, "columns_present").expected


# One fault a photo, and the checks that must name this photo and no other.
FAULTS: dict[str, tuple[dict[str, object], set[str]]] = {
    "train/ok/0.jpg": ({"split": "trian"}, {"splits_known"}),
    "train/ok/1.jpg": ({"format": "TIFF"}, {"formats_allowed"}),
    "train/ok/2.jpg": ({"image_id": "abc"}, {"digests_complete"}),
    "train/ok/3.jpg": ({"phash": ""}, {"perceptual_hashes_complete"}),
    "train/ok/4.jpg": ({"label": "Ok"}, {"labels_known"}),
    "train/ok/5.jpg": ({"sharpness": -1.0}, {"sharpness_possible"}),
    "train/scratch/0.jpg": ({"brightness": 1.01}, {"brightness_possible"}),
    "train/scratch/1.jpg": ({"contrast": 0.51}, {"contrast_possible"}),
    "train/scratch/2.jpg": ({"red_mean": -0.1}, {"red_possible"}),
    "train/scratch/3.jpg": ({"green_mean": 1.1}, {"green_possible"}),
    "train/scratch/4.jpg": ({"blue_mean": -0.1}, {"blue_possible"}),
    "train/scratch/5.jpg": (
        {"width": 0.0, "height": 0.0, "aspect_ratio": 0.0, "file_size_kb": 0.0},
        {"width_possible", "height_possible", "aspect_ratio_possible", "file_size_possible"},
    ),
    "test/ok/0.jpg": (dict.fromkeys(MEASURED, float("nan")), set(MEASURED.values())),
}


def test_each_faulty_photo_is_named_by_the_error_check_of_its_fault_and_by_no_other() -> None:
    table = clean_table()
    for path, (values, _) in FAULTS.items():
        table = at(table, path, **values)
    result = outcome(table)
    assert not result.passed
    named = {check.name: check.examples for check in result.failed("error")}
    assert named == {name: (path,) for path, (_, names) in FAULTS.items() for name in names}
    assert all(name in result.error_sentence() for name in named)


DAMAGES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a row twice": (lambda t: pd.concat([t, t.tail(1)], ignore_index=True), "paths_unique"),
    "too many unreadable": (lambda t: unreadable(t, "test/ok/0.jpg", "test/scratch/0.jpg"), "unreadable_share"),
    "a rare class": (lambda t: without(without(t, "train/ok/0"), "train/ok/1"), "photos_per_class"),
    "a class without test": (lambda t: without(t, "test/scratch"), "classes_in_test"),
    "two labels": (lambda t: twin(t, "train/ok/0.jpg", "train/scratch/0.jpg"), "one_label_per_photo"),
    "a column missing": (lambda t: t.drop(columns="mode"), "columns_present"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_faulty_dataset_fails_its_error_check_alone(damage: str) -> None:
    spoil, expected = DAMAGES[damage]
    result = outcome(spoil(clean_table()))
    assert [check.name for check in result.failed("error")] == [expected]
    assert not result.passed
    assert expected in result.error_sentence()


POOR: dict[str, tuple[dict[str, object], set[str]]] = {
    "train/ok/0.jpg": ({"brightness": 0.07}, {"not_too_dark"}),
    "train/ok/1.jpg": ({"brightness": 0.93}, {"not_too_bright"}),
    "train/ok/2.jpg": ({"contrast": 0.02}, {"enough_contrast"}),
    "train/ok/3.jpg": ({"sharpness": 9.0}, {"sharp_enough"}),
    "train/ok/4.jpg": ({"aspect_ratio": 4.1}, {"usual_aspect_ratio"}),
    "train/ok/5.jpg": ({"width": 63.0, "height": 63.0}, {"wide_enough", "high_enough"}),
}


def test_each_poor_photo_is_named_by_a_warning_and_stops_nothing() -> None:
    table = clean_table()
    for path, (values, _) in POOR.items():
        table = at(table, path, **values)
    result = outcome(table)
    assert result.passed
    named = {check.name: check.examples for check in result.failed("warning")}
    assert named == {name: (path,) for path, (_, names) in POOR.items() for name in names}


def test_a_photo_much_taller_than_wide_is_a_warning_too() -> None:
    result = outcome(at(clean_table(), "train/ok/3.jpg", aspect_ratio=0.24))
    assert [check.name for check in result.failed("warning")] == ["usual_aspect_ratio"]


def test_one_poor_photo_in_a_hundred_passes_but_is_named() -> None:
    many = pd.concat([clean_table().assign(path=lambda t, n=n: f"{n}/" + t["path"]) for n in range(7)])
    result = outcome(at(many, "0/train/ok/3.jpg", brightness=0.01))
    dark = check(result, "not_too_dark")
    assert dark.passed
    assert (dark.unexpected_count, dark.examples) == (1, ("0/train/ok/3.jpg",))


def test_an_unreadable_file_is_a_warning_up_to_the_limit() -> None:
    result = outcome(unreadable(clean_table(), "test/ok/0.jpg"))
    assert result.passed
    assert {check.name for check in result.failed("warning")} == {"all_files_readable"}
    assert check(result, "all_files_readable").examples == ("test/ok/0.jpg",)


@given(total=st.integers(1, 40).map(lambda n: n * 20), percent=st.integers(1, 19).map(lambda n: n * 5))
@settings(deadline=None, max_examples=50)
def test_exactly_the_allowed_share_of_unreadable_files_passes(total: int, percent: int) -> None:
    """The comparison is Great Expectations': (rows - unexpected) / rows >= mostly; the rounding must not break it."""
    unreadable_files = total * percent // 100
    assert (total - unreadable_files) / total >= round(1 - percent / 100, 9)


def test_a_photo_in_train_and_test_is_a_warning_that_lists_both_files_together() -> None:
    table = twin(clean_table(), "train/ok/0.jpg", "test/ok/1.jpg")
    table = twin(table, "train/scratch/5.jpg", "test/scratch/0.jpg")
    result = outcome(table)
    assert result.passed
    assert {check.name for check in result.failed("warning")} == {"train_and_test_apart", "no_exact_copies"}
    pairs = check(result, "train_and_test_apart").examples
    assert {pairs[:2], pairs[2:]} == {
        ("test/ok/1.jpg", "train/ok/0.jpg"),
        ("test/scratch/0.jpg", "train/scratch/5.jpg"),
    }


def test_copies_within_train_are_a_warning() -> None:
    result = outcome(twin(clean_table(), "train/ok/0.jpg", "train/ok/4.jpg"))
    assert {check.name for check in result.failed("warning")} == {"no_exact_copies"}
    assert check(result, "no_exact_copies").examples == ("train/ok/0.jpg", "train/ok/4.jpg")


def test_unreadable_files_are_no_copies_of_each_other() -> None:
    result = outcome(
        unreadable(clean_table(), "train/ok/0.jpg", "test/scratch/0.jpg"),
        ValidationSettings(max_unreadable_share=0.5, min_photos_per_class=5),
    )
    assert {check.name for check in result.failed("warning")} == {"all_files_readable"}


def test_a_source_without_test_folder_is_counted_whole_and_needs_no_test_photos() -> None:
    result = outcome(clean_table().assign(split=""), ValidationSettings(min_photos_per_class=8))
    assert result.passed
    assert check(result, "classes_in_test").observed == "no such rows"
    short = outcome(clean_table().assign(split=""), ValidationSettings(min_photos_per_class=9))
    assert check(short, "photos_per_class").observed == "ok 8, scratch 8"


def test_limits_are_those_of_the_settings() -> None:
    table = clean_table()
    assert check(outcome(table, ValidationSettings(min_photos_per_class=6)), "photos_per_class").passed
    strict = outcome(table, ValidationSettings(min_photos_per_class=7))
    assert not strict.passed
    assert check(strict, "photos_per_class").expected == "at least 7 rows of each of ok, scratch"
    assert check(strict, "photos_per_class").unexpected_count == 2


def test_the_table_is_left_as_it_was() -> None:
    table = clean_table()
    outcome(table)
    pd.testing.assert_frame_equal(table, clean_table())


def test_the_error_sentence_names_check_numbers_and_first_files_and_the_way_out() -> None:
    files = [f"train/ok/{n}.jpg" for n in range(5)]
    table = clean_table()
    for file in files:
        table = at(table, file, format="TIFF")
    assert outcome(table).error_sentence() == (
        "The photos fail 1 check of expectations/image_table.yaml: formats_allowed (format: not so in 5 of 16 "
        "(31.25%); expected one of JPEG, PNG, WEBP, BMP: train/ok/0.jpg, train/ok/1.jpg, train/ok/2.jpg and 2 more); "
        "mend the files or their labels and run again, or change the limits under validation: in the run configuration."
    )


def test_a_result_that_passed_has_no_error_sentence(clean: ValidationResult) -> None:
    with pytest.raises(ValueError, match="passed"):
        clean.error_sentence()


def test_at_most_twenty_files_are_named() -> None:
    table = pd.concat([clean_table(), clean_table().assign(path=lambda t: "more/" + t["path"])]).assign(format="TIFF")
    found = check(outcome(table), "formats_allowed")
    assert len(found.examples) == 20
    assert found.unexpected_count == 32


def test_a_result_survives_json() -> None:
    result = outcome(at(twin(clean_table(), "train/ok/0.jpg", "test/ok/1.jpg"), "train/ok/2.jpg", format="TIFF"))
    values = json.loads(json.dumps(result.to_json()))
    assert values["passed"] is False
    assert ValidationResult.from_json(values) == result


def test_data_docs_are_written_where_asked_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    validate(clean_table(), CLASSES, LIMITS, SUITES, Path("docs"))
    assert (tmp_path / "docs" / "index.html").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "temporary"]
    assert list(temporary.iterdir()) == []


def test_data_docs_escape_what_files_and_folders_are_called(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    table = at(clean_table(), "train/ok/0.jpg", label=script).replace({"path": {"train/ok/0.jpg": f"{script}.jpg"}})
    validate(table, (*CLASSES, script), LIMITS, SUITES, tmp_path)
    (page,) = (tmp_path / "validations").rglob("*.html")
    assert script not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()


def test_the_library_neither_prints_nor_logs_and_its_log_level_is_put_back(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, logger="great_expectations")
    validate(clean_table().drop(columns="brightness"), CLASSES, LIMITS, SUITES, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert [record.name for record in caplog.records if record.name.startswith("great_expectations")] == []
    assert logging.getLogger("great_expectations").level == logging.DEBUG


def test_a_missing_column_fails_the_checks_that_need_it() -> None:
    result = outcome(clean_table().drop(columns="brightness"))
    assert {check.name for check in result.failed("error")} == {
        "columns_present",
        "brightness_measured",
        "brightness_possible",
    }
    assert check(result, "not_too_dark").observed == "the table has no column brightness"
    assert check(result, "columns_present").observed == "missing: brightness"


def write_suite(folder: Path, *entries: object, **top: object) -> Path:
    (folder / "own.yaml").write_text(yaml.safe_dump({"expectations": list(entries), **top}))
    return folder


NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "label"}}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**NOT_NULL, "type": "expect_column_valeus_to_not_be_null"}, "expect_column_valeus_to_not_be_null is no type"),
        ({**NOT_NULL, "severity": "error"}, "Invalid severity 'error'"),
        ({**NOT_NULL, "severty": "warning"}, "severty"),
        ({**NOT_NULL, "kwargs": {"column": "label", "mosty": 0.9}}, "mosty"),
        ({**NOT_NULL, "kwargs": {"column": "label", "mostly": 9}}, "mostly"),
        ({**NOT_NULL, "kwargs": {}}, "column field required"),
        ({**NOT_NULL, "kwargs": ["label"]}, "must be a dict"),
        ({"kwargs": {"column": "label"}}, "expected a mapping with type and kwargs"),
        ("expect_column_to_exist", "expected a mapping with type and kwargs"),
    ],
)
def test_a_misspelt_expectation_is_an_error_that_names_file_and_place(
    tmp_path: Path, entry: object, message: str
) -> None:
    folder = write_suite(tmp_path, NOT_NULL, entry)
    with pytest.raises(UserError) as error:
        outcome(clean_table(), ValidationSettings(suite="own"), folder)
    assert f"{tmp_path / 'own.yaml'}, expectation 2" in error.value.message
    assert message in error.value.message
    assert "\n" not in error.value.message


def test_an_unknown_parameter_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, {**NOT_NULL, "kwargs": {"column": "label", "mostly": {"$PARAMETER": "min_shaer"}}})
    with pytest.raises(UserError, match=r"own\.yaml: \$PARAMETER min_shaer is unknown"):
        outcome(clean_table(), ValidationSettings(suite="own"), folder)


def test_what_cannot_be_computed_is_an_error_and_no_silent_pass(tmp_path: Path) -> None:
    entry = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "label", "regex": "("}}
    with pytest.raises(UserError, match=r"own\.yaml: the check expect_column_values_to_match_regex cannot be computed"):
        outcome(clean_table(), ValidationSettings(suite="own"), write_suite(tmp_path, entry))


def test_a_suite_that_does_not_exist_is_an_error_that_names_those_that_do() -> None:
    with pytest.raises(UserError, match=r"imagetable\.yaml does not exist.*there: image_table"):
        outcome(clean_table(), ValidationSettings(suite="imagetable"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("expectations: [", "no valid YAML"),
        ("- just a list", "no list under expectations"),
        ("expectation: []", "no list under expectations"),
        ("expectations: []", "nothing would be checked"),
        ("expectations: [a]\nsuite: x", "suite is no key of a suite"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        outcome(clean_table(), ValidationSettings(suite="own"), tmp_path)
    assert str(tmp_path / "own.yaml") in error.value.message
    assert message in error.value.message
    assert "\n" not in error.value.message


def test_expectations_of_ones_own_need_neither_name_nor_meaning(tmp_path: Path) -> None:
    entries = [
        {"type": "expect_column_to_exist", "kwargs": {"column": "nothing"}, "severity": "warning"},
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 20}, "severity": "info"},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "brightness", "max_value": 1}},
    ]
    result = outcome(clean_table(), ValidationSettings(suite="own"), write_suite(tmp_path, *entries))
    assert result.passed
    assert [check.name for check in result.failed("warning")] == ["expect_column_to_exist"]
    assert [(check.observed, check.expected) for check in result.checks] == [
        ("missing", "the column nothing"),
        ("16", "at least 20 rows"),
        ("0.5", "at most 1"),
    ]
