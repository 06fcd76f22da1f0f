import os
from pathlib import Path

import pytest

from quality_gate.data.sources import discover
from quality_gate.errors import UserError


def problems(root: Path) -> dict[str, str]:
    return {file.path: file.problem for file in discover(root).files if file.problem}


def test_class_folders_alone_give_labels_and_no_split(write_photos):
    source = discover(write_photos("potato/1.png", "onion/deep/er/2.png"))
    assert [(f.path, f.label, f.split, f.problem) for f in source.files] == [
        ("onion/deep/er/2.png", "onion", "", ""),
        ("potato/1.png", "potato", "", ""),
    ]
    assert source.classes == ("onion", "potato")


def test_train_and_test_folders_give_the_split(write_photos):
    source = discover(write_photos("train/a/1.png", "train/b/1.png", "test/a/1.png"))
    assert [(f.path, f.label, f.split) for f in source.files] == [
        ("test/a/1.png", "a", "test"),
        ("train/a/1.png", "a", "train"),
        ("train/b/1.png", "b", "train"),
    ]
    assert source.classes == ("a", "b")


def test_train_without_test_is_a_source_whose_test_is_still_to_be_made(write_photos):
    source = discover(write_photos("train/a/1.png", "train/b/1.png"))
    assert {file.split for file in source.files} == {"train"}


def test_hidden_files_and_what_systems_leave_behind_are_passed_over(write_photos):
    root = write_photos(
        "a/1.png", "b/1.png", "a/.DS_Store", "a/Thumbs.db", "a/.cache/x.png", "b/desktop.ini", "__MACOSX/a/1.png",
        ".git/x.png",
    )  # fmt: skip
    assert [file.path for file in discover(root).files] == ["a/1.png", "b/1.png"]


def test_a_file_that_is_no_photo_is_listed_all_the_same(write_photos):
    root = write_photos("a/1.png", "b/1.png", "b/notes.txt", "b/no suffix")
    assert [file.path for file in discover(root).files] == ["a/1.png", "b/1.png", "b/no suffix", "b/notes.txt"]


def test_photos_outside_class_folders_are_listed_with_their_problem_but_manifests_are_not(write_photos):
    root = write_photos("train/a/1.png", "train/b/1.png", "1.jpg", "train/2.HEIC", "val/a/3.png", "manifest.csv")
    expected = "lies outside any class folder; move it into one"
    assert problems(root) == dict.fromkeys(["1.jpg", "train/2.HEIC", "val/a/3.png"], expected)
    assert {file.label for file in discover(root).files if file.problem} == {""}


