import shutil
from pathlib import Path

import pytest

from quality_gate import code_digest as module
from quality_gate.code_digest import code_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules that takes the place of the real one."""
    root = tmp_path / "package"
    (root / "data").mkdir(parents=True)
    (root / "a.py").write_text("A = 1\n")
    (root / "data" / "b.py").write_text("B = 2\n")
    monkeypatch.setattr(module, "__file__", str(root / "code_digest.py"))
    return root


def test_the_same_code_has_the_same_digest_wherever_it_lies(package, tmp_path, monkeypatch):
    expected = code_digest()
    shutil.copytree(package, tmp_path / "elsewhere" / "other")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "elsewhere" / "other" / "code_digest.py"))
    assert code_digest() == expected


def changed(root):
    (root / "data" / "b.py").write_text("B = 3\n")


def renamed(root):
    (root / "data" / "b.py").rename(root / "data" / "c.py")


def moved(root):
    (root / "data" / "b.py").rename(root / "b.py")


def added(root):
    (root / "c.py").write_text("")


def removed(root):
    (root / "a.py").unlink()


@pytest.mark.parametrize("change", [changed, renamed, moved, added, removed])
def test_every_change_of_the_code_shows(package, change):
    before = code_digest()
    change(package)
    assert code_digest() != before


def test_what_is_no_code_does_not_count(package):
    before = code_digest()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_bytes(b"\0")
    (package / "notes.txt").write_text("notes")
    assert code_digest() == before


def test_the_digest_of_some_modules_shows_their_changes_and_no_others(package):
    before = code_digest("a.py"), code_digest("data/b.py")
    changed(package)
    after = code_digest("a.py"), code_digest("data/b.py")
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    assert len({*before, code_digest()}) == 3


def test_the_digest_of_the_real_package_is_a_sha_256():
    assert len(code_digest()) == 64
    assert Path(module.__file__).name == "code_digest.py"
