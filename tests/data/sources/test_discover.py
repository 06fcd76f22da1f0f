import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.data.sources import discover, telling_names
from quality_gate.data_settings import DataSettings
from quality_gate.errors import UserError


@pytest.fixture
def two(write_photos, tmp_path):
    """A source of train and test, and one of class folders alone."""
    write_photos("train/a/1.png", "train/b/1.png", "test/a/2.png").rename(tmp_path / "monday")
    write_photos("b/1.png", "c/1.png").rename(tmp_path / "tuesday")
    return tmp_path / "monday", tmp_path / "tuesday"


def listed(source):
    return [(file.path, file.label, file.split) for file in source.files]


def test_several_sources_are_one_with_all_classes(two):
    source = discover(two[1:])
    assert listed(source) == [("b/1.png", "b", ""), ("c/1.png", "c", "")]
    source = discover(two)
    assert listed(source) == [
        ("monday/test/a/2.png", "a", "test"), ("monday/train/a/1.png", "a", "train"),
        ("monday/train/b/1.png", "b", "train"), ("tuesday/b/1.png", "b", "train"), ("tuesday/c/1.png", "c", "train"),
    ]  # fmt: skip
    assert source.classes == ("a", "b", "c")
    assert source.name == f"{two[0]}, {two[1]}"
    assert source.places == (str(two[0]), str(two[1]))


def test_a_csv_file_joins_a_folder_and_its_missing_files_are_listed_below_its_name(two):
    (two[1] / "more.csv").write_text("path,label\nb/1.png,x\ngone.png,x\n")
    source = discover([two[0], two[1] / "more.csv"], DataSettings(missing="drop", label_map={"x": "a"}))
    assert listed(source)[0] == ("monday/test/a/2.png", "a", "test")
    assert listed(source)[-1] == ("more.csv/b/1.png", "a", "train")
    assert [(file.path, file.label) for file in source.left_out] == [("more.csv/gone.png", "a")]


def test_reviewed_photos_join_without_changing_the_paths_of_the_source(two):
    source = discover(two[0], DataSettings(reviewed=str(two[1])))
    assert listed(source) == [
        ("reviewed/b/1.png", "b", "reviewed"),
        ("test/a/2.png", "a", "test"), ("train/a/1.png", "a", "train"), ("train/b/1.png", "b", "train"),
    ]  # fmt: skip
    assert source.places == (str(two[0]), str(two[1]))
    assert [(file.path, file.problem) for file in source.left_out] == [
        ("reviewed/c/1.png", "its class 'c' is none of the source")
    ]


@pytest.mark.parametrize(
    ("place", "reason"),
    [("gone", "gone does not exist"), ("empty", "empty: the folder is empty"), ("other.csv", "has no column 'path'")],
)
def test_reviewed_photos_that_cannot_be_listed_are_one_sentence_about_them(two, tmp_path, place, reason):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.csv").write_text("file,kind\n1.png,a\n")
    with pytest.raises(UserError, match=r"^data\.reviewed: .*columns path and label\.$") as error:
        discover(two[0], DataSettings(reviewed=str(tmp_path / place)))
    assert reason in error.value.message


def test_a_class_may_be_called_as_the_folder_of_reviewed_photos_while_no_two_photos_get_one_name(
    write_photos, tmp_path
):
    write_photos("a/1.png", "reviewed/2.png").rename(tmp_path / "source")
    write_photos("a/1.png", "reviewed/3.png").rename(tmp_path / "operation")
    settings = DataSettings(reviewed=str(tmp_path / "operation"))
    assert listed(discover(tmp_path / "source", settings))[1:] == [
        ("reviewed/2.png", "reviewed", ""),
        ("reviewed/a/1.png", "a", "reviewed"), ("reviewed/reviewed/3.png", "reviewed", "reviewed"),
    ]  # fmt: skip
    (tmp_path / "source" / "reviewed" / "a").mkdir()
    (tmp_path / "source" / "reviewed" / "2.png").rename(tmp_path / "source" / "reviewed" / "a" / "1.png")
    with pytest.raises(UserError, match=r"^data\.reviewed: reviewed/a/1\.png would be the name of two photos"):
        discover(tmp_path / "source", settings)


def test_labels_of_reviewed_photos_are_not_renamed_again(two):
    source = discover(two[0], DataSettings(reviewed=str(two[1]), label_map={"a": "b", "b": "other"}))
    assert [file.label for file in source.files if file.split == "reviewed"] == ["b"]


def test_reviewed_photos_of_a_csv_file_have_columns_of_their_own(two):
    (two[1] / "labels.csv").write_text("path,label\nb/1.png,a\n")
    (two[0] / "source.csv").write_text("file;class\ntrain/a/1.png;a\ntrain/b/1.png;b\n")
    columns = {"file_column": "file", "label_column": "class", "separator": ";"}
    source = discover(two[0] / "source.csv", DataSettings(csv=columns, reviewed=str(two[1] / "labels.csv")))
    assert listed(source) == [
        ("reviewed/b/1.png", "a", "reviewed"), ("train/a/1.png", "a", ""), ("train/b/1.png", "b", ""),
    ]  # fmt: skip


def test_a_source_of_one_class_may_join_others(write_photos, tmp_path, two):
    write_photos("d/1.png").rename(tmp_path / "wednesday")
    assert discover([two[1], tmp_path / "wednesday"]).classes == ("b", "c", "d")


def test_labels_of_two_sources_that_differ_in_case_are_told(write_photos, tmp_path, two):
    write_photos("B/1.png", "C/1.png").rename(tmp_path / "wednesday")
    with pytest.raises(UserError, match=r"^'B' and 'b' in .*tuesday, .*wednesday differ only in case"):
        discover([two[1], tmp_path / "wednesday"])


def test_a_class_that_only_the_test_of_one_source_has_is_told(write_photos, tmp_path, two):
    write_photos("train/b/1.png", "train/c/1.png", "test/e/1.png").rename(tmp_path / "wednesday")
    with pytest.raises(UserError, match="wednesday: the class 'e' is in test and unknown to train"):
        discover([two[1], tmp_path / "wednesday"])


def test_a_source_named_twice_is_told(two):
    with pytest.raises(UserError, match=f"^data.source names {two[1]} twice; name each source once.$"):
        discover([two[1], two[0], two[1]])


def test_a_file_url_is_a_folder_of_this_machine(two):
    source = discover(f"file://{two[1]}")
    assert source.name == str(two[1])
    assert source.files[0].origin.remote is False


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (["/data/photos"], ["photos"]),
        (["/data/monday", "/data/tuesday/"], ["monday", "tuesday"]),
        (["/line1/photos", "/line2/photos", "/line2/labels.csv"], ["line1-photos", "line2-photos", "labels.csv"]),
        (["s3://a/photos", "/b/photos"], ["a-photos", "b-photos"]),
        (["/photos", "/x/photos"], ["photos", "x-photos"]),
        (["s3://a/b", "gs://a/b"], ["s3-a-b", "gs-a-b"]),
        (["/a-b/c", "/a/b-c", "/c"], ["a-b-c", "b-c", "c"]),
    ],
)
def test_names_are_as_short_as_they_can_be_told_apart(places, names):
    assert telling_names(places) == names


part = st.sampled_from(["a", "b", "a-b", "1-a", "photos"])


@given(st.lists(st.lists(part, min_size=1, max_size=4).map("/".join), min_size=1, max_size=6, unique=True))
def test_names_of_different_places_differ_and_have_no_folders(places):
    names = telling_names([f"/{place}" for place in places])
    assert len(set(names)) == len(places)
    assert not any("/" in name for name in names)