def test_links_are_followed_only_to_files_of_the_source(write_photos, tmp_path):
    root = write_photos("a/1.png", "b/1.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").write_bytes(b"x")
    (root / "a" / "inside.png").symlink_to(root / "b" / "1.png")
    (root / "a" / "out.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (root / "a" / "out").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "round").symlink_to(root)
    (root / "a" / "dangling.png").symlink_to(root / "gone.png")
    (root / "a" / "loop.png").symlink_to(root / "a" / "loop.png")
    assert problems(root) == {
        "a/dangling.png": "a link to nothing",
        "a/loop.png": "a link to nothing",
        "a/out": "a link out of the source folder, which is not followed; copy the photo here",
        "a/out.png": "a link out of the source folder, which is not followed; copy the photo here",
        "a/round": "a link to a folder, which is not followed; copy the photos here",
    }
    assert "a/inside.png" in {file.path for file in discover(root).files}


def test_a_class_folder_that_is_a_link_is_listed_not_followed(write_photos, tmp_path):
    root = write_photos("a/1.png", "b/1.png")
    (tmp_path / "c").mkdir()
    (root / "c").symlink_to(tmp_path / "c")
    assert list(problems(root)) == ["c"]


def test_the_source_itself_may_be_a_link(write_photos, tmp_path):
    (tmp_path / "link").symlink_to(write_photos("a/1.png", "b/1.png"))
    assert problems(tmp_path / "link") == {}


def test_a_pipe_is_no_photo_and_is_never_opened(write_photos):
    root = write_photos("a/1.png", "b/1.png")
    os.mkfifo(root / "a" / "pipe.png")
    assert problems(root) == {"a/pipe.png": "not a regular file"}


def test_a_file_name_that_is_not_utf8_is_listed_readably(write_photos):
    root = write_photos("a/1.png", "b/1.png")
    Path(os.fsdecode(os.fsencode(root / "a") + b"/\xff.png")).write_bytes(b"x")
    assert problems(root) == {"a/\\xff.png": "its name is not UTF-8; rename it"}


def test_a_folder_that_cannot_be_opened_is_listed(write_photos, monkeypatch):
    root = write_photos("a/1.png", "b/1.png", "b/locked/2.png")
    scandir = os.scandir

    def locked(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert problems(root) == {"b/locked": "the folder cannot be opened; allow reading it"}


def test_a_source_that_cannot_be_opened_is_an_error(write_photos, monkeypatch):
    root = write_photos("a/1.png", "b/1.png")
    monkeypatch.setattr(os, "scandir", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(UserError, match=r"photos: the folder cannot be opened \(Permission denied\); allow reading it"):
        discover(root)


def test_a_source_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path}/nowhere does not exist; expected a folder of class folders"):
        discover(tmp_path / "nowhere")


def test_a_source_that_is_a_file_is_named(write_photos):
    path = write_photos("x.zip") / "x.zip"
    with pytest.raises(UserError, match=f"^{path} is a file; expected a folder of class folders"):
        discover(path)


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / ".hidden").touch()
    with pytest.raises(UserError, match=f"^{tmp_path}: the folder is empty; expected one folder of photos for each"):
        discover(tmp_path)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["1.png", "2.png"], r"photos: no class folders; expected one folder of photos for each class\.$"),
        (["train/1.png"], r"photos/train: no class folders; expected one folder of photos for each class\.$"),
        (["a/1.png"], "photos: only one class, 'a', and at least two are needed; add the other classes"),
        (["train/a/1.png", "test/a/1.png"], "photos: only one class, 'a', and at least two"),
        (["a/1.png", "Train/a/1.png"], "photos/Train: rename the folder to 'train'"),
        (["train/a/1.png", "TEST/a/1.png"], "photos/TEST: rename the folder to 'test'"),
        (["test/a/1.png", "test/b/1.png"], "photos: there is a folder 'test' but no 'train'"),
        (["Potato/1.png", "potato/1.png"], "'Potato' and 'potato' in .*photos differ only in case, spaces"),
        (["onion/1.png", "onion /1.png"], "'onion' and 'onion ' in .*photos differ only in case, spaces"),
        (["pi\u00f1a/1.png", "pin\u0303a/1.png"], "differ only in case, spaces or Unicode form; give one class one"),
        (
            ["train/a/1.png", "train/b/1.png", "test/A/1.png"],
            "'A' and 'a' in .*photos differ only in case, spaces or Unicode form",
        ),
        (
            ["train/a/1.png", "train/b/1.png", "test/c/1.png"],
            "photos: the class 'c' is in test and unknown to train; add training photos of it, or drop it with data",
        ),
        (["a/1.png", "b/.hidden"], "photos/b: the class folder has no files; put photos into it or remove it"),
        (
            ["train/a/1.png", "train/b/1.png", "test/a/.hidden"],
            "photos/test/a: the class folder has no files; put photos into it or remove it",
        ),
        (
            ["train/a/1.png", "train/b/1.png", "test/1.png"],
            "photos/test: no class folders; expected one folder of photos for each class; remove it to have a test",
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_one_sentence_with_the_way_out(write_photos, paths, message):
    with pytest.raises(UserError, match=message) as caught:
        discover(write_photos(*paths))
    assert caught.value.message.count(".\n") == 0
    assert caught.value.message.endswith(".")


def test_a_train_folder_that_is_a_link_is_an_error(write_photos, tmp_path):
    (tmp_path / "real" / "a").mkdir(parents=True)
    root = write_photos("1.png")
    (root / "train").symlink_to(tmp_path / "real")
    with pytest.raises(UserError, match="photos/train is a link, and links to folders are not followed"):
        discover(root)


def test_a_class_name_that_is_not_utf8_is_an_error(write_photos):
    root = write_photos("a/1.png", "b/1.png")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).mkdir()
    with pytest.raises(UserError, match=r"photos: the folder name '\\xff' is not UTF-8; rename it"):
        discover(root)
