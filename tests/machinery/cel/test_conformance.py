"""The simple tests of the CEL specification, where the corpus is at hand (WHERRY_CORPORA)."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from wherry.machinery.cel import CelError, CompileError, Env, everything, types
from wherry.machinery.cel.library.times import parse_duration, parse_timestamp
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import Duration, Optional, Timestamp, Uint, equal, map_key, type_of

_ROOT = os.environ.get("WHERRY_CORPORA")
# Cases left out, with the reason.
LEFT_OUT: dict[str, str] = {
    "timestamps/duration_converters/get_milliseconds": "cel-go, and so Kubernetes, counts all milliseconds",
    "parse/bytes_literals/triple_single_quoted_unescaped_punctuation": "its source lost the escapes that the value has",
    "type_deduction/type_parameters/multiple_parameters_parameterized_ovl_2": "declares functions of its own",
}


def _cases() -> list[dict[str, Any]]:
    if not _ROOT:
        return []
    text = (Path(_ROOT) / "cel" / "cases.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def _value(tagged: Any) -> Any:
    kind, payload = tagged[0], tagged[1] if len(tagged) > 1 else None
    if kind == "int":
        return int(payload)
    if kind == "uint":
        return Uint(int(payload))
    if kind == "double":
        return float(payload)
    if kind == "bytes":
        return bytes.fromhex(payload)
    if kind == "list":
        return [_value(x) for x in payload]
    if kind == "map":
        return {map_key(_value(k)): _value(v) for k, v in payload}
    if kind == "duration":
        nanos = payload if isinstance(payload, int) else parse_duration(payload)
        assert nanos is not None
        return Duration(nanos)
    if kind == "timestamp":
        return parse_timestamp(payload)
    if kind == "type":
        return Type("x", payload)
    if kind == "optional":
        return Optional(payload is not None, None if payload is None else _value(payload))
    return payload


_KINDS = {
    "null": types.NULL,
    "bool": types.BOOL,
    "int": types.INT,
    "uint": types.UINT,
    "double": types.DOUBLE,
    "string": types.STRING,
    "bytes": types.BYTES,
    "dyn": types.DYN,
    "duration": types.DURATION,
    "timestamp": types.TIMESTAMP,
    "error": types.ERROR,
    "any": types.Type("any"),
}


def _type(text: Any) -> Type:
    if isinstance(text, list):
        head, *rest = text
        params = (
            rest[0]
            if len(rest) == 1 and isinstance(rest[0], list) and rest[0] and isinstance(rest[0][0], list)
            else rest
        )
        if head == "list":
            return types.list_of(_type(params[0]))
        if head == "map":
            return types.map_of(_type(params[0]), _type(params[1]))
        if head == "type":
            return types.type_of_type(_type(params[0])) if params and params[0] else types.TYPE
        if head == "wrapper":
            return Type("wrapper", "wrapper", (_type(params[0]),))
        if head in ("abstract", "optional_type", "optional"):
            return types.optional_of(_type(params[-1]))
        return _type(head)
    return _KINDS.get(text, types.DYN)


def _env(case: dict[str, Any]) -> Env:
    variables = {name: _type(t) for name, t in case["type_env"].items()}
    for name, value in case["bindings"].items():
        variables.setdefault(name, types.DYN)
        _ = value
    base = everything()
    return Env(
        variables,
        container=case["container"],
        homogeneous=False,
        checked=not case["disable_check"],
        macros=not case["disable_macros"],
        parent=base,
    )


def _same(got: Any, want: Any) -> bool:
    if isinstance(got, float) and isinstance(want, float) and math.isnan(got) and math.isnan(want):
        return True
    if isinstance(want, Type):
        return isinstance(got, Type) and got.name == want.name
    return equal(got, want) and type_of(got).name == type_of(want).name


@pytest.mark.skipif(not _ROOT, reason="WHERRY_CORPORA is not set")
def test_spec() -> None:
    wrong: list[str] = []
    for case in _cases():
        label = f"{case['file']}/{case['section']}/{case['name']}"
        if label in LEFT_OUT:
            continue
        try:
            wrong += [f"{label}: {case['expr']!r}: {problem}" for problem in _problems(case)]
        except Exception as error:
            wrong.append(f"{label}: {case['expr']!r}: {type(error).__name__} {error}")
    assert not wrong, f"{len(wrong)} of {len(_cases())}:\n" + "\n".join(wrong)


def _problems(case: dict[str, Any]) -> list[str]:
    kind = case["expect"][0]
    variables = {name: _value(v) for name, v in case["bindings"].items()}
    try:
        program = _env(case).compile(case["expr"])
        got: Any = None
        if kind != "checkonly" and not case["check_only"]:
            got = program.run(variables)
    except (CompileError, CelError) as error:
        return [] if kind == "error" else [f"unexpected error {error}"]
    if kind == "error":
        return [f"no error but {got!r}"]
    if kind == "value" and not case["check_only"] and not _same(got, _value(case["expect"][1])):
        return [f"got {got!r}"]
    return []


def test_timestamp_text() -> None:
    assert str(Timestamp(1_000_000_000)) == "1970-01-01T00:00:01Z"
