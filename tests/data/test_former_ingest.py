import pytest

from quality_gate.data import former_ingest
from quality_gate.data.audit import audit
from quality_gate.data.former_ingest import FindingsWriter, FormerIngest, recall, remember
from quality_gate.data.shards import ShardWriter
from quality_gate.data.sources import discover, local


@pytest.fixture
def source(write_photos, monkeypatch):
    monkeypatch.setattr(local, "COARSEST_CLOCK_NS", 0)
    return discover(write_photos("a/1.png", "a/2.png", "b/1.png"))


@pytest.fixture
def keep(tmp_path, source):
    """Remembers an ingest of some files of the source, one shard for each."""

    def run(files, places=source.places):
        shards = []
        for number, one in enumerate(audited := list(audit(files))):
            folder = tmp_path / "written" / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            with ShardWriter(folder) as writer:
                writer.add(one.facts.image_id, one.data)
            shards += folder.iterdir()
        with FindingsWriter(tmp_path / "findings.parquet") as writer:
            for one in audited:
                writer.add(one)
        remember(tmp_path / "stores", places, tmp_path / "findings.parquet", shards)
        return audited

    return run


@pytest.fixture
def ask(tmp_path):
    def run(*places):
        folder = tmp_path / f"at hand {len(list(tmp_path.glob('at hand*')))}"
        folder.mkdir()
        return recall(tmp_path / "stores", places, folder)

    return run


def facts(known):
    return {path: one.facts for path, one in known.items()}


def test_nothing_is_known_of_a_source_that_was_never_ingested(ask):
    assert ask("/nowhere") == FormerIngest({}, {})


def test_what_was_found_comes_back_exactly_with_the_photos_at_hand(source, keep, ask):
    audited = keep(source.files)
    former = ask(*source.places)
    assert facts(former.known(source.files)) == {one.file.path: one.facts for one in audited}
    assert [list(photos) for photos in former.shards.values()] == [[one.facts.image_id] for one in audited]


def test_findings_that_are_written_a_few_at_a_time_all_come_back(source, keep, ask, monkeypatch):
    monkeypatch.setattr(former_ingest, "_CHUNK_ROWS", 2)
    audited = keep(source.files)
    assert facts(ask(*source.places).known(source.files)) == {one.file.path: one.facts for one in audited}


def test_the_last_ingest_takes_the_place_of_the_one_before(source, keep, ask, tmp_path):
    keep(source.files)
    keep(source.files[:1])
    assert list(ask(*source.places).known(source.files)) == ["a/1.png"]
    (store,) = (tmp_path / "stores").iterdir()
    assert len(list(store.iterdir())) == 4


def test_what_is_known_of_one_source_is_not_known_of_another(source, keep, ask):
    keep(source.files)
    assert ask("/elsewhere").known(source.files) == {}


def test_sources_ingested_together_are_known_alone_and_together(source, keep, ask):
    keep(source.files, ("one", "other"))
    for places in (["one"], ["other"], ["one", "other"], ["one", "third"]):
        former = ask(*places)
        assert len(former.known(source.files)) == 3
        assert len(former.shards) == 3


def test_a_file_whose_photo_is_not_at_hand_is_not_known(source, keep, ask, tmp_path):
    first, *_ = keep(source.files)
    (store,) = (tmp_path / "stores").iterdir()
    shard = next(path for path in store.iterdir() if first.facts.image_id.encode() in path.read_bytes()[:200])
    shard.unlink()
    assert list(ask(*source.places).known(source.files)) == ["a/2.png", "b/1.png"]


def test_what_is_at_hand_stays_when_another_ingest_replaces_it(source, keep, ask):
    keep(source.files)
    former = ask(*source.places)
    keep(source.files[:1])
    assert all(path.is_file() for path in former.shards)
