"""Rules of single core kinds that the recorded answers leave open."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.builtin import strategy
from wherry.machinery.builtin.core.conversion import CONVERSIONS
from wherry.machinery.builtin.core.leases import parse_version
from wherry.machinery.builtin.core.shared import gojson

Obj = dict[str, Any]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_json_objects_have_no_problem(value: Obj) -> None:
    assert gojson.object_problem(json.dumps(value).encode()) == ""


@given(st.text(alphabet='{}[]",:0123tfn e\\', max_size=16))
def test_faults_agree_with_the_standard_library(text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        assert gojson.object_problem(text.encode())
    else:
        assert (gojson.object_problem(text.encode()) == "") == (value is None or isinstance(value, dict))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "unexpected end of JSON input"),
        (b"[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (b"{a}", "invalid character 'a' looking for beginning of object key string"),
        (b"{} x", "invalid character 'x' after top-level value"),
    ],
)
def test_words_of_faults(raw: bytes, text: str) -> None:
    assert gojson.object_problem(raw) == text


def test_versions_are_ordered_as_semver_says() -> None:
    texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0", "1.10.0"]
    versions = [parse_version(text) for text in texts]
    assert all(versions)
    assert versions == sorted(versions, key=lambda version: version or ())
    assert parse_version("1.0") is None
    assert parse_version("9" * 5000 + ".0.0") is None


def test_secret_moves_string_data() -> None:
    obj: Obj = {"metadata": {"name": "s"}, "data": {"a": "b2xk"}, "stringData": {"a": "new", "b": "two"}}
    strategy("", "secrets").default(obj)
    assert obj["data"] == {"a": "bmV3", "b": "dHdv"}
    assert obj["type"] == "Opaque"


def test_limit_range_defaults_follow_from_max() -> None:
    obj: Obj = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}
    rules = strategy("", "limitranges")
    rules.default(obj)
    (limit,) = obj["spec"]["limits"]
    assert limit["default"] == limit["defaultRequest"] == {"cpu": "2"}
    assert rules.validate_create(obj) == []


def test_namespace_lives_until_it_is_finalized() -> None:
    obj: Obj = {"metadata": {"name": "n"}}
    rules = strategy("", "namespaces")
    rules.default(obj)
    rules.prepare_create(obj)
    assert obj["spec"]["finalizers"] == ["kubernetes"]
    assert obj["metadata"]["labels"]["kubernetes.io/metadata.name"] == "n"
    assert obj["status"] == {"phase": "Active"}


def test_events_go_there_and_back() -> None:
    there, back = (
        CONVERSIONS["", "events"]["v1", "events.k8s.io/v1"],
        CONVERSIONS["", "events"]["events.k8s.io/v1", "v1"],
    )
    event: Obj = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p"},
        "message": "m",
        "reason": "r",
        "source": {"component": "c"},
        "count": 3,
        "type": "Normal",
        "reportingComponent": "",
        "reportingInstance": "",
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
    }
    middle = there(event)
    assert middle["regarding"] == {"kind": "Pod", "name": "p"}
    assert middle["note"] == "m"
    assert back(middle) == event


def texts(found: list[Any]) -> list[str]:
    return [str(error) for error in found]


def test_node_cidrs_that_are_none_are_told_twice() -> None:
    node: Obj = {"metadata": {"name": "n"}, "spec": {"podCIDRs": ["a.b", "192.0.2.0/24"]}, "status": {}}
    rules = strategy("", "nodes")
    rules.default(node)
    found = texts(rules.validate_create(node))
    assert found[1:] == [
        "spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:"
        "invalid CIDR[0]: <nil> (invalid CIDR address: a.b)",
        'spec.podCIDRs: Invalid value: ["a.b","192.0.2.0/24"]: may specify no more than one CIDR for each IP family',
    ]


@pytest.mark.parametrize(
    ("spec", "cidrs"),
    [
        ({"podCIDR": "192.0.2.0/24"}, ["192.0.2.0/24"]),
        ({"podCIDR": "192.0.2.0/24", "podCIDRs": ["198.51.100.0/24", "2001:db8::/64"]}, ["192.0.2.0/24"]),
        ({"podCIDRs": ["198.51.100.0/24"]}, ["198.51.100.0/24"]),
    ],
)
def test_the_old_pod_cidr_wins(spec: Obj, cidrs: list[str]) -> None:
    node = {"metadata": {"name": "n"}, "spec": spec, "status": {}}
    strategy("", "nodes").default(node)
    assert (spec["podCIDR"], spec["podCIDRs"]) == (cidrs[0], cidrs)


def test_declared_features_have_names_and_an_order() -> None:
    status = {"declaredFeatures": ["B/b", "A", "A", "a"]}
    node: Obj = {"metadata": {"name": "n"}, "spec": {}, "status": status}
    assert texts(strategy("", "nodes").validate_create(node)) == [
        'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
        'status.declaredFeatures[2]: Duplicate value: "A"',
        'status.declaredFeatures[3]: Invalid value: "a": invalid feature name "a": must start with an UpperCamelCase '
        "segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain "
        "only alphanumeric characters and slashes",
    ]


@pytest.mark.parametrize(("capacity", "shown"), [({}, "{}"), (None, "null")])
def test_the_capacity_of_a_volume_tells_empty_from_absent(capacity: Obj | None, shown: str) -> None:
    spec: Obj = {"accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/a"}}
    if capacity is not None:
        spec["capacity"] = capacity
    volume: Obj = {"metadata": {"name": "v"}, "spec": spec}
    rules = strategy("", "persistentvolumes")
    rules.default(volume)
    assert texts(rules.validate_create(volume)) == [
        "spec.capacity: Required value",
        f'spec.capacity: Unsupported value: {shown}: supported values: "storage"',
    ]


def test_inline_volumes_get_defaults_and_the_status_of_attachments_is_judged() -> None:
    inline = {"accessModes": ["ReadWriteOnce"], "azureDisk": {"diskName": "d", "diskURI": "u"}, "capacity": {}}
    spec = {"attacher": "a.example.com", "nodeName": "n", "source": {"inlineVolumeSpec": inline}}
    attachment: Obj = {"metadata": {"name": "a"}, "spec": spec, "status": {"attachError": {"errorCode": -1}}}
    rules = strategy("storage.k8s.io", "volumeattachments")
    rules.default(attachment)
    assert (inline["azureDisk"]["kind"], "capacity" in inline) == ("Shared", False)  # type: ignore[index]
    wrong = "status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive"
    assert wrong in texts(rules.validate_status_update(attachment, attachment))
