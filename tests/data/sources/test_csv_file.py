import pytest

from quality_gate.data.sources import discover
from quality_gate.data_settings import DataSettings
from quality_gate.errors import UserError

HEADER = "path,label\n"
ROWS = "a/1.png,a\na/2.png,a\nb/1.png,b\n"


@pytest.fixture
def root(write_photos):
    return write_photos("a/1.png", "a/2.png", "b/1.png")


@pytest.fixture
def listed(root):
    """Discovers what a CSV file beside the photos names."""

    def run(text, missing="fail", **csv):
        data = text if isinstance(text, bytes) else text.encode()
        (root / "labels.csv").write_bytes(data)
        return discover(root / "labels.csv", DataSettings(csv=csv, missing=missing))

    return run


@pytest.fixture
def sentence(listed, root):
    """What is said of a CSV file that cannot be used, without its place."""

    def run(text, **settings):
        with pytest.raises(UserError) as caught:
            listed(text, **settings)
        assert caught.value.message.count("\n") == 0
        assert caught.value.message.endswith(".")
        return caught.value.message.replace(f"{root}/", "")

    return run


def rows(source):
    return [(file.path, file.label, file.split, file.problem) for file in source.files]


def test_each_row_is_a_photo_with_its_label(listed, root):
    source = listed(HEADER + ROWS)
    assert rows(source) == [("a/1.png", "a", "", ""), ("a/2.png", "a", "", ""), ("b/1.png", "b", "", "")]
    assert (source.classes, source.left_out, source.name) == (("a", "b"), (), str(root / "labels.csv"))
    assert source.files[0].origin.read() == (root / "a/1.png").read_bytes()


def test_numbers_become_names_of_photos_elsewhere_and_keep_their_zeros(listed, root, tmp_path):
    (root / "a/1.png").rename(root / "a/007.png")
    source = listed(
        "id;kind;colour\n007;x;red\n2;y;blue\n", file_column="id", label_column="kind", separator=";", suffix=".png",
        images=str(root / "a"),
    )  # fmt: skip
    assert rows(source) == [("007.png", "x", "", ""), ("2.png", "y", "", "")]


def test_a_column_says_what_is_test(listed):
    source = listed("path,label,part\na/1.png,a,train\nb/1.png,b,train\na/2.png,a,test\n", split_column="part")
    assert [(file.path, file.split) for file in source.files] == [
        ("a/1.png", "train"), ("a/2.png", "test"), ("b/1.png", "train"),
    ]  # fmt: skip


