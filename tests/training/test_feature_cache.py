import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.training.feature_cache import FeatureCache


@given(values=st.dictionaries(st.text(max_size=8), st.binary(max_size=20)), others=st.lists(st.text(max_size=8)))
def test_what_was_put_is_got_and_nothing_else(values, others, tmp_path_factory):
    cache = FeatureCache(tmp_path_factory.mktemp("cache") / "new" / "features.sqlite")
    assert cache.get([*values, *others]) == {}

    cache.put(values)

    assert cache.get([*values, *others]) == values
    assert cache.get(others) == {key: values[key] for key in others if key in values}


def test_more_keys_than_a_query_holds_are_all_found(tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    values = {str(number): bytes([number % 256]) for number in range(1203)}

    cache.put(values)

    assert cache.get(list(values)) == values


def test_several_may_write_at_once(tmp_path):
    def write(number):
        FeatureCache(tmp_path / "features.sqlite").put({f"{number}:{row}": b"x" * 1000 for row in range(50)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))

    keys = [f"{number}:{row}" for number in range(16) for row in range(50)]
    assert len(FeatureCache(tmp_path / "features.sqlite").get(keys)) == len(keys)


@pytest.mark.parametrize("content", [b"no database at all, and long enough to be one", b""])
def test_a_damaged_file_is_made_anew(content, tmp_path):
    path = tmp_path / "features.sqlite"
    path.write_bytes(content)
    cache = FeatureCache(path)

    assert cache.get(["a"]) == {}
    cache.put({"a": b"1"})
    cache.put({"a": b"1"})

    assert cache.get(["a"]) == {"a": b"1"}


def test_a_full_disk_keeps_nothing_and_stops_nothing(tmp_path, monkeypatch):
    def connect(*_, **__):
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"
        raise full

    cache = FeatureCache(tmp_path / "features.sqlite")
    monkeypatch.setattr(sqlite3, "connect", connect)

    cache.put({"a": b"1"})

    monkeypatch.undo()
    assert cache.get(["a"]) == {}


def test_beyond_its_limit_nothing_is_added(tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite", limit_bytes=50_000)
    cache.put({"a": b"1" * 60_000})

    cache.put({"b": b"1"})

    assert list(cache.get(["a", "b"])) == ["a"]


def test_a_new_cache_makes_room_by_those_used_longest_ago(tmp_path):
    for age, name in enumerate(["newest", "middle", "oldest"]):
        cache = FeatureCache(tmp_path / f"{name}.sqlite")
        cache.put({"a": b"1" * 40_000})
        os.utime(tmp_path / f"{name}.sqlite", (1000 - age, 1000 - age))
    FeatureCache(tmp_path / "oldest.sqlite").get(["a"])

    FeatureCache(tmp_path / "next.sqlite", limit_bytes=60_000).put({"b": b"1"})

    assert sorted(file.stem for file in tmp_path.glob("*.sqlite")) == ["next", "oldest"]
