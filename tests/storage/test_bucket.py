"""The sorted records of a collection against a plain sorted list, with chunks small enough to split and vanish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.storage import bucket as module
from wherry.storage.api import Record
from wherry.storage.bucket import Bucket

keys = st.text(st.sampled_from("abc"), max_size=4)


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> object:
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "CHUNK", 3)
    yield
    patch.undo()


@given(st.lists(keys, unique=True), st.lists(st.tuples(st.booleans(), keys)), keys, st.none() | keys)
def test_bucket(first: list[str], steps: list[tuple[bool, str]], low: str, high: str | None) -> None:
    bucket = Bucket("")
    model = {key: Record(key, b"", 1, 1) for key in first}
    bucket.fill([model[key] for key in sorted(model)])
    for number, (put, key) in enumerate(steps):
        if put:
            record = model[key] = Record(key, b"", number, number)
            bucket.set(record)
        elif key in model:
            del model[key]
            bucket.remove(key)
    ordered = [model[key] for key in sorted(model)]
    assert bucket.size == len(ordered)
    assert bucket.slice(0, bucket.size) == ordered
    expected = [r for r in ordered if r.key >= low and (high is None or r.key < high)]
    start, end = bucket.span(low, high)
    assert bucket.slice(start, end) == expected
    for cut in range(start, end + 1):
        assert bucket.slice(start, cut) == expected[: cut - start]
        assert bucket.slice(cut, end) == expected[cut - start :]
