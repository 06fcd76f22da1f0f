"""The newest Bento counts only while building it again would change nothing."""

import shutil
from types import SimpleNamespace

import pytest

from bentos import served as module
from bentos.served import build_of, is_built, served_bento
from quality_gate.models.manifest import ModelManifest

GATE = "tomato-ripeness"


@pytest.fixture
def store(built, tmp_path, monkeypatch):
    """A copy of the store, and the champion its newest Bento serves."""
    shutil.copytree(built.home, tmp_path / "bentos")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentos"))
    manifest = ModelManifest.load(built.model)
    folder = tmp_path / "bentos" / "bentos" / GATE
    former, version = (tag.split(":")[1] for tag in built.tags)
    digests = {"answers": manifest.answers_digest, "golden": manifest.digests["golden"]}
    champion = SimpleNamespace(version=manifest.version, digests=digests)
    return SimpleNamespace(folder=folder, champion=champion, version=version, former=former, bento=folder / version)


def test_the_newest_bento_of_the_champion_counts(store):
    assert served_bento(GATE, store.champion) == store.version
    assert build_of(GATE)(store.champion) == store.version.split("-")[1]


def pointer_to_the_former(store):
    (store.folder / "latest").write_text(store.former)


def removed(store):
    shutil.rmtree(store.bento)


def without_pointer(store):
    (store.folder / "latest").unlink()


def without_network(store):
    (store.bento / "src" / "bentos" / "model" / "model.onnx").unlink()


def with_damaged_network(store):
    (store.bento / "src" / "bentos" / "model" / "model.onnx").write_bytes(b"damaged")


def without_golden_photos(store):
    (store.bento / "src" / "bentos" / "model" / "golden.json").unlink()


def with_other_golden_photos(store):
    store.champion.digests = {**store.champion.digests, "golden": "others"}


def without_manifest(store):
    (store.bento / "src" / "bentos" / "model" / "model.json").unlink()


def with_other_code(store):
    with (store.bento / "src" / "bentos" / "service.py").open("a") as file:
        file.write("# changed\n")


def of_another_version(store):
    store.champion.version = "3"


def of_another_model(store):
    store.champion.digests = {**store.champion.digests, "answers": "another"}


def of_a_champion_without_digest(store):
    store.champion.digests = {}


def with_other_libraries(store):
    path = store.bento / "src" / "bentofile.yaml"
    path.write_text(path.read_text().replace("pillow==", "pillow==0."))


def with_another_server(store):
    path = store.bento / "env" / "python" / "requirements.txt"
    path.write_text(path.read_text().replace("bentoml==", "bentoml==0."))


def with_an_unreadable_build_file(store):
    (store.bento / "src" / "bentofile.yaml").write_text("a: b: c")


@pytest.mark.parametrize(
    "change",
    [
        pointer_to_the_former, removed, without_pointer, without_network, with_damaged_network, without_golden_photos,
        with_other_golden_photos, without_manifest, with_other_code, of_another_version, of_another_model,
        of_a_champion_without_digest, with_other_libraries, with_another_server, with_an_unreadable_build_file,
    ],
)  # fmt: skip
def test_any_other_bento_does_not(store, change):
    change(store)
    assert served_bento(GATE, store.champion) is None
    assert build_of(GATE)(store.champion) is None


def test_code_of_the_checkout_that_has_changed_asks_for_another_bento(store, tmp_path, monkeypatch):
    for source in module.SOURCES:
        (tmp_path / "checkout" / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module.ROOT / source, tmp_path / "checkout" / source)
    monkeypatch.setattr(module, "ROOT", tmp_path / "checkout")
    assert served_bento(GATE, store.champion) == store.version
    with (tmp_path / "checkout" / "bentos" / "upload.py").open("a") as file:
        file.write("# changed\n")
    assert served_bento(GATE, store.champion) is None


def test_times_of_builds_are_known(store):
    assert is_built(GATE, store.version.split("-")[1])
    assert not is_built(GATE, "20260101t000000000000")
    assert not is_built("another-gate", store.version.split("-")[1])
