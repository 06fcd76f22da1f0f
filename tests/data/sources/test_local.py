import os
from pathlib import Path

import pytest

from quality_gate.data.sources import local, photo_file
from quality_gate.data.sources.local import LocalFile, LocalTree
from quality_gate.errors import UserError
from quality_gate.preprocess import UnreadableImage


@pytest.fixture
def root(tmp_path):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "photos" / "1.jpg").write_bytes(b"one")
    (tmp_path / "photos" / "deep" / "2.jpg").write_bytes(b"two")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    return tmp_path / "photos"


def stamp(root, monkeypatch):
    monkeypatch.setattr(local, "COARSEST_CLOCK_NS", 0)
    return LocalTree(root).find("1.jpg").origin.stamp


def test_a_file_is_found_by_its_path_and_read(root):
    entry = LocalTree(root).find("deep/2.jpg")
    assert (entry.path, entry.problem, entry.origin.name) == ("deep/2.jpg", "", str(root / "deep" / "2.jpg"))
    assert entry.origin.read() == b"two"


@pytest.mark.parametrize("path", ["gone.jpg", "gone/1.jpg", "1.jpg/2.jpg", "nul\0.jpg"])
def test_a_file_that_is_not_there_is_none(root, path):
    assert LocalTree(root).find(path) is None


def test_the_name_is_absolute_wherever_the_root_is_named_from(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    assert LocalTree(Path("photos")).find("1.jpg").origin.name == str(root / "1.jpg")
    monkeypatch.chdir(root)
    assert LocalTree(Path()).find("1.jpg").origin.name == str(root / "1.jpg")


@pytest.mark.parametrize(
    ("path", "relative"),
    [
        ("1.jpg", "1.jpg"), ("./deep/../1.jpg", "1.jpg"), ("{root}/deep/2.jpg", "deep/2.jpg"), ("../outside.jpg", None),
        ("/etc/passwd", None), ("{root}x/1.jpg", None),
    ],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_root_has_no_place_in_it(root, path, relative):
    assert LocalTree(root).relative(path.format(root=root)) == relative


def test_a_link_out_of_the_root_is_not_followed_wherever_in_the_path_it_is(root):
    (root / "link.jpg").symlink_to(root.parent / "outside.jpg")
    (root / "up").symlink_to(root.parent)
    (root / "within.jpg").symlink_to(root / "1.jpg")
    tree = LocalTree(root)
    assert tree.find("link.jpg").problem.startswith("a link out of the source folder")
    assert tree.find("up/outside.jpg").problem.startswith("behind a link out of the source folder")
    assert tree.find("within.jpg").origin.read() == b"one"


def test_a_file_that_did_not_change_keeps_its_stamp(root, monkeypatch):
    assert stamp(root, monkeypatch) == stamp(root, monkeypatch) != ""


def longer(path):
    path.write_bytes(b"longer")


def later(path):
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


def another_with_the_same_size_and_time(path):
    time = path.stat().st_mtime_ns
    other = path.with_name("other")
    other.write_bytes(b"two")
    os.utime(other, ns=(time, time))
    other.replace(path)


@pytest.mark.parametrize("change", [longer, later, another_with_the_same_size_and_time])
def test_a_file_that_changed_has_another_stamp(root, monkeypatch, change):
    before = stamp(root, monkeypatch)
    change(root / "1.jpg")
    assert stamp(root, monkeypatch) != before


def test_a_file_that_changed_a_moment_ago_has_no_stamp(root):
    assert LocalTree(root).find("1.jpg").origin.stamp == ""


def test_a_time_in_the_future_does_not_deprive_a_file_of_its_stamp(root, monkeypatch):
    os.utime(root / "1.jpg", ns=(0, 2**62))
    assert stamp(root, monkeypatch).split()[1] == str(2**62)


def test_a_file_that_may_not_be_read_says_so(root, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    file = LocalTree(root).find("1.jpg").origin
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UnreadableImage, match=r"^cannot be read \(Permission denied\)$"):
        file.read()


def test_a_file_larger_than_any_photo_is_not_read(root, monkeypatch):
    monkeypatch.setattr(photo_file, "MAX_FILE_BYTES", 3 * 2**20)
    with (root / "1.jpg").open("wb") as film:
        film.truncate(5 * 2**20)
    with pytest.raises(UnreadableImage, match=r"^5 MB; at most 3 are accepted$"):
        LocalTree(root).find("1.jpg").origin.read()


def test_a_file_that_changes_while_it_is_read_is_told(root, monkeypatch):
    fstat = os.fstat

    def change_after(descriptor):
        found = fstat(descriptor)
        (root / "1.jpg").write_bytes(b"one and more")
        return found

    monkeypatch.setattr(os, "fstat", change_after)
    with pytest.raises(UserError, match=r"1\.jpg changed while it was being ingested; leave the folder alone and"):
        LocalFile(str(root), "1.jpg", "").read()
