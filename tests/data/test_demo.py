import pytest

from quality_gate.data import demo
from quality_gate.data.demo import ensure_demo_photos


class Listener:
    def __init__(self):
        self.told = []

    def progress(self, task):
        return lambda done, total: self.told.append((task, done, total))


@pytest.fixture
def few_photos(monkeypatch):
    """Makes one photo a class and split, small."""
    write = demo.write_demo_photos

    def write_few(folder, *, on_progress):
        write(folder, train_per_class=1, test_per_class=1, size=32, workers=1, on_progress=on_progress)

    monkeypatch.setattr(demo, "write_demo_photos", write_few)


def test_missing_photos_are_made_and_told_of(few_photos, tmp_path):
    listener = Listener()

    folder = ensure_demo_photos(tmp_path / "home" / "demo_photos", listener)

    assert folder == tmp_path / "home" / "demo_photos"
    assert sorted(path.name for path in folder.iterdir()) == ["test", "train"]
    assert len(list(folder.glob("*/*/*.jpg"))) == 8
    assert listener.told[-1] == ("demo photos", 8, 8)


def test_photos_that_are_there_are_left_as_they_are(monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "write_demo_photos", None)
    (tmp_path / "train").mkdir()
    listener = Listener()

    assert ensure_demo_photos(tmp_path, listener) == tmp_path
    assert listener.told == []
