import os

import pytest

from quality_gate.data.sources.unlabelled import UnlabelledPhotos
from quality_gate.errors import UserError

HIDDEN = (".hidden/a.png", "belt/.b.png", "__MACOSX/c.png")


def listed(photos):
    return [(file.path, file.problem) for file in photos]


def test_every_file_that_calls_itself_a_photo_is_listed_however_deep(write_photos):
    root = write_photos("a.png", "belt/2/b.JPG", "belt/c.heic", *HIDDEN)
    (root / "notes.txt").write_text("no photo")
    (root / "belt" / "Thumbs.db").write_bytes(b"")
    photos = UnlabelledPhotos(str(root))
    assert listed(photos) == [("a.png", ""), ("belt/2/b.JPG", ""), ("belt/c.heic", "")]
    assert not photos.is_remote


def test_a_bucket_is_listed_like_a_folder(memory, upload):
    upload(memory, "/belt", "a.png", "1/2/b.png", *HIDDEN)
    memory.pipe("/belt/notes.txt", b"no photo")
    photos = UnlabelledPhotos("memory://belt")
    assert sorted(listed(photos)) == [("1/2/b.png", ""), ("a.png", "")]
    assert photos.is_remote


def test_links_out_of_the_folder_and_to_folders_are_listed_with_their_problem(write_photos, tmp_path):
    root = write_photos("a.png")
    (tmp_path / "outside.png").write_bytes(b"secret")
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "others").symlink_to(tmp_path)
    assert [(path, problem.partition(",")[0]) for path, problem in listed(UnlabelledPhotos(str(root)))] == [
        ("a.png", ""),
        ("link.png", "a link out of the source folder"),
        ("others", "a link out of the source folder"),
    ]


def test_the_folder_itself_may_be_a_link(write_photos, tmp_path):
    (tmp_path / "link").symlink_to(write_photos("a.png"))
    assert listed(UnlabelledPhotos(str(tmp_path / "link"))) == [("a.png", "")]


def test_the_folder_is_listed_anew_each_time(write_photos):
    photos = UnlabelledPhotos(str(write_photos("a.png")))
    assert len(list(photos)) == 1
    write_photos("b.png")
    assert len(list(photos)) == 2


def test_a_photo_is_found_by_its_path(write_photos):
    photos = UnlabelledPhotos(str(write_photos("belt/a.png")))
    (listed_file,) = photos
    assert photos.find("belt/a.png").origin.read() == listed_file.origin.read()
    assert photos.find("belt/b.png") is None


def test_a_file_url_means_a_folder_of_this_machine(write_photos):
    photos = UnlabelledPhotos(f"file://{write_photos('a.png')}")
    assert (listed(photos), photos.is_remote) == ([("a.png", "")], False)


def test_a_folder_that_cannot_be_opened_is_told(write_photos, monkeypatch):
    root = write_photos("a.png")

    def refuse(place):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match="the folder cannot be opened; allow reading it"):
        list(UnlabelledPhotos(str(root)))
