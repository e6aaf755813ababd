"""Request bodies: texts as recorded from a kube-apiserver; the recordings themselves are replayed where they are."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest, StatusError
from wherry.kit import goyaml
from wherry.machinery import bodies, builtins
from wherry.machinery.kinds import Resource, Subresource

CONFIG_MAPS, DEPLOYMENTS = ("", "v1", "configmaps"), ("apps", "v1", "deployments")
FIND = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


def target(name: tuple[str, str, str]) -> Resource:
    found = builtins.resource(*name)
    assert found is not None
    return found


def decode(body: bytes, name: tuple[str, str, str] = CONFIG_MAPS, validation: Any = "Warn") -> bodies.Decoded:
    return bodies.decode_object(body, bodies.JSON, target(name), validation)


def refusal(body: bytes, name: tuple[str, str, str] = CONFIG_MAPS, **more: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        decode(body, name, **more)
    return caught.value.message


def test_kind_and_version_are_filled_in() -> None:
    assert list(decode(b'{"data":{"a":"b"},"metadata":{"name":"x"}}').obj.items()) == [
        ("kind", "ConfigMap"), ("apiVersion", "v1"), ("metadata", {"name": "x"}), ("data", {"a": "b"}),
    ]  # fmt: skip
    assert decode(b"null").obj == {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}}


HEAD = "couldn't get version/kind; json parse error: "


@pytest.mark.parametrize(
    ("body", "why", "shown"),
    [
        (b"", f"{HEAD}unexpected end of JSON input", "<empty>"),
        (b"{", f"{HEAD}unexpected end of JSON input", "{"),
        (b"[]", f"{HEAD}json: cannot unmarshal array into Go value of type {FIND}", "5b5d"),
        (
            b'{"apiVersion":"v1","kind":"ConfigMap"} t',
            f"{HEAD}invalid character 't' after top-level value",
            '{"apiVersion":"v1","kind":"Con ...',
        ),
        (b'{"apiVersion":"a/b/c"}', "unexpected GroupVersion string: a/b/c", '{"apiVersion":"a/b/c"}'),
        (
            b'{"kind":5}',
            f"{HEAD}json: cannot unmarshal number into Go struct field .kind of type string",
            '{"kind":5}',
        ),
    ],
)
def test_what_cannot_be_read(body: bytes, why: str, shown: str) -> None:
    assert refusal(body) == f"the object provided is unrecognized (must be of type ConfigMap): {why} ({shown})"


@pytest.mark.parametrize(
    ("claims", "name", "message"),
    [
        ({"apiVersion": "v1", "kind": "Deployment"}, DEPLOYMENTS,
         'Deployment in version "v1" cannot be handled as a Deployment: no kind "Deployment" is registered for version '
         '"v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'),
        ({"apiVersion": "extensions/v1beta1", "kind": "Deployment"}, DEPLOYMENTS,
         "the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)"),
        ({"apiVersion": "apps/v1", "kind": "ReplicaSet"}, DEPLOYMENTS,
         'ReplicaSet in version "v1" cannot be handled as a Deployment: converting (v1.ReplicaSet) to '
         "(apps.Deployment): unknown conversion"),
        ({"apiVersion": "v1", "kind": "Status"}, CONFIG_MAPS,
         'Status in version "v1" cannot be handled as a ConfigMap: converting (v1.Status) to (core.ConfigMap): unknown '
         "conversion"),
    ],
)  # fmt: skip
def test_what_claims_to_be_something_else(claims: dict[str, str], name: tuple[str, str, str], message: str) -> None:
    assert refusal(json.dumps(claims).encode(), name) == message


def test_kind_is_found_whatever_its_case_but_fields_are_not() -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"b"},"KIND":"Secret"}'
    assert (
        refusal(body) == 'Secret in version "v1" cannot be handled as a ConfigMap: illegal base64 data at input byte 0'
    )
    assert decode(b'{"Data":{"a":"b"}}').warnings == ['unknown field "Data"']


def test_numbers_are_quoted_as_sent() -> None:
    body = b'{"spec":{"replicas":8e1}}'
    assert "cannot unmarshal number 8e1 into Go struct field DeploymentSpec.spec.replicas" in refusal(body, DEPLOYMENTS)


def test_field_validation() -> None:
    body = b'{"metadata":{"name":"x"},"data":{"a":"b","a":"c"},"extra":1}'
    problems = ['duplicate field "data.a"', 'unknown field "extra"']
    assert decode(body, validation="Warn").warnings == problems
    assert decode(body, validation="Ignore").warnings == []
    expected = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ' + ", ".join(
        problems
    )
    assert refusal(body, validation="Strict") == expected


def test_yaml_warns_a_line_each_and_refuses_in_one_breath() -> None:
    body = b"data:\n  a: one\n  a: two\n  a: three\nextra: 1\n"
    found = bodies.decode_object(body, bodies.YAML, target(CONFIG_MAPS), "Warn")
    lines = ['line 3: key "a" already set in map', 'line 4: key "a" already set in map']
    assert found.warnings == [*lines, 'unknown field "extra"']
    with pytest.raises(BadRequest) as caught:
        bodies.decode_object(body, bodies.YAML, target(CONFIG_MAPS), "Strict")
    text = "yaml: unmarshal errors:\n  " + "\n  ".join(lines) + ', unknown field "extra"'
    assert caught.value.message.endswith(f"strict decoding error: {text}")


def test_objects_hold_nothing_but_plain_values() -> None:
    revisions = target(("apps", "v1", "controllerrevisions"))
    for body, media in (
        (b'{"data":{"a":1.5,"a":2.50},"revision":1}', bodies.JSON),
        (b"data: {a: 2.5}\nrevision: 1", bodies.YAML),
    ):
        data = bodies.decode_object(body, media, revisions).obj["data"]
        assert data == {"a": 2.5}
        assert (type(data), type(data["a"])) == (dict, float)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.sampled_from(["", "a: b", "yes", "1e3", "# c"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["b", "a", "on", "1"]), inner),
        max_leaves=8,
    ),
    st.booleans(),
)
def test_json_sent_as_yaml_is_read_as_yaml_would_read_it(document: Any, spaced: bool) -> None:
    body = json.dumps({"x": document}, indent=1 if spaced else None).encode()
    found, repeated = bodies.parse_yaml(body)
    assert (found, repeated) == goyaml.loads(body)
    assert json.dumps(found) == json.dumps(goyaml.loads(body)[0])  # the order of keys too


def test_numbers_in_json_sent_as_yaml() -> None:
    quotas = target(("", "v1", "resourcequotas"))
    body = b'{"spec":{"hard":{"cpu":1e3,"memory":0.50}}}'
    assert bodies.decode_object(body, bodies.YAML, quotas).obj["spec"]["hard"] == {"cpu": "1k", "memory": "500m"}
    assert bodies.decode_object(body, bodies.JSON, quotas).obj["spec"]["hard"] == {"cpu": "1e3", "memory": "500m"}


def test_custom_resources_have_to_say_what_they_are() -> None:
    thing = Resource("g.example.com", "v1", "things", "thing", "Thing", True, ())
    with pytest.raises(BadRequest, match=r"must be of type Thing\): Object 'Kind' is missing in '\{\}' \(\{\}\)"):
        bodies.decode_custom(b"{}", bodies.JSON, thing)
    with pytest.raises(BadRequest, match=r"\(g.example.com/v2\) does not match the expected API version"):
        bodies.decode_custom(b'{"apiVersion":"g.example.com/v2","kind":"Thing"}', bodies.JSON, thing)
    body = b'{"apiVersion":"g.example.com/v1","kind":"Thing","spec":{"a":1,"a":2}}'
    found = bodies.decode_custom(body, bodies.JSON, thing)
    assert found.raw["spec"] == {"a": 2}
    assert found.duplicates == ['duplicate field "spec.a"']


def test_numbers_of_custom_resources() -> None:
    thing = Resource("g.example.com", "v1", "things", "thing", "Thing", True, ())
    head = b'{"apiVersion":"g.example.com/v1","kind":"Thing","n":'
    for text, expected in ((b"9223372036854775807", 2**63 - 1), (b"9223372036854775808", 2.0**63), (b"1.5", 1.5)):
        found = bodies.decode_custom(head + text + b"}", bodies.JSON, thing).raw["n"]
        assert (type(found), found) == (type(expected), expected)
    with pytest.raises(BadRequest) as caught:
        bodies.decode_custom(head + b"[1e400]}", bodies.JSON, thing)
    why = "json: cannot unmarshal number 1e400 into Go value of type float64"
    assert caught.value.message == f'Thing in version "v1" cannot be handled as a Thing: {why}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"a: b: c", "error converting YAML to JSON: yaml: mapping values are not allowed in this context"),
        (b"\tbad", "error converting YAML to JSON: yaml: found character that cannot start any token"),
        (
            b"[]",
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}",
        ),
    ],
)
def test_bad_apply_bodies(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        bodies.parse_apply(body)
    assert caught.value.message == f"error decoding YAML: {message}"


def test_apply_bodies() -> None:
    assert bodies.parse_apply(b"") == ({}, [])
    assert bodies.parse_apply(b"null") == ({}, [])
    found, problems = bodies.parse_apply(b"kind: A\ndata: {a: b, a: c}\n")
    assert found == {"kind": "A", "data": {"a": "c"}}
    assert problems == ['error converting YAML to JSON: yaml: unmarshal errors:\n  line 2: key "a" already set in map']
    assert bodies.strict_warnings(problems) == ['line 2: key "a" already set in map']


def test_delete_options_of_any_group() -> None:
    body = b'{"apiVersion":"apps/v1","kind":"DeleteOptions","gracePeriodSeconds":5,"preconditions":{"uid":""}}'
    found = bodies.decode_options(body, bodies.JSON, "DeleteOptions", "apps")
    assert found["gracePeriodSeconds"] == 5
    assert found["preconditions"] == {"uid": ""}
    with pytest.raises(BadRequest) as caught:
        bodies.decode_options(b'{"kind":"Nope","apiVersion":"v1"}', bodies.JSON, "DeleteOptions")
    scheme = "pkg/apis/meta/internalversion/scheme/register.go:27"
    assert caught.value.message == f'no kind "Nope" is registered for version "v1" in scheme "{scheme}"'


# --- the recordings --------------------------------------------------------------------------------------------------


def endpoint(path: str) -> Resource | Subresource | None:
    """The built-in resource or subresource that a recorded path addresses."""
    parts = path.partition("?")[0].strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        rest = rest[2:]
    found = builtins.resource(group, version, rest[0])
    return found.subresources.get(rest[2]) if found and len(rest) > 2 else found


def recorded() -> list[Any]:
    out = []
    for file in sorted((Path(os.environ["WHERRY_CORPORA"]) / "transcripts").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            scenario = json.loads(line)
            out += [
                (scenario["scenario"], step)
                for step in scenario["steps"]
                if step["request"].startswith(("POST", "PUT"))
            ]
    return out


def attempt(body: bytes, media: str, found: Resource | Subresource, validation: Any) -> bodies.Decoded | str:
    try:
        return bodies.decode_object(body, media, found, validation)
    except StatusError as error:
        return error.message


def masked(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>", text)
    return re.sub(r"c?\$\{\w+\}|c?<(id|ns)\d*>", "X", text)


@pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recorded answers")
def test_recorded_bodies_are_taken_or_refused_in_the_same_words() -> None:
    refused = taken = 0
    for scenario, step in recorded():
        found = endpoint(step["request"].split(" ")[1])
        media = (step.get("headers") or {}).get("Content-Type", bodies.JSON).split(";")[0] or bodies.JSON
        validation: Any = (re.findall(r"fieldValidation=(\w+)", step["request"]) or ["Warn"])[0]
        known = media in (bodies.JSON, bodies.YAML, bodies.PROTOBUF) and validation in ("Ignore", "Warn", "Strict")
        if found is None or found.kind.endswith("Options") or step.get("as") or step.get("anonymous") or not known:
            continue
        body = (step["raw"] if "raw" in step else json.dumps(step["body"]) if "body" in step else "").encode()
        answer = step["answer"]
        content = answer.get("body")
        message = content.get("message", "") if isinstance(content, dict) and answer["status"] == 400 else ""
        made = attempt(body, media, found, validation)
        if isinstance(made, str):
            if isinstance(content, dict) and answer["status"] not in (403, 404, 405):  # decided before the body is read
                assert masked(made) == masked(message), scenario
                refused += 1
            continue
        assert not re.search("cannot be handled as|is unrecognized|API version in the data", message), (
            scenario,
            message,
        )
        taken += 1
        if answer["status"] < 300:
            told = [w[7:-1].replace('\\"', '"') for w in answer.get("warnings") or []]
            assert made.warnings == [w for w in told if re.search("unknown field|duplicate field|already set", w)], (
                scenario
            )
    assert refused > 150
    assert taken > 2000
