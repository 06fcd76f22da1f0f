import os

import pytest

from quality_gate.data.fingerprint import source_fingerprint
from quality_gate.data.sources import local
from quality_gate.data_settings import DataSettings


@pytest.fixture(autouse=True)
def _files_are_trusted_from_the_first_moment_on(monkeypatch):
    monkeypatch.setattr(local, "COARSEST_CLOCK_NS", 0)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    for label in ("onion", "potato"):
        (root / label).mkdir(parents=True)
        for number in range(3):
            (root / label / f"{number}.jpg").write_bytes(b"photo")
    return root


def fingerprint(*places, **settings):
    source = str(places[0]) if len(places) == 1 else tuple(map(str, places))
    return source_fingerprint(DataSettings(source=source, **settings))


def test_a_folder_that_nobody_touched_keeps_its_fingerprint(folder):
    assert fingerprint(folder) == fingerprint(folder)


def test_the_number_of_workers_is_no_state_of_the_source(folder):
    assert fingerprint(folder, workers=3) == fingerprint(folder)


def added(folder):
    (folder / "onion" / "new.jpg").write_bytes(b"photo")


def removed(folder):
    (folder / "onion" / "0.jpg").unlink()


def grown(folder):
    (folder / "onion" / "0.jpg").write_bytes(b"another photo")


def moved_to_another_class(folder):
    (folder / "onion" / "0.jpg").rename(folder / "potato" / "moved.jpg")


def renamed_class(folder):
    (folder / "onion").rename(folder / "leek")


def empty_class(folder):
    (folder / "leek").mkdir()


def exchanged_with_its_size_and_time_kept(folder):
    path = folder / "onion" / "0.jpg"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(b"other")
    os.utime(path, ns=times)


def linked_to_nothing(folder):
    (folder / "onion" / "0.jpg").unlink()
    (folder / "onion" / "0.jpg").symlink_to(folder / "nowhere.jpg")


def beside_the_classes(folder):
    (folder / "stray.jpg").write_bytes(b"photo")


@pytest.mark.parametrize(
    "change",
    [
        added, removed, grown, moved_to_another_class, renamed_class, empty_class,
        exchanged_with_its_size_and_time_kept, linked_to_nothing, beside_the_classes,
    ],
)  # fmt: skip
def test_every_change_of_the_folder_shows(folder, change):
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder) != before


def test_what_a_source_passes_over_does_not_show(folder):
    before = fingerprint(folder)
    (folder / "onion" / ".hidden").write_bytes(b"")
    assert fingerprint(folder) == before


def test_a_file_that_changed_a_moment_ago_may_change_once_more_unseen(folder, monkeypatch):
    monkeypatch.setattr(local, "COARSEST_CLOCK_NS", 60_000_000_000)
    assert fingerprint(folder) != fingerprint(folder)


class TestCsvFile:
    @pytest.fixture
    def file(self, folder):
        path = folder.parent / "labels.csv"
        path.write_text("path,label\n" + "".join(f"{label}/0.jpg,{label}\n" for label in ("onion", "potato")))
        return path

    def of(self, file, folder):
        return fingerprint(file, csv={"images": str(folder)})

    def test_it_is_told_by_its_rows_and_the_photos_they_name(self, file, folder):
        before = self.of(file, folder)
        assert self.of(file, folder) == before
        (folder / "onion" / "1.jpg").write_bytes(b"not named")
        assert self.of(file, folder) == before
        (folder / "onion" / "0.jpg").write_bytes(b"another photo")
        assert self.of(file, folder) != before

    def test_another_label_shows(self, file, folder):
        before = self.of(file, folder)
        file.write_text(file.read_text().replace(",potato", ",leek"))
        assert self.of(file, folder) != before


def test_several_sources_are_told_by_all_of_them(folder, tmp_path):
    other = tmp_path / "other"
    for label in ("onion", "potato"):
        (other / label).mkdir(parents=True)
        (other / label / "0.jpg").write_bytes(b"photo")
    before = fingerprint(folder, other)
    assert fingerprint(folder, other) == before
    (other / "onion" / "0.jpg").write_bytes(b"another photo")
    assert fingerprint(folder, other) != before


def test_the_demo_photos_are_what_their_code_makes(folder):
    assert fingerprint("demo") == fingerprint("demo", workers=2)
    assert fingerprint("demo", folder) != fingerprint("demo", folder)


def test_what_cannot_be_listed_is_read_each_time(tmp_path):
    (tmp_path / "file.jpg").write_bytes(b"photo")
    for place in (tmp_path / "nowhere", tmp_path / "file.jpg", tmp_path):
        assert fingerprint(place) != fingerprint(place)
