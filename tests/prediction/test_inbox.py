from datetime import UTC, datetime

import pytest

from quality_gate.prediction.inbox import empty_inbox


@pytest.fixture
def day(home):
    return home.inbox_done / f"{datetime.now(UTC):%Y-%m-%d}"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_answered_photos_go_to_the_day_and_bad_files_to_the_quarantine(answer, home, write, record, day):
    write(home.inbox, "a.png", "belt/b.png")
    (home.inbox / "belt" / "bad.png").write_bytes(b"no photo")
    (home.inbox / "notes.txt").write_text("stays")
    answer("inbox")
    moved = empty_inbox(record("inbox"), home)
    assert (moved.done, moved.quarantined, moved.stayed) == (2, 1, 0)
    assert files(day) == ["a.png", "belt/b.png"]
    assert files(home.inbox_quarantine) == ["belt/bad.png"]
    assert (home.inbox_quarantine / "belt" / "bad.png").read_bytes() == b"no photo"
    assert files(home.inbox) == ["notes.txt"]


def test_nothing_that_was_moved_before_is_overwritten(answer, home, write, encode, record, day):
    contents = [encode(number) for number in range(3)]
    for content in contents:
        home.inbox.mkdir(parents=True, exist_ok=True)
        (home.inbox / "a.png").write_bytes(content)
        answer("inbox")
        opened = record("inbox")
        empty_inbox(opened, home)
        opened.finish()
    assert files(day) == ["a-2.png", "a-3.png", "a.png"]
    assert [(day / name).read_bytes() for name in ("a.png", "a-2.png", "a-3.png")] == contents


def test_a_photo_replaced_since_it_was_answered_stays_and_is_answered_next(answer, home, write, encode, record, day):
    write(home.inbox, "a.png")
    answer("inbox")
    (home.inbox / "a.png").write_bytes(encode(3))
    moved = empty_inbox(record("inbox"), home)
    assert (moved.done, moved.stayed) == (0, 1)
    assert "1 stay for the next run" in moved.sentence()
    assert answer("inbox").new == 1
    assert empty_inbox(record("inbox"), home).done == 1


def test_what_a_killed_run_has_moved_is_passed_over(answer, home, write, record, day):
    write(home.inbox, "a.png", "b.png")
    answer("inbox")
    day.mkdir(parents=True)
    (home.inbox / "a.png").rename(day / "a.png")
    moved = empty_inbox(record("inbox"), home)
    assert (moved.done, moved.stayed) == (1, 0)
    assert files(day) == ["a.png", "b.png"]


def test_a_link_out_of_the_inbox_is_moved_itself_and_what_it_leads_to_stays(answer, home, write, record, tmp_path):
    outside = write(tmp_path / "outside", "secret.png")
    home.inbox.mkdir(parents=True)
    (home.inbox / "link.png").symlink_to(outside / "secret.png")
    answer("inbox")
    assert empty_inbox(record("inbox"), home).quarantined == 1
    assert (home.inbox_quarantine / "link.png").is_symlink()
    assert files(outside) == ["secret.png"]


def test_a_file_that_cannot_be_moved_stays_and_is_told(answer, home, write, record, day):
    write(home.inbox, "a.png")
    answer("inbox")
    home.inbox_done.write_text("a file where the folder should be")
    moved = empty_inbox(record("inbox"), home)
    assert (moved.done, moved.stayed) == (0, 1)
    assert files(home.inbox) == ["a.png"]
