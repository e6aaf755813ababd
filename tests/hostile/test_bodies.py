"""Bodies that are small on the wire and large, deep or endless inside: refused quickly, and nothing grows."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator

import pytest
from tests.server.handler_face import JSON, MAPS, YAML, Face

APPLY = "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    made = Face()
    made.config_map("a", data={"k": "v"})
    yield made
    made.close()


def billion_laughs(depth: int = 12) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, depth)]
    return "kind: ConfigMap\napiVersion: v1\nmetadata: {name: bomb}\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("media", "body"),
    [
        pytest.param(YAML, billion_laughs(), id="alias bomb"),
        pytest.param(YAML, "a: &a\n  b: *a\n", id="an alias of itself"),
        pytest.param(YAML, "[" * 50_000, id="deep YAML"),
        pytest.param(YAML, "? " * 20_000 + "x", id="deep keys"),
        pytest.param(YAML, "!!python/object/apply:os.system ['true']", id="a tag that makes objects"),
        pytest.param(JSON, "[" * 1_000_000, id="deep JSON, open"),
        pytest.param(JSON, '{"a":' * 100_000 + "1" + "}" * 100_000, id="deep JSON"),
        pytest.param(JSON, '{"metadata":{"name":"x"},"data":' + '{"a":' * 900 + "1" + "}" * 901, id="deep data"),
        pytest.param(JSON, '{"metadata":{"name":"x"},"data":{"k":' + "9" * 1_000_000 + "}}", id="an endless number"),
        pytest.param(JSON, '{"kind":"ConfigMap","metadata":{"name":"\\ud800"}}', id="half a surrogate"),
        pytest.param(JSON, '{"kind":"ConfigMap","metadata":{"name":"a\\u0000b"}}', id="NUL"),
        pytest.param(JSON, gzip.compress(b"0" * 10_000_000).decode("latin-1"), id="gzip bomb"),
    ],
)
def test_bodies_that_explode(face: Face, media: str, body: str) -> None:
    began = time.process_time()
    answer = face("POST", MAPS, body, media)
    assert 400 <= answer.status < 500, answer.body[:300]
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("media", [APPLY, "application/merge-patch+json", "application/json-patch+json"])
@pytest.mark.parametrize("body", [billion_laughs(), "[" * 50_000, '{"a":' * 50_000 + "1" + "}" * 50_000])
def test_patches_that_explode(face: Face, media: str, body: str) -> None:
    began = time.process_time()
    answer = face("PATCH", f"{MAPS}/a?fieldManager=m", body, media)
    assert 400 <= answer.status < 500, answer.body[:300]
    assert time.process_time() - began < 2.0


def test_patches_that_copy_themselves_larger_and_larger(face: Face) -> None:
    """Each step doubles a value: thirty of them would make a gigabyte."""
    steps = [{"op": "add", "path": "/data/x0", "value": "x" * 1000}]
    steps += [{"op": "copy", "from": "/data", "path": f"/metadata/annotations-{n}"} for n in range(3)]
    there, back = {"from": "/metadata", "path": "/data"}, {"from": "/data", "path": "/metadata/x"}
    steps += [{"op": "copy", **there}, {"op": "copy", **back}] * 30
    began = time.process_time()
    answer = face("PATCH", f"{MAPS}/a", json.dumps(steps), "application/json-patch+json")
    assert 400 <= answer.status < 500, answer.body[:300]
    assert time.process_time() - began < 2.0
