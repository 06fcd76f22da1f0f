import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.data.sources.labels import choose_classes
from quality_gate.data.sources.photo_file import PhotoFile, Source
from quality_gate.errors import UserError


def source(*labels, left_out=()):
    files = tuple(PhotoFile(f"{number}.jpg", label, "") for number, label in enumerate(labels))
    return Source("photos", ("photos",), files, tuple(sorted({*labels} - {""})), left_out)


def labels(chosen):
    return [file.label for file in chosen.files]


def test_without_settings_nothing_changes():
    assert choose_classes(source("a", "b", ""), {}, 0) == source("a", "b", "")


def test_classes_are_renamed_and_merged_and_dropped():
    chosen = choose_classes(source("a", "b", "c", "d", "a"), {"a": "good", "b": "good", "c": None}, 0)
    assert labels(chosen) == ["good", "good", "d", "good"]
    assert chosen.classes == ("d", "good")
    assert [(file.path, file.label, file.problem) for file in chosen.left_out] == [
        ("2.jpg", "c", "its class 'c' is dropped by data.label_map")
    ]


def test_names_may_be_exchanged():
    assert labels(choose_classes(source("a", "b"), {"a": "b", "b": "a"}, 0)) == ["b", "a"]


def test_a_name_given_away_may_be_taken_by_another():
    chosen = choose_classes(source("a", "b", "c"), {"a": None, "b": "a"}, 0)
    assert (labels(chosen), chosen.classes) == (["a", "c"], ("a", "c"))


def test_spellings_can_be_brought_together():
    assert choose_classes(source("Onion", "onion ", "leek"), {"Onion": "onion", "onion ": "onion"}, 0).classes == (
        "leek", "onion",
    )  # fmt: skip


def test_what_is_left_out_already_is_renamed_too():
    gone = PhotoFile("x.jpg", "a", "", "no such file, line 9")
    chosen = choose_classes(source("a", "b", left_out=(gone,)), {"a": "good"}, 0)
    assert [(file.label, file.problem) for file in chosen.left_out] == [("good", "no such file, line 9")]


def test_only_the_first_classes_stay_if_so_many_are_asked_for():
    chosen = choose_classes(source("d", "a", "c", "b", "b"), {"a": "z"}, 0, 2)
    assert chosen.classes == ("b", "c")
    assert [(file.path, file.problem) for file in chosen.left_out] == [
        ("0.jpg", "its class 'd' is not among the first 2 that data.first_classes keeps"),
        ("1.jpg", "its class 'z' is not among the first 2 that data.first_classes keeps"),
    ]


def test_rare_classes_are_not_counted_among_the_first():
    assert choose_classes(source("a", "b", "b", "c", "c"), {}, 2, 2).classes == ("b", "c")


def test_more_first_classes_than_there_are_change_nothing():
    assert choose_classes(source("a", "b"), {}, 0, 7) == source("a", "b")


def test_rare_classes_are_left_out_with_their_count():
    chosen = choose_classes(source("a", "b", "a", "c", "b"), {}, 2)
    assert chosen.classes == ("a", "b")
    assert [(file.path, file.problem) for file in chosen.left_out] == [
        ("3.jpg", "its class 'c' has 1 photos; data.min_images_per_class asks for 2")
    ]


def test_files_that_cannot_be_tried_do_not_make_a_class_larger():
    files = (*source("a", "a", "b", "b", "c").files, PhotoFile("9.jpg", "c", "", "a link to nothing"))
    chosen = choose_classes(Source("photos", ("photos",), files, ("a", "b", "c")), {}, 2)
    assert chosen.classes == ("a", "b")
    assert [file.path for file in chosen.left_out] == ["4.jpg", "9.jpg"]


def test_what_is_rare_is_counted_after_merging():
    assert choose_classes(source("a", "b", "c", "c"), {"a": "x", "b": "x"}, 2).classes == ("c", "x")


@pytest.mark.parametrize(
    ("found", "label_map", "least", "message"),
    [
        ("ab", {"c": "d"}, 0, "data.label_map: 'c' is no class of photos; its classes are a, b."),
        ("ab", {"a": None}, 0, "photos: of its 2 classes data.label_map and data.min_images_per_class leave only 'b', "
         "and at least two are needed."),
        ("ab", {"a": "x", "b": "x"}, 0, "photos: of its 2 classes data.label_map and data.min_images_per_class leave "
         "only 'x', and at least two are needed."),
        ("ab", {}, 5, "photos: of its 2 classes data.label_map and data.min_images_per_class leave none, and at least "
         "two are needed."),
        ("ab", {"a": "B", "b": "b"}, 0, "'B' and 'b' in photos differ only in case, spaces or Unicode form; give one "
         "class one name, in the source or with data.label_map."),
        ("", {}, 0, "photos: no class, and at least two are needed; add the other classes, or name the folder that "
         "holds the class folders."),
    ],
)  # fmt: skip
def test_what_leaves_nothing_to_tell_apart_is_one_sentence(found, label_map, least, message):
    with pytest.raises(UserError) as caught:
        choose_classes(source(*found), label_map, least)
    assert caught.value.message == message


def test_of_many_classes_the_first_are_named():
    found = source(*(f"class {number:02}" for number in range(30)), *(f"class {number:02}" for number in range(30)))
    with pytest.raises(UserError, match=r"its classes are class 00, .*, class 19 and 10 more\.$"):
        choose_classes(found, {"x": None}, 0)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30), st.integers(0, 4), st.data())
def test_every_file_is_offered_or_left_out_with_a_reason_and_never_both(found, least, data):
    known = sorted(set(found))
    label_map = data.draw(st.dictionaries(st.sampled_from(known), st.sampled_from([None, "x", "y", "a"])))
    try:
        chosen = choose_classes(source(*found), label_map, least)
    except UserError:
        return
    offered, gone = {file.path for file in chosen.files}, {file.path for file in chosen.left_out}
    assert offered | gone == {file.path for file in source(*found).files}
    assert not offered & gone
    assert all(file.problem for file in chosen.left_out)
    assert {file.label for file in chosen.files} == set(chosen.classes)
    assert all(labels(chosen).count(label) >= least for label in chosen.classes)