def test_absolute_paths_below_the_folder_are_taken(listed, root):
    assert rows(listed(f"{HEADER}{root}/a/1.png,a\nb/../b/1.png,b\n")) == [
        ("a/1.png", "a", "", ""), ("b/1.png", "b", "", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encodings_of_spreadsheets_are_read(listed, encoding):
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    assert listed(f"{HEADER}a/1.png,piña\nb/1.png,b\n".encode(encoding), encoding=name).classes == ("b", "piña")


def test_quotes_spaces_after_separators_blank_lines_and_line_ends_of_windows_are_read(listed):
    text = '\r\npath, label\r\n"a/1.png", "red, or green"\r\n\r\nb/1.png, b\r\n'
    assert [file.label for file in listed(text).files] == ["red, or green", "b"]


def test_rows_without_a_file_are_left_out_and_listed_if_the_settings_say_so(listed):
    source = listed(f"{HEADER}{ROWS}a/gone.png,a\nc/gone.png,c\n", missing="drop")
    assert len(source.files) == 3
    assert source.classes == ("a", "b")
    assert [(file.path, file.label, file.problem) for file in source.left_out] == [
        ("a/gone.png", "a", "no such file, line 5"), ("c/gone.png", "c", "no such file, line 6"),
    ]  # fmt: skip


def test_a_link_out_of_the_folder_is_listed_and_not_opened(listed, root, tmp_path):
    (tmp_path / "elsewhere.png").write_bytes(b"x")
    (root / "b/link.png").symlink_to(tmp_path / "elsewhere.png")
    (problem,) = [file.problem for file in listed(f"{HEADER}{ROWS}b/link.png,b\n").files if file.problem]
    assert problem.startswith("a link out of the source folder")


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "labels.csv is empty; expected a header and a row for each photo."),
        (" \n\n", {}, "labels.csv is empty; expected a header and a row for each photo."),
        (b"\xef\xbb\xbf", {}, "labels.csv is empty; expected a header and a row for each photo."),
        (HEADER, {}, "labels.csv has a header and no rows; expected a row for each photo."),
        (
            "id,kind\n1,a\n", {},
            "labels.csv has no column 'path'; name one of its columns in data.csv.file_column: id, kind.",
        ),
        (
            "path,kind\na/1.png,a\n", {},
            "labels.csv has no column 'label'; name one of its columns in data.csv.label_column: path, kind.",
        ),
        (
            HEADER + ROWS, {"split_column": "part"},
            "labels.csv has no column 'part'; name one of its columns in data.csv.split_column: path, label.",
        ),
        ("path,label,label\na/1.png,a,a\n", {}, "labels.csv has 2 columns 'label'; rename all but one."),
        (
            "path;label\na/1.png;a\n", {},
            "labels.csv: its header 'path;label' is one column when parted at ','; set data.csv.separator to ';'.",
        ),
        (
            "path\tlabel\na/1.png\ta\n", {"separator": ";"},
            "labels.csv: its header 'path\\tlabel' is one column when parted at ';'; set data.csv.separator to "
            "\"\\t\" (tab).",
        ),
        (
            f"{HEADER}a/1.png,pi\u00f1a\n".encode("cp1252"), {},
            "labels.csv is not utf-8: byte 0xf1 in line 2; name its encoding in data.csv.encoding, perhaps cp1252.",
        ),
        (
            HEADER.encode("utf-16"), {},
            "labels.csv is not utf-8: byte 0xff in line 1; name its encoding in data.csv.encoding, perhaps utf-16.",
        ),
        (
            f"{HEADER}a/1.png,\u00f1\n".encode(), {"encoding": "ascii"},
            "labels.csv is not ascii: byte 0xc3 in line 2; name its encoding in data.csv.encoding, perhaps utf-8.",
        ),
        (
            f"{HEADER}{ROWS}a/1.png,a\n", {},
            "labels.csv: lines 2 and 5 both name a/1.png, with the same label; remove one.",
        ),
        (
            f"{HEADER}{ROWS}./a/1.png,b\n", {},
            "labels.csv: lines 2 and 5 both name a/1.png, with the labels 'a' and 'b'; remove the wrong one.",
        ),
        (
            "path,label,part\na/1.png,a,train\na/1.png,a,test\n", {"split_column": "part"},
            "labels.csv: lines 2 and 3 both name a/1.png, for train and test; remove one.",
        ),
        (
            f"{HEADER}a/1.png,\n", {},
            "labels.csv: line 2 has nothing in the column 'label'; fill it in or remove the line.",
        ),
        (
            f"{HEADER} ,a\n", {},
            "labels.csv: line 2 has nothing in the column 'path'; fill it in or remove the line.",
        ),
        (
            f"{HEADER}a/1.png,a, or b\n", {},
            "labels.csv: line 2 has 3 fields and the header 2; put quotes around fields that contain ','.",
        ),
        (
            f'{HEADER}"a/1.png,a\n', {},
            "labels.csv: line 2 is no CSV (unexpected end of data); correct its quotes.",
        ),
        (
            "path,label,part\na/1.png,a,val\n", {"split_column": "part"},
            "labels.csv: line 2 has 'val' in the column 'part'; expected train or test (photos for validation and "
            "calibration are taken from train).",
        ),
        (
            "path,label,part\na/1.png,a,train\nb/1.png,b,\n", {"split_column": "part"},
            "labels.csv: line 3 has nothing in the column 'part' and other lines have; write train or test into every "
            "line, or into none.",
        ),
        (
            "path,label,part\na/1.png,a,test\nb/1.png,b,test\n", {"split_column": "part"},
            "labels.csv: all photos are test photos; say which ones to train on.",
        ),
        (
            "path,label,part\na/1.png,a,train\na/2.png,c,train\nb/1.png,b,test\n", {"split_column": "part"},
            "labels.csv: the class 'b' is in test and unknown to train; add training photos of it, or drop it with "
            "data.label_map.",
        ),
        (
            f"{HEADER}{ROWS}b/gone.png,b\nb/lost.png,b\n", {},
            "labels.csv: 2 of its 5 files do not exist, the first is b/gone.png (line 5); add them, or set "
            "data.missing to drop to leave their rows out.",
        ),
        (
            f"{HEADER}1,a\n2,b\n", {"missing": "drop"},
            "labels.csv: none of its 2 files exists, the first is 1 (line 2); set data.csv.images to the folder of the "
            "photos, and data.csv.suffix to what their names end with, such as .jpg.",
        ),
        (f"{HEADER}a/1.png,a\n", {}, "labels.csv: only one class, 'a', and at least two are needed; add the other "
         "classes, or name the folder that holds the class folders."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_one_sentence_with_the_way_out(sentence, text, settings, message):
    assert sentence(text, **settings) == message


def test_a_path_out_of_the_folder_is_told(sentence, root):
    assert sentence(f"{HEADER}../a.png,a\n").startswith("labels.csv: line 2 names '../a.png', which lies outside ")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path}/no.csv does not exist; expected a CSV file with a row for each"):
        discover(tmp_path / "no.csv")


def test_a_folder_of_photos_that_is_not_there_is_told(sentence):
    assert sentence(HEADER + ROWS, images="/nowhere").startswith("data.csv.images: /nowhere is no folder; expected ")


def test_labels_that_number_the_photos_are_told(sentence, write_photos):
    write_photos(*(f"c/{number}.png" for number in range(11)))
    text = HEADER + "".join(f"c/{number}.png,{number}\n" for number in range(11))
    assert sentence(text).startswith("labels.csv: 11 photos in 11 classes; the labels seem to name single photos")


def test_a_folder_whose_name_ends_like_a_csv_file_is_a_folder(write_photos, tmp_path):
    write_photos("a/1.png", "b/1.png").rename(tmp_path / "photos.csv")
    assert discover(tmp_path / "photos.csv").classes == ("a", "b")
