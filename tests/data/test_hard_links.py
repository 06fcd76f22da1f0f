import os

import pytest

from quality_gate.data.hard_links import link_or_copy


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_bytes(b"contents")
    return tmp_path / "file"


def test_a_file_gets_a_second_name(file, tmp_path):
    link_or_copy(file, tmp_path / "other")
    assert (tmp_path / "other").samefile(file)


def test_where_there_are_no_links_it_is_copied(file, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(file, tmp_path / "other")
    assert not (tmp_path / "other").samefile(file)
    assert (tmp_path / "other").read_bytes() == b"contents"
