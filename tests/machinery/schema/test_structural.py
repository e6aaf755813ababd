"""Pruning, defaulting and validation by compiled schemas, in upstream's words, and their algebra."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.errors import FieldError
from wherry.machinery.schema import Structural, compile_schema
from wherry.machinery.schema.values import validate_value

Obj = dict[str, Any]


def schema(**properties: Any) -> Structural:
    return compile_schema({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})


def texts(errors: list[FieldError]) -> list[str]:
    return [str(error) for error in errors]


def thing(**spec: Any) -> Obj:
    return {"apiVersion": "g/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}


# --- pruning ---------------------------------------------------------------------------------------------------------


def test_unknown_fields_are_dropped_and_named() -> None:
    obj = thing(a="x", b=1, l=[{"x": "y", "z": 1}], m={"k": {"q": 1}}, s={"deep": {"er": 1}})
    obj["extra"] = 1
    compiled = schema(
        a={"type": "string"},
        l={"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
        m={"type": "object", "additionalProperties": {"type": "object"}},
        s={"type": "string"},
    )
    assert compiled.prune(obj) == ["extra", "spec.b", "spec.l[0].z", "spec.m.k.q", "spec.s.deep"]
    assert obj == thing(a="x", l=[{"x": "y"}], m={"k": {}}, s={})


def test_preserved_fields_stay_but_what_is_named_below_is_pruned() -> None:
    compiled = schema(
        keep={
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": {"type": "object", "properties": {"x": {"type": "string"}}}},
        }
    )
    obj = thing(keep={"any": {"thing": 1}, "known": {"x": "y", "z": 1}})
    assert compiled.prune(obj) == ["spec.keep.known.z"]
    assert obj["spec"]["keep"] == {"any": {"thing": 1}, "known": {"x": "y"}}


def test_lists_of_lists_are_named_by_index() -> None:
    compiled = schema(l={"type": "array", "items": {"type": "array", "items": {"type": "object"}}})
    assert compiled.prune(thing(l=[[], [{"a": 1}]])) == ["spec.l[1][0].a"]


def test_an_embedded_resource_keeps_its_type_and_metadata() -> None:
    compiled = schema(e={"type": "object", "x-kubernetes-embedded-resource": True, "properties": {}})
    obj = thing(e={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {}})
    assert compiled.prune(obj) == ["spec.e.spec"]
    assert compiled.validate(obj) == []


# --- defaulting ------------------------------------------------------------------------------------------------------


def test_defaults_fill_what_is_missing_where_the_parent_is_there() -> None:
    compiled = schema(
        a={"type": "string", "default": "x"},
        o={"type": "object", "properties": {"i": {"type": "integer", "default": 1}}},
        d={"type": "object", "default": {"k": "v"}, "properties": {"k": {}, "n": {"type": "integer", "default": 2}}},
    )
    obj = thing()
    assert compiled.default(obj)
    assert obj["spec"] == {"a": "x", "d": {"k": "v", "n": 2}}
    assert not compiled.default(obj)
    other = thing(o={})
    compiled.default(other)
    assert other["spec"]["o"] == {"i": 1}
    other["spec"]["d"]["k"] = "changed"
    third = thing()
    compiled.default(third)
    assert third["spec"]["d"]["k"] == "v", "defaults are copied"


def test_nulls_become_the_default_or_go_away() -> None:
    compiled = schema(
        d={"type": "string", "default": "x"},
        n={"type": "string", "nullable": True, "default": "x"},
        p={"type": "string"},
        m={"type": "object", "additionalProperties": {"type": "integer"}},
        l={"type": "array", "items": {"type": "string"}},
    )
    obj = thing(d=None, n=None, p=None, m={"k": None}, l=[None])
    compiled.default(obj)
    assert obj["spec"] == {"d": "x", "n": None, "m": {}, "l": [None]}
    assert texts(compiled.validate(obj)) == [
        'spec.l[0]: Invalid value: "null": spec.l[0] in body must be of type string: "null"'
    ]


# --- values ----------------------------------------------------------------------------------------------------------


def test_numbers() -> None:
    compiled = schema(i={"type": "integer", "maximum": 2.5}, f={"type": "number", "format": "float", "multipleOf": 0.1})
    assert texts(compiled.validate(thing(i=1.5))) == [
        'spec.i: Invalid value: "number": spec.i in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.i',
        '<nil>: Invalid value: "": Maximum boundary value must be of type integer (default format) in spec.i',
    ]
    assert texts(compiled.validate(thing(f=0.35))) == [
        "spec.f: Invalid value: 0.35: spec.f in body should be a multiple of 0.1"
    ]
    assert texts(compiled.validate(thing(f=1e39))) == [
        '<nil>: Invalid value: "": Checked value must be of type number with format float in spec.f',
        "spec.f: Invalid value: 1e+39: spec.f in body should be a multiple of 0.1",
    ]


def test_alternatives_report_the_one_that_matches_best() -> None:
    compiled = schema(
        a={
            "type": "object",
            "properties": {"x": {"type": "string"}, "y": {"type": "string"}},
            "oneOf": [{"required": ["x"]}, {"required": ["y"]}],
        },
        b={"type": "string", "anyOf": [{"enum": ["p"]}, {"pattern": "^q"}]},
        c={"type": "string", "allOf": [{"minLength": 2}], "not": {"enum": ["no"]}},
    )
    assert texts(compiled.validate(thing(a={}))) == [
        '<nil>: Invalid value: "": "spec.a" must validate one and only one schema (oneOf). Found none valid',
        "spec.a.x: Required value",
    ]
    assert texts(compiled.validate(thing(a={"x": "", "y": ""}))) == [
        '<nil>: Invalid value: "": "spec.a" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]
    assert texts(compiled.validate(thing(b="z"))) == [
        '<nil>: Invalid value: "": "spec.b" must validate at least one schema (anyOf)',
        'spec.b: Unsupported value: "z": supported values: "p"',
    ]
    assert texts(compiled.validate(thing(c="n"))) == [
        'spec.c: Invalid value: "n": spec.c in body should be at least 2 chars long',
        '<nil>: Invalid value: "": "spec.c" must validate all the schemas (allOf). None validated',
    ]
    assert texts(compiled.validate(thing(c="no"))) == [
        '<nil>: Invalid value: "": "spec.c" must not validate the schema (not)'
    ]


def test_bounds_of_containers() -> None:
    compiled = schema(
        l={"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 1},
        m={"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 1},
        f={"type": "object", "additionalProperties": False},
    )
    assert texts(compiled.validate(thing(l=[], m={"a": 1, "b": 2}, f={"x": 1}))) == [
        'spec.f: Invalid value: "x": spec.f.x in body is a forbidden property',
        "spec.l: Invalid value: 0: spec.l in body should have at least 1 items",
        "spec.m: Too many: 2: must have at most 1 item",
    ]


def test_an_update_is_not_refused_for_what_it_leaves_alone() -> None:
    compiled = schema(
        a={"type": "string", "maxLength": 1},
        b={"type": "string"},
        l={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                "type": "object",
                "properties": {"k": {"type": "string"}, "v": {"type": "string", "maxLength": 1}},
            },
        },
    )
    old = thing(a="long", b="x", l=[{"k": "1", "v": "long"}])
    new = thing(a="long", b="y", l=[{"k": "2", "v": "v"}, {"k": "1", "v": "long"}])
    assert compiled.validate(new, old) == []
    assert texts(compiled.validate(thing(a="longer"), old)) == ["spec.a: Too long: may not be more than 1 byte"]
    assert texts(compiled.validate(new)) == [
        "spec.a: Too long: may not be more than 1 byte",
        "spec.l[1].v: Too long: may not be more than 1 byte",
    ]


def test_sets_and_maps_are_unique() -> None:
    compiled = schema(
        s={"type": "array", "items": {}, "x-kubernetes-list-type": "set"},
        m={
            "type": "array",
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a", "b"],
        },
    )
    obj = thing(s=[1, 1.0, True, "1", 1, 1, {"a": 1}, {"a": 1}], m=[{"a": 1, "b": 2}, {"b": 2, "a": 1}, {}, {}])
    assert texts(compiled.validate(obj)) == [
        'spec.m[1]: Duplicate value: {"a":1,"b":2}',
        "spec.m[3]: Duplicate value: {}",
        "spec.s[4]: Duplicate value: 1",
        'spec.s[7]: Duplicate value: {"a":1}',
    ]
    assert compiled.validate(obj, obj) == [], "repetitions that were there before are tolerated"


def test_embedded_metadata_is_validated() -> None:
    compiled = schema(
        e={"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    )
    assert texts(compiled.validate(thing(e={"kind": "a_b", "metadata": {"labels": {"a": 1}}}))) == [
        "spec.e.apiVersion: Required value",
        'spec.e.kind: Invalid value: "a_b": may have mixed case, but should otherwise match: a DNS-1035 label must '
        "consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
        "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
        "'[a-z]([-a-z0-9]*[a-z0-9])?')",
        'spec.e.metadata: Invalid value: {"labels":{"a":1}}: json: cannot unmarshal number into Go struct field '
        "ObjectMeta.labels of type string",
    ]


# --- algebra ---------------------------------------------------------------------------------------------------------

_KEYS = st.sampled_from(["a", "b", "c", "metadata"])
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.5, 2.0]),
    st.sampled_from(["", "a", "bb", "1h"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=8,
)


def _leaf(kind: str) -> st.SearchStrategy[Obj]:
    limits: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "string": {
            "minLength": st.integers(0, 2),
            "pattern": st.sampled_from(["^a", "b"]),
            "format": st.just("duration"),
        },
        "integer": {"minimum": st.sampled_from([0, 1.5]), "maximum": st.integers(0, 2), "format": st.just("int32")},
        "number": {"multipleOf": st.sampled_from([0.5, 2]), "exclusiveMinimum": st.booleans(), "minimum": st.just(0)},
        "boolean": {},
    }
    shared = {"nullable": st.booleans(), "default": _SCALARS, "enum": st.lists(_SCALARS, min_size=1, max_size=3)}
    return st.fixed_dictionaries({"type": st.just(kind)}, optional={**limits[kind], **shared})


_LEAVES = st.sampled_from(["string", "integer", "number", "boolean"]).flatmap(_leaf) | st.sampled_from(
    [{"x-kubernetes-int-or-string": True}, {"x-kubernetes-preserve-unknown-fields": True}]
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(_KEYS, inner, max_size=3)},
            optional={"required": st.lists(_KEYS, max_size=1), "x-kubernetes-preserve-unknown-fields": st.just(True)},
        ),
        st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner}),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"maxItems": st.integers(0, 2), "oneOf": st.lists(inner, max_size=2)},
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(spec=_SCHEMAS, value=_VALUES, before=_VALUES)
def test_laws(spec: Obj, value: Any, before: Any) -> None:
    """Pruning and defaulting are idempotent, validation changes nothing, and its two halves agree."""
    compiled = compile_schema({"type": "object", "properties": {"spec": spec}})
    obj: Obj = {"apiVersion": "g/v1", "kind": "K", "spec": value}
    compiled.default(obj)
    defaulted = copy.deepcopy(obj)
    assert not compiled.default(obj)
    assert obj == defaulted
    compiled.prune(obj)
    pruned = copy.deepcopy(obj)
    assert compiled.prune(obj) == []
    assert obj == pruned
    errors = texts(compiled.validate(obj))
    assert obj == pruned
    assert (compiled.validate_schema(obj) == []) == (not validate_value(compiled.node, obj).faults)
    compiled.default(obj)
    compiled.prune(obj)
    assert texts(compiled.validate(obj)) == errors
    old: Obj = {"apiVersion": "g/v1", "kind": "K", "spec": before}
    assert set(texts(compiled.validate_schema(obj, old))) <= set(texts(compiled.validate_schema(obj)))
