"""The in-memory core: names of collections, the bounds of the history, trimming in small steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.storage.api import Compacted, Event, Record
from wherry.storage.index import Index, Keep, after_prefix, bucket_name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("/root/core/configmaps/default/a", "/root/core/configmaps/"),
        ("/root/core/namespaces/default", "/root/core/namespaces/"),
        ("/root/core/namespaces/", "/root/core/namespaces/"),
        ("/root/core/namespaces", "/root/core/"),
        ("/root/core", "/root/"),
        ("/root", "/"),
        ("root", ""),
        ("", ""),
        ("a/b/c/d/e", "a/b/c/d/"),
        ("////", "////"),
        ("///", "///"),
    ],
)
def test_bucket_name(key: str, name: str) -> None:
    assert bucket_name(key) == name


@given(st.text(st.sampled_from("a/\U0010ffff"), max_size=5), st.text(st.sampled_from("ab/\U0010ffff"), max_size=8))
def test_after_prefix(prefix: str, text: str) -> None:
    bound = after_prefix(prefix)
    assert text.startswith(prefix) == (text >= prefix and (bound is None or text < bound))


def put(index: Index, key: str, size: int = 10) -> None:
    revision = index.revision + 1
    previous = index.current.get(key)
    index.apply([Event(revision, key, Record(key, b"x" * size, revision, revision), previous, None)])


def test_history_is_bounded_by_count() -> None:
    index = Index(Keep(events=10))
    for i in range(30):
        put(index, f"/r/g/things/{i % 3}")
    assert len(index.log) == 10
    assert index.oldest == 21
    assert [e.revision for e in index.events_since(21)] == list(range(22, 32))
    with pytest.raises(Compacted):
        index.events_since(20)


def test_history_is_bounded_by_bytes() -> None:
    index = Index(Keep(bytes=10_000))
    for _ in range(30):
        put(index, "/r/g/things/a", 1_000)
    assert 7 <= len(index.log) <= 9
    assert index.history_bytes <= 10_000


def test_history_is_bounded_by_age_but_for_the_newest() -> None:
    now = 0.0
    index = Index(Keep(seconds=60, least=2), now=lambda: now)
    for i in range(10):
        now = i * 10.0
        put(index, f"/r/g/things/{i}")
    now = 95.0
    put(index, "/r/g/things/x")
    assert index.log[0].revision == 6  # written at 40 seconds
    now = 1000.0
    put(index, "/r/g/things/y")
    assert len(index.log) == 2


def test_no_write_pays_for_a_long_clean_up() -> None:
    now = 0.0
    index = Index(Keep(seconds=60, least=0), now=lambda: now)
    for i in range(1000):
        put(index, f"/r/g/things/{i}")
    now = 1000.0
    put(index, "/r/g/things/x")
    assert len(index.log) > 980
    for _ in range(200):
        put(index, "/r/g/things/x")
    assert len(index.log) <= 201


def test_forgetting_in_steps_refuses_old_reads_at_once() -> None:
    index = Index()
    for i in range(10):
        put(index, f"/r/g/things/{i}")
    assert not index.forget(8, 3)
    with pytest.raises(Compacted):
        index.events_since(7)
    assert [e.revision for e in index.events_since(8)] == [9, 10, 11]
    assert len(index.range("/r/g/things/", revision=8).records) == 7
    assert index.forget(0, 100)
    assert [e.revision for e in index.log] == [9, 10, 11]


def test_an_emptied_collection_leaves_nothing_behind() -> None:
    index = Index(Keep(events=2))
    put(index, "/r/g/gone/a")
    record = index.current["/r/g/gone/a"]
    index.apply([Event(3, record.key, None, record, Record(record.key, b"", 3, 2))])
    assert index.range("/r/g/gone/").records == []
    for _ in range(4):
        put(index, "/r/g/things/a")
    assert list(index._buckets) == ["/r/g/things/"]
    assert index.count("") == 1
