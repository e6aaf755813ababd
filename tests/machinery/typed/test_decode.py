"""The typed decoder: every expectation here is what Go's types make of the same document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kit import gojson
from wherry.machinery.typed import DecodeError, NeedLiteral, decoder


def decode(kind: str, raw: Any, group: str = "", version: str = "v1") -> Any:
    return decoder(group, version, kind).decode(raw)


def test_fields_come_out_in_gos_order_with_structs_and_without_zeros() -> None:
    raw = {
        "spec": {
            "template": {"spec": {"containers": [{"image": "i", "name": "c", "command": []}]}},
            "selector": {"matchLabels": {"b": "1", "a": "2"}},
            "replicas": 0,
            "minReadySeconds": 0,
            "paused": False,
        },
        "metadata": {"labels": {}, "name": "web", "creationTimestamp": None},
    }
    found = decode("Deployment", raw, "apps").obj
    assert found == {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 0,  # a pointer
            "selector": {"matchLabels": {"a": "2", "b": "1"}},
            "template": {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i", "resources": {}}]}},
            "strategy": {},
        },
        "status": {},
    }
    assert list(found) == ["metadata", "spec", "status"]
    assert list(found["spec"]["selector"]["matchLabels"]) == ["a", "b"]
    assert list(found["spec"]["template"]["spec"]["containers"][0]) == ["name", "image", "resources"]


def test_required_lists_tell_empty_from_absent() -> None:
    group = "rbac.authorization.k8s.io"
    assert decode("Role", {"rules": []}, group).obj == {"metadata": {}, "rules": []}
    assert decode("Role", {}, group).obj == {"metadata": {}, "rules": None}


def test_what_is_inside_a_list_that_tells_empty_is_decoded_as_ever() -> None:
    drivers = [{"name": "d", "nodeID": "n", "topologyKeys": []}]
    found = decode("CSINode", {"spec": {"drivers": drivers}}, "storage.k8s.io").obj
    assert found["spec"]["drivers"] == [{"name": "d", "nodeID": "n", "topologyKeys": None}]


def test_labels_of_a_pod_template_tell_empty_from_absent() -> None:
    for sent, kept in (({"labels": {}}, {"labels": {}}), ({}, {}), ({"labels": None}, {})):
        found = decode("Deployment", {"spec": {"template": {"metadata": sent}}}, "apps").obj
        assert found["spec"]["template"]["metadata"] == kept


def test_kinds_stored_as_json_keep_empty_lists() -> None:
    spec = {"group": "g", "names": {"plural": "p", "kind": "K"}, "scope": "Namespaced", "versions": []}
    found = decode("CustomResourceDefinition", {"spec": spec}, "apiextensions.k8s.io").obj
    assert found["spec"]["versions"] == []
    assert found["status"] == {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}


def test_nulls() -> None:
    found = decode("ConfigMap", {"metadata": {"name": None}, "data": {"k": None}, "immutable": None}).obj
    assert found == {"metadata": {}, "data": {"k": ""}}
    found = decode("Pod", {"spec": {"containers": [None, {"env": [None], "resources": {"limits": {"cpu": None}}}]}}).obj
    assert found["spec"]["containers"] == [
        {"name": "", "resources": {}},
        {"name": "", "env": [{"name": ""}], "resources": {"limits": {"cpu": "0"}}},
    ]


def test_special_forms() -> None:
    ports = [{"port": 80, "targetPort": "http"}, {"port": 81}]
    assert decode("Service", {"spec": {"ports": ports}}).obj["spec"]["ports"] == [
        {"port": 80, "targetPort": "http"},
        {"port": 81, "targetPort": 0},
    ]
    assert decode("Secret", {"data": {"b": "YQ=\n=", "a": "YQ=="}}).obj["data"] == {"a": "YQ==", "b": "YQ=="}
    lease = decode("Lease", {"spec": {"renewTime": "2020-01-01T01:00:00.000001+01:00"}}, "coordination.k8s.io").obj
    assert lease["spec"] == {"renewTime": "2020-01-01T00:00:00.000001Z"}
    limits = {"cpu": "0.5", "memory": "1024Mi", "x": 2}
    spec = decode("Pod", {"spec": {"containers": [{"resources": {"limits": limits}}]}}).obj["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi", "x": "2"}


def test_floats_of_quantities_need_their_digits() -> None:
    def raw() -> Any:
        return {"spec": {"hard": {"cpu": 1e3}}}

    with pytest.raises(NeedLiteral):
        decoder("", "v1", "ResourceQuota").attempt(raw())
    exact = gojson.read_exactly(b'{"spec":{"hard":{"cpu":1e3}}}')
    assert decoder("", "v1", "ResourceQuota").attempt(exact).obj["spec"]["hard"] == {"cpu": "1e3"}
    assert decode("ResourceQuota", raw()).obj["spec"]["hard"] == {"cpu": "1k"}


def test_unknown_fields_are_listed_in_their_order() -> None:
    raw = {
        "extra": 1,
        "spec": {"replicas": 1, "containers": [{"name": "c", "Image": "x", "env": [{"name": "A", "valu": ""}]}]},
        "metadata": {"foo.bar": 1},
    }
    found = decode("Pod", raw)
    assert found.unknown == [
        'unknown field "extra"',
        'unknown field "spec.replicas"',
        'unknown field "spec.containers[0].Image"',
        'unknown field "spec.containers[0].env[0].valu"',
        'unknown field "metadata.foo.bar"',
    ]
    assert found.obj["spec"]["containers"][0] == {"name": "c", "env": [{"name": "A"}], "resources": {}}


def test_repeated_fields_merge_and_are_told() -> None:
    body = b'{"data":{"a":"b"},"metadata":{"labels":{"x":"1","x":"2"},"name":"n","name":null},"data":{"z":"1"}}'
    found = decode("ConfigMap", gojson.loads(body))
    assert found.obj == {"metadata": {"name": "n", "labels": {"x": "2"}}, "data": {"a": "b", "z": "1"}}
    assert found.unknown == [
        'duplicate field "metadata.labels.x"',
        'duplicate field "metadata.name"',
        'duplicate field "data"',
    ]


def test_schemas_inside_unions_keep_their_strict_errors() -> None:
    schema = {"type": "object", "bogus": 1, "properties": {"a": {"bogus": 1, "items": {"bogus": 1}}}}
    spec = {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}
    prefix = "spec.versions[0].schema.openAPIV3Schema"
    assert decode("CustomResourceDefinition", {"spec": spec}, "apiextensions.k8s.io").unknown == [
        f'unknown field "{prefix}.bogus"',
        f'unknown field "{prefix}.properties.a.bogus"',
    ]


@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        ("ConfigMap", {"data": []}, "array into Go struct field ConfigMap.data of type map[string]string"),
        ("ConfigMap", {"data": {"k": 1}}, "number into Go struct field ConfigMap.data of type string"),
        ("ConfigMap", {"metadata": "a"}, "string into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
        ("Pod", {"spec": {"volumes": [1]}}, "number into Go struct field PodSpec.spec.volumes of type v1.Volume"),
        (
            "Pod",
            {"spec": {"priority": 1 << 31}},
            "number 2147483648 into Go struct field PodSpec.spec.priority of type int32",
        ),
        ("Service", {"spec": {"type": 1}}, "number into Go struct field ServiceSpec.spec.type of type v1.ServiceType"),
        (
            "Pod",
            {"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": 3000000000}}}]}},
            "number 3000000000 into Go struct field "
            "HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32",
        ),
    ],
)
def test_type_errors(kind: str, raw: Any, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(kind, raw)
    assert str(caught.value) == f"json: cannot unmarshal {message}"


def test_the_first_error_is_told_unless_a_later_one_is_final() -> None:
    with pytest.raises(DecodeError, match=r"ConfigMap\.immutable"):
        decode("ConfigMap", {"immutable": "x", "data": []})
    with pytest.raises(DecodeError, match="parsing time"):
        decode("ConfigMap", {"immutable": "x", "metadata": {"creationTimestamp": "x"}})


@pytest.mark.parametrize(
    ("text", "fault"), [("!!!", 0), ("YQ", 0), ("YQ=", 3), ("YQ==x", 4), ("YWJj!", 4), ("YQ=x", 2)]
)
def test_bad_base64(text: str, fault: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode("Secret", {"data": {"k": text}})
    assert str(caught.value) == f"illegal base64 data at input byte {fault}"


# --- properties ------------------------------------------------------------------------------------------------------

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.sampled_from(["", "x", "1", "500m", "YQ=="]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "a", "port"]), inner, max_size=2)
    ),
    max_leaves=4,
)
pods = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"name": junk, "labels": junk, "finalizers": junk, "uid": junk}),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": st.lists(
                    st.fixed_dictionaries(
                        {}, optional={"name": junk, "ports": junk, "resources": junk, "env": junk, "stdin": junk}
                    ),
                    max_size=2,
                ),
                "nodeSelector": junk, "tolerations": junk, "hostNetwork": junk, "priority": junk, "overhead": junk,
            },
        ),
        "status": junk,
    },
)  # fmt: skip


@given(pods)
def test_decoding_is_idempotent_or_refuses(raw: Any) -> None:
    import copy

    try:
        first = decode("Pod", copy.deepcopy(raw))
    except DecodeError:
        return
    again = decode("Pod", copy.deepcopy(first.obj))
    assert again.obj == first.obj
    assert again.unknown == []
