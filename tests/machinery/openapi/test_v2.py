"""OpenAPI v2: the JSON document, shared parameters, and its protobuf form read back by a decoder of its own."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery import builtins
from wherry.machinery.kinds import Resource
from wherry.machinery.openapi.custom import CustomKind
from wherry.machinery.openapi.v2 import ACCEPTED, PROTOBUF_TYPE, BuiltinV2, OpenAPIV2, without_defaults
from wherry.machinery.openapi.v2_protobuf import schema

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
WIDGET = Resource("example.com", "v1", "widgets", "widget", "Widget", True, VERBS)
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "default": {}, "properties": {
    "default": {"type": "string", "default": "x"}}}}}  # fmt: skip


@pytest.fixture(scope="module")
def builtin() -> BuiltinV2:
    return BuiltinV2(builtins.resources())


@pytest.fixture(scope="module")
def document(builtin: BuiltinV2) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(OpenAPIV2(builtin, [CustomKind(WIDGET, SCHEMA)]).json.body)
    return loaded


def test_the_document_is_whole(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert {part.split('"')[0] for part in text.split("#/definitions/")[1:]} <= set(document["definitions"])
    assert {part.split('"')[0] for part in text.split("#/parameters/")[1:]} == set(document["parameters"])
    assert "/api/v1/namespaces/{namespace}/pods/{name}/exec" in document["paths"]
    assert "/version/" in document["paths"]
    assert document["swagger"] == "2.0"
    assert document["security"] == [{"BearerToken": []}]


def test_shared_parameters_have_the_names_that_clients_know(document: dict[str, Any]) -> None:
    assert {"limit-1NfNmdNH", "pretty-tJGM1-ng", "fieldManager-Qy4HdaTW", "body-2Y1dVQaQ"} <= set(
        document["parameters"]
    )
    patch = document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"]
    assert {p["name"] for p in patch["parameters"] if "name" in p} == {"dryRun", "fieldValidation"}
    assert "application/strategic-merge-patch+json" in patch["consumes"]
    widget = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in widget["consumes"]


def test_definitions(document: dict[str, Any]) -> None:
    definitions = document["definitions"]
    spec = definitions["com.example.v1.Widget"]["properties"]["spec"]
    assert spec == {"type": "object", "properties": {"default": {"type": "string"}}}
    assert definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["type"] == "string"
    budget = definitions["io.k8s.api.policy.v1.PodDisruptionBudget"]["properties"]["spec"]
    assert budget["$ref"] == "#/definitions/io.k8s.api.policy.v1.PodDisruptionBudgetSpec"
    assert "default" not in budget


def test_custom_kinds_come_and_go(builtin: BuiltinV2) -> None:
    without, with_widget = OpenAPIV2(builtin), OpenAPIV2(builtin, [CustomKind(WIDGET, SCHEMA)])
    assert without.json.etag != with_widget.json.etag
    assert "com.example.v1.Widget" not in json.loads(without.json.body)["definitions"]
    assert ACCEPTED["application/com.github.proto-openapi.spec.v2@v1.0+protobuf"] == PROTOBUF_TYPE


# --- protobuf, read back --------------------------------------------------------------------------------------------


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return number, at


def fields(data: bytes) -> dict[int, list[Any]]:
    """Field number -> raw values in order."""
    out: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = struct.unpack("<d", data[at : at + 8])[0], at + 8
        else:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        out.setdefault(key >> 3, []).append(value)
    return out


def entries(data: bytes, number: int = 1) -> dict[str, bytes]:
    pairs = [fields(entry) for entry in fields(data).get(number, [])]
    return {pair[1][0].decode(): pair.get(2, [b""])[0] for pair in pairs}


def test_protobuf_says_the_same(builtin: BuiltinV2, document: dict[str, Any]) -> None:
    binary = fields(OpenAPIV2(builtin, [CustomKind(WIDGET, SCHEMA)]).protobuf.body)
    assert binary[1] == [b"2.0"]
    paths = entries(binary[8][0], 2)
    assert list(paths) == list(document["paths"])
    assert list(entries(binary[9][0])) == list(document["definitions"])
    assert set(entries(binary[10][0])) == set(document["parameters"])
    item = fields(paths["/api/v1/namespaces/{namespace}/configmaps/{name}"])
    get, patch = fields(item[2][0]), fields(item[8][0])
    assert get[5] == [b"readCoreV1NamespacedConfigMap"]
    assert patch[7][2] == b"application/strategic-merge-patch+json"
    extension = {fields(e)[1][0]: fields(fields(e)[2][0])[2][0] for e in patch[13]}
    kind = json.loads(extension[b"x-kubernetes-group-version-kind"])
    assert kind == {"group": "", "version": "v1", "kind": "ConfigMap"}


def decoded(data: bytes) -> dict[str, Any]:
    """The members of a Schema that the property test writes."""
    got, out = fields(data), {}
    strings = {1: "$ref", 2: "format", 4: "description", 13: "pattern"}
    out.update({name: got[n][0].decode() for n, name in strings.items() if n in got})
    out.update({name: got[n][0] for n, name in {7: "maximum", 11: "maxLength"}.items() if n in got})
    if 19 in got:
        out["required"] = [value.decode() for value in got[19]]
    if 20 in got:
        out["enum"] = [json.loads(fields(value)[2][0]) for value in got[20]]
    if 21 in got:
        inner = fields(got[21][0])
        out["additionalProperties"] = decoded(inner[1][0]) if 1 in inner else bool(inner[2][0])
    if 22 in got:
        out["type"] = fields(got[22][0])[1][0].decode()
    if 23 in got:
        out["items"] = decoded(fields(got[23][0])[1][0])
    if 25 in got:
        out["properties"] = {name: decoded(value) for name, value in entries(got[25][0]).items()}
    if 31 in got:
        for entry in got[31]:
            out[fields(entry)[1][0].decode()] = json.loads(fields(fields(entry)[2][0])[2][0])
    return out


LEAF = st.fixed_dictionaries({}, optional={
    "type": st.sampled_from(["string", "integer", "object"]),
    "description": st.text(min_size=1, max_size=300),
    "pattern": st.text(min_size=1, max_size=5),
    "maximum": st.floats(allow_nan=False, allow_infinity=False).filter(bool),
    "maxLength": st.integers(1, 2**62),
    "required": st.lists(st.text(max_size=4), min_size=1, max_size=3),
    "enum": st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=4), st.none()), min_size=1, max_size=3),
    "x-kubernetes-list-map-keys": st.lists(st.text(max_size=4), max_size=2),
})  # fmt: skip


def nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={
        "items": inner,
        "additionalProperties": st.one_of(st.booleans(), inner),
        "properties": st.dictionaries(st.text(min_size=1, max_size=4), inner, min_size=1, max_size=3),
    })  # fmt: skip


@given(st.recursive(LEAF, nested, max_leaves=6))
def test_schemas_survive_protobuf(value: dict[str, Any]) -> None:
    assert decoded(schema(value)) == value


def test_without_defaults_keeps_properties_of_that_name() -> None:
    value = {"default": 1, "properties": {"default": {"default": 2, "type": "integer"}}, "items": {"default": 3}}
    assert without_defaults(value) == {"properties": {"default": {"type": "integer"}}, "items": {}}
