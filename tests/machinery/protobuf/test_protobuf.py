"""Protobuf bodies: bytes come from an encoder written here by hand, and from the module's own writer."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest
from wherry.machinery import bodies, builtins, protobuf
from wherry.machinery.protobuf import ProtobufError
from wherry.machinery.typed import decoder
from wherry.machinery.typed.compile import empty_lists_as_null

# --- an encoder of its own -------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    value %= 1 << 64
    out = b""
    while value > 127:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field * 8) + varint(value)


def chunk(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field * 8 + 2) + varint(len(data)) + data


def pair(field: int, key: str, value: bytes | str) -> bytes:
    return chunk(field, chunk(1, key) + chunk(2, value))


def wrapped(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + chunk(1, chunk(1, api_version) + chunk(2, kind)) + chunk(2, raw) + chunk(3, "") + chunk(4, "")


def decode(body: bytes, group: str, version: str, plural: str) -> Any:
    found = builtins.resource(group, version, plural)
    assert found is not None
    return bodies.decode_object(body, bodies.PROTOBUF, found).obj


def test_a_config_map() -> None:
    meta = chunk(1, "x") + chunk(3, "default") + pair(11, "b", "2") + pair(11, "a", "1") + chunk(99, "from the future")
    raw = chunk(1, meta) + pair(2, "k", "v") + pair(3, "bin", b"\x00\xff") + number(4, 1)
    assert decode(wrapped("v1", "ConfigMap", raw), "", "v1", "configmaps") == {
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "x", "namespace": "default", "labels": {"a": "1", "b": "2"}},
        "immutable": True, "data": {"k": "v"}, "binaryData": {"bin": base64.b64encode(b"\x00\xff").decode()},
    }  # fmt: skip


def test_a_pod_with_the_special_types() -> None:
    probe = chunk(1, chunk(2, chunk(1, "/") + chunk(2, number(1, 1) + number(2, 0) + chunk(3, "http")))) + number(2, -5)
    limits = chunk(1, chunk(1, "cpu") + chunk(2, chunk(1, "0.5")))
    container = chunk(1, "c") + chunk(2, "i") + chunk(3, "sh") + chunk(3, "-c") + chunk(8, limits) + chunk(10, probe)
    volume = chunk(1, "v") + chunk(2, chunk(2, b""))  # an emptyDir, inside the embedded VolumeSource
    created = number(1, 1_577_836_800) + number(2, 999_999_999)
    raw = chunk(1, chunk(8, created)) + chunk(2, chunk(1, volume) + chunk(2, container) + number(25, 7)) + chunk(3, b"")
    found = decode(wrapped("v1", "Pod", raw), "", "v1", "pods")
    assert found["metadata"] == {"creationTimestamp": "2020-01-01T00:00:00Z"}
    assert found["spec"] == {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [
            {
                "name": "c", "image": "i", "command": ["sh", "-c"], "resources": {"limits": {"cpu": "500m"}},
                "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "initialDelaySeconds": -5},
            }
        ],
        "priority": 7,
    }  # fmt: skip


def test_a_lease_and_lists_of_numbers() -> None:
    spec = chunk(1, "me") + chunk(4, number(1, 1_577_836_800) + number(2, 1_000))
    assert decode(wrapped("coordination.k8s.io/v1", "Lease", chunk(2, spec)), "coordination.k8s.io", "v1", "leases")[
        "spec"
    ] == {"holderIdentity": "me", "renewTime": "2020-01-01T00:00:00.000001Z"}
    for packed in (number(4, 5) + number(4, 300), chunk(4, varint(5) + varint(300))):
        raw = protobuf.decode_message("", "v1", "Pod", chunk(2, chunk(14, packed)))
        assert raw["spec"]["securityContext"]["supplementalGroups"] == [5, 300]


def test_delete_options() -> None:
    body = wrapped(
        "v1", "DeleteOptions", number(1, 0) + chunk(2, chunk(1, "u")) + chunk(4, "Background") + chunk(5, "All")
    )
    assert bodies.decode_options(body, bodies.PROTOBUF, "DeleteOptions") == {
        "gracePeriodSeconds": 0, "preconditions": {"uid": "u"}, "propagationPolicy": "Background", "dryRun": ["All"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty data"),
        (b"k8s\x00", "empty body"),
        (b"{}", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (b"k8s\x00\x12\x7f", "unexpected EOF"),
        (b"k8s\x00\x0c", "proto: Unknown: wiretype end group for non-group"),
        (b"k8s\x00\x06", "proto: Unknown: illegal tag 0 (wire type 6)"),
        (b"k8s\x00" + b"\xff" * 11, "proto: integer overflow"),
    ],
)
def test_bad_envelopes(body: bytes, message: str) -> None:
    with pytest.raises(ProtobufError) as caught:
        protobuf.unwrap(body)
    assert str(caught.value) == message


def test_bad_messages_are_bad_requests() -> None:
    with pytest.raises(BadRequest) as caught:
        decode(wrapped("v1", "ConfigMap", number(2, 1)), "", "v1", "configmaps")
    expected = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: proto: wrong wireType = 0 for field Data'
    assert caught.value.message == expected


def test_schemas_nested_without_end_are_refused() -> None:
    from wherry.machinery.protobuf.reader import rows

    nested = next(row[3] for row in rows("apiextensions/v1.JSONSchemaProps") if row[0] == "not")
    schema = b""
    for _ in range(1000):
        schema = chunk(nested, schema)
    spec = chunk(7, chunk(4, chunk(1, schema)))
    with pytest.raises(ProtobufError, match="exceeded max depth"):
        protobuf.decode_message("apiextensions.k8s.io", "v1", "CustomResourceDefinition", chunk(2, spec))


@given(st.binary(max_size=60))
def test_garbage_is_refused_or_read_but_never_breaks(data: bytes) -> None:
    try:
        raw = protobuf.decode_message("", "v1", "Pod", data)
        decoder("", "v1", "Pod").decode(raw)
    except ValueError:
        pass


# --- there and back --------------------------------------------------------------------------------------------------

FILL: dict[str, Any] = {
    "string": "x",
    "bool": True,
    "int32": -3,
    "int64": 2**40,
    "float64": 1.5,
    "[]uint8": "YQ==",
    "resource.Quantity": "1Gi",
    "intstr.IntOrString": "80%",
    "meta/v1.Time": "2020-01-01T00:00:00Z",
    "meta/v1.MicroTime": "2020-01-01T00:00:00.000001Z",
    "runtime.RawExtension": {"a": [1]},
    "meta/v1.FieldsV1": {"f:a": {}},
}


def full(go_type: str, depth: int = 0) -> Any:
    """A value with every field of its type set."""
    from wherry.machinery.typed.facts import fields, is_struct, underlying

    base = underlying(go_type.lstrip("*"))
    if base in FILL:
        return FILL[base]
    if base.startswith("[]"):
        return [full(base[2:], depth)]
    if base.startswith("map["):
        return {"k": full(base[base.index("]") + 1 :], depth)}
    if not is_struct(base) or depth > 12:
        return None
    # Kind and version of embedded objects are not part of their messages.
    inner = [f for f in fields(base) if f.number and all(f.embedded)]
    return {field.json: full(field.type, depth + 1) for field in inner}


KINDS = [(g, v, r.kind) for (g, v), found in builtins.resources().items() for r in found if g != "apiextensions.k8s.io"]


@pytest.mark.parametrize(("group", "version", "kind"), KINDS)
def test_every_field_of_every_kind_survives(group: str, version: str, kind: str) -> None:
    made = decoder(group, version, kind).decode(full(builtins.go_type_name(group, version, kind))).obj
    body = protobuf.encode(group, version, kind, made)
    raw = protobuf.decode_message(group, version, kind, protobuf.unwrap(body).raw)
    assert decoder(group, version, kind).decode(raw).obj == made


def test_schemas_with_their_unions_survive() -> None:
    properties = {
        "l": {"type": "array", "items": {"type": "string"}},
        "m": {"additionalProperties": {"type": "integer"}},
        "n": {"additionalProperties": False},
        "o": {"items": [{"type": "string"}]},
    }
    schema = {
        "type": "object",
        "default": {"a": 1},
        "enum": ["x", 1, None],
        "maximum": 2.5,
        "required": ["a"],
        "properties": properties,
        "dependencies": {"d": ["a"], "e": {"type": "object"}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "g", "names": {"plural": "p", "kind": "K"}, "scope": "Cluster", "versions": [version]}
    name = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    made = decoder(*name).decode({"metadata": {"name": "x"}, "spec": spec}).obj
    raw = protobuf.decode_message(*name, protobuf.unwrap(protobuf.encode(*name, made)).raw)
    assert decoder(*name).decode(raw).obj == made


@pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recorded answers")
def test_recorded_config_survives() -> None:
    file = Path(os.environ["WHERRY_CORPORA"]) / "transcripts" / "kinds.jsonl"
    checked = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        for step in json.loads(line)["steps"]:
            sent = step.get("body")
            if not isinstance(sent, dict) or "kind" not in sent or not isinstance(sent.get("apiVersion"), str):
                continue
            group, _, version = sent["apiVersion"].rpartition("/")
            resource = builtins.resource_of_kind(group, version, sent["kind"])
            if resource is None or sent["kind"] == "StatefulSet":
                continue
            try:
                made = decoder(group, version, sent["kind"]).decode(json.loads(json.dumps(sent))).obj
            except ValueError:
                continue
            empty_lists_as_null(group, resource.name, made)
            raw = protobuf.decode_message(
                group, version, sent["kind"], protobuf.unwrap(protobuf.encode(group, version, sent["kind"], made)).raw
            )
            again = decoder(group, version, sent["kind"]).decode(raw).obj
            empty_lists_as_null(group, resource.name, again)
            assert again == {key: value for key, value in made.items() if key not in ("kind", "apiVersion")}
            checked += 1
    assert checked > 100
