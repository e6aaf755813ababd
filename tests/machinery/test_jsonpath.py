"""JSONPath of printer columns: what is selected, what is refused, how values print."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery.jsonpath import JSONPathError, compile_path, text_of

OBJ: dict[str, Any] = {
    "metadata": {"name": "a", "labels": {"x.y/z": "w"}},
    "spec": {"n": 1, "f": 1.5, "b": True, "none": None, "l": ["p", "q", "r"], "o": {"k": 1}},
    "status": {"conditions": [{"type": "A", "status": "1"}, {"type": "Ready", "status": "True", "n": 3}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".metadata.name", ["a"]),
        (".metadata.labels.x\\.y/z", ["w"]),
        (".metadata.labels['x\\.y/z']", ["w"]),
        (".spec.l[*]", ["p", "q", "r"]),
        (".spec.l[0]", ["p"]),
        (".spec.l[-1]", ["r"]),
        (".spec.l[-1:]", ["r"]),
        (".spec.l[0:2]", ["p", "q"]),
        (".spec.l[::2]", ["p", "r"]),
        (".spec.l[0,2]", ["p", "r"]),
        (".spec['n','f']", [1, 1.5]),
        (".spec.none", [None]),
        (".spec.none.x", []),
        (".spec.o.*", [1]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.n)].type", ["Ready"]),
        (".status.conditions[?(@.n>2)].type", ["Ready"]),
        ("..status", [OBJ["status"], "1", "True"]),
        ("$.spec.n", [1]),
        (".missing.x", []),
        (".spec.n.x", []),
    ],
)
def test_selection(path: str, found: list[Any]) -> None:
    assert compile_path(path).find(OBJ) == found


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".a[", "unterminated array"),
        (".a[x]", "invalid array index x"),
        (".a[?(@.b]", "unterminated filter"),
        ("....a", "invalid multiple recursive descent"),
        ("'x", "unterminated quoted string"),
        ("#", "unrecognized character in action: U+0023 '#'"),
    ],
)
def test_refusals(path: str, why: str) -> None:
    with pytest.raises(JSONPathError) as caught:
        compile_path(path)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".spec.o[0]", "object is not array or slice"),
        (".spec.l[5]", "array index out of bounds: index 5, length 3"),
        (".spec.l[2:1]", "starting index 2 is greater than ending index 1"),
        ("range", "unrecognized identifier range"),
    ],
)
def test_paths_that_do_not_fit(path: str, why: str) -> None:
    with pytest.raises(JSONPathError) as caught:
        compile_path(path).find(OBJ)
    assert str(caught.value) == why


def test_texts() -> None:
    values = ["x", 1, 1.5, 1e6, True, None, {"b": 1, "a": "<"}, ["x"]]
    assert [text_of(value) for value in values] == [
        "x", "1", "1.5", "1e+06", "true", "<no value>", '{"a":"\\u003c","b":1}', '["x"]',
    ]  # fmt: skip
