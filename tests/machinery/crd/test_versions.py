"""What a served version is made of: resource, strategy, columns, scale, selectable fields, warnings."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.errors import BadRequest, FieldError, InternalError
from wherry.machinery.crd import conditions
from wherry.machinery.crd.strategy import CustomResourceDefinitionStrategy
from wherry.machinery.crd.versions import CustomVersion, compile_version, compile_versions
from wherry.machinery.schema import Structural

Obj = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"


def version(name: str = "v1", **more: Any) -> Obj:
    schema = more.pop("schema", {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    return {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": schema}, **more}


def definition(*versions: Obj) -> Obj:
    names = {"plural": "things", "kind": "Thing", "shortNames": ["th"], "categories": ["all"]}
    crd: Obj = {
        "metadata": {"name": "things.g.io"},
        "spec": {"group": "g.io", "names": names, "scope": "Namespaced", "versions": list(versions)},
    }
    strategy = CustomResourceDefinitionStrategy()
    strategy.default(crd)
    strategy.prepare_create(crd)
    assert strategy.validate_create(crd) == []
    crd["status"] = conditions.decide(crd, [], NOW)
    return crd


def compiled(**more: Any) -> CustomVersion:
    return compile_version(definition(version(**more)), "v1")


def thing(**more: Any) -> Obj:
    return {"apiVersion": "g.io/v1", "kind": "Thing", "metadata": {"name": "a"}, **more}


def texts(errors: list[FieldError]) -> list[str]:
    return [str(error) for error in errors]


SCALE = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.sel"}


def test_resource() -> None:
    resource = compiled(subresources={"status": {}, "scale": SCALE}).resource
    assert (resource.name, resource.singular, resource.kind, resource.list_kind) == (
        "things",
        "thing",
        "Thing",
        "ThingList",
    )
    assert (resource.short_names, resource.categories, resource.namespaced) == (("th",), ("all",), True)
    assert resource.verbs == ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
    assert [(s.name, s.group, s.version, s.kind) for s in resource.subresources.values()] == [
        ("status", "g.io", "v1", "Thing"),
        ("scale", "autoscaling", "v1", "Scale"),
    ]


def test_deprecation() -> None:
    crd = definition(
        version("v1"), version("v2"), version("v1beta1", deprecated=True),
        version("v3", deprecated=True), version("v1alpha1", deprecated=True, deprecationWarning="go away"),
    )  # fmt: skip
    assert [v.deprecation for v in compile_versions(crd)] == [
        "",
        "",
        "g.io/v1beta1 Thing is deprecated; use g.io/v2 Thing",
        "g.io/v3 Thing is deprecated",
        "go away",
    ]


def test_decode_and_refresh_follow_the_schemas() -> None:
    one = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    two = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"a": {}, "b": {"type": "integer", "default": 2}}}},
    }
    two["properties"]["spec"]["properties"]["a"] = {"type": "string"}
    v1, v2 = compile_versions(definition(version("v1", schema=one), version("v2", schema=two)))
    obj = {"apiVersion": "g.io/v2", "kind": "Thing", "metadata": {"name": "a", "zzz": 1}, "spec": {"a": "x", "c": 1}}
    assert v2.decode(obj) == ["metadata.zzz", "spec.c"]
    assert obj["spec"] == {"a": "x", "b": 2}
    assert v2.strategy.validate_create(obj) == []
    v2.strategy.canonicalize(obj)
    assert obj["spec"] == {"a": "x"}, "stored as the storage version knows it"
    obj["apiVersion"] = v2.storage_api_version
    assert v2.refresh(obj)
    assert obj["metadata"]["generation"] == 1
    assert not v1.refresh(obj)


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"labels": {"a": 1}}, "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"),
        (
            {"labels": "x"},
            "json: cannot unmarshal string into Go struct field ObjectMeta.labels of type map[string]string",
        ),
        (
            {"generation": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field ObjectMeta.generation of type int64",
        ),
        ("x", "json: cannot unmarshal string into Go value of type v1.ObjectMeta"),
    ],
)
def test_metadata_is_decoded_as_the_struct(metadata: Any, why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        compiled().decode(thing(metadata=metadata))
    assert caught.value.message == why


def test_status_is_kept_apart() -> None:
    strategy = compiled(subresources={"status": {}}).strategy
    old = thing(spec={"a": 1}, status={"b": 1})
    new = thing(spec={"a": 2}, status={"b": 2})
    strategy.prepare_update(new, old)
    assert new == thing(spec={"a": 2}, status={"b": 1})
    assert strategy.spec_changed(new, old)
    assert not strategy.spec_changed(thing(spec={"a": 1}, status={"b": 1}), old)
    new = {
        **thing(spec={"a": 3}, status={"b": 3}),
        "metadata": {"name": "a", "labels": {"x": "y"}, "managedFields": [{}]},
    }
    strategy.prepare_status_update(new, old)
    assert new == {**thing(spec={"a": 1}, status={"b": 3}), "metadata": {"name": "a", "managedFields": [{}]}}
    created = thing(status={})
    strategy.prepare_create(created)
    assert created == thing()
    plain = compiled().strategy
    assert plain.spec_changed(thing(status=1), thing(status=2)), "without the subresource status is a field like others"


def test_status_errors_carry_the_prefix() -> None:
    schema = {"type": "object", "properties": {"status": {"type": "object", "properties": {"n": {"type": "integer"}}}}}
    strategy = compiled(schema=schema, subresources={"status": {}}).strategy
    assert texts(strategy.validate_status_update(thing(status={"n": "x"}), thing())) == [
        'status.n: Invalid value: "string": n in body must be of type integer: "string"'
    ]
    assert strategy.validate_status_update(thing(status={"n": "x"}), thing(status={"n": "x"})) == []


def test_finalizer_warnings() -> None:
    strategy = compiled().strategy
    old, new = thing(), thing()
    new["metadata"] = {"name": "a", "finalizers": ["kubernetes", "x", "a.b", "a.b/c"]}
    tail = "to avoid accidental conflicts with other finalizer writers"
    assert strategy.warnings_update(new, old) == [
        f'metadata.finalizers: "a.b": prefer a domain-qualified finalizer name including a path (/) {tail}',
        f'metadata.finalizers: "x": prefer a domain-qualified finalizer name {tail}',
    ]
    assert strategy.warnings_update(new, new) == []


def test_rules_are_not_run_on_what_is_invalid() -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 1}}}},
        "x-kubernetes-validations": [{"rule": "true"}],
    }
    ran: list[Obj] = []

    def rules(structural: Structural, raw: Obj) -> Any:
        def check(obj: Obj, old: Obj | None, let_pass: list[str] | None = None) -> list[FieldError]:
            ran.append(obj)
            return [FieldError("spec", "FieldValueInvalid", "a rule")]

        return check

    strategy = compile_version(definition(version(schema=schema)), "v1", rules).strategy
    assert texts(strategy.validate_create(thing(spec={"n": "x"}))) == [
        'spec.n: Invalid value: "string": spec.n in body must be of type integer: "string"',
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation",
    ]
    assert ran == []
    assert texts(strategy.validate_create(thing(spec={"n": 2})))[-1] == "spec: a rule"


# --- scale -----------------------------------------------------------------------------------------------------------


def test_scale_reads_and_writes() -> None:
    scale = compiled(subresources={"status": {}, "scale": SCALE}).scale
    assert scale is not None
    obj = thing(spec={"n": 3}, status={"n": 1, "sel": "a=b"})
    obj["metadata"] = {"name": "a", "uid": "u", "labels": {"x": "y"}}
    assert scale.read(obj) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "a", "uid": "u"},
        "spec": {"replicas": 3},
        "status": {"replicas": 1, "selector": "a=b"},
    }
    written = scale.write(obj, {"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 5}})
    assert (written["spec"], written["metadata"]["resourceVersion"]) == ({"n": 5}, "7")
    assert obj["spec"] == {"n": 3}, "the old object is not touched"


def test_scale_without_replicas() -> None:
    scale = compiled(subresources={"scale": SCALE}).scale
    assert scale is not None
    with pytest.raises(InternalError) as caught:
        scale.read(thing())
    assert caught.value.message == 'Internal error occurred: the spec replicas field ".spec.n" does not exist'
    before = scale.before_update(thing())
    with pytest.raises(BadRequest) as refused:
        scale.write(thing(), before)
    assert refused.value.message == 'the spec replicas field ".spec.n" cannot be empty'
    assert scale.write(thing(), {"spec": {"replicas": 2}})["spec"] == {"n": 2}


def test_scale_validation() -> None:
    strategy = compiled(subresources={"scale": SCALE}).strategy
    assert texts(strategy.validate_create(thing(spec={"n": "x"}, status={"n": -1, "sel": 1}))) == [
        ".spec.n: Invalid value: 0: .spec.n accessor error: x is of the type string, expected int64",
        ".status.n: Invalid value: -1: should be a non-negative integer",
        '.status.sel: Invalid value: "": .status.sel accessor error: 1 is of the type int64, expected string',
    ]
    assert texts(strategy.validate_create(thing(spec="x"))) == [
        ".spec.n: Invalid value: 0: .spec.n accessor error: x is of the type string, expected map[string]interface{}"
    ]


# --- columns and fields ----------------------------------------------------------------------------------------------


def test_columns() -> None:
    columns = [
        {"name": "S", "type": "string", "jsonPath": ".spec.s"},
        {
            "name": "I",
            "type": "integer",
            "jsonPath": ".spec.n",
            "format": "int32",
            "priority": 1,
            "description": "an int",
        },
        {"name": "D", "type": "date", "jsonPath": ".spec.d"},
    ]
    printer = compiled(additionalPrinterColumns=columns).printer
    assert [(c["name"], c["format"], c["priority"]) for c in printer.columns] == [
        ("Name", "name", 0), ("S", "", 0), ("I", "int32", 1), ("D", "", 0),
    ]  # fmt: skip
    assert printer.columns[1]["description"] == "Custom resource definition column (in JSONPath format): .spec.s"
    now = 1767225600.0  # 2026-01-01T00:00:00Z
    rows = [
        ({"s": {"k": 1}, "n": 1.9, "d": "2025-12-31T23:59:00Z"}, ["a", '{"k":1}', 1, "60s"]),
        ({"s": True, "n": "x", "d": "bad"}, ["a", "true", None, "<invalid>"]),
        ({"s": None, "n": True, "d": "2027-01-01T00:00:00Z"}, ["a", "<no value>", None, "<invalid>"]),
        ({"d": ""}, ["a", None, None, "<unknown>"]),
        ({"d": 5}, ["a", None, None, None]),
    ]
    for spec, cells in rows:
        assert printer.cells(thing(spec=spec), now) == cells


def test_default_columns() -> None:
    printer = compiled().printer
    assert [(c["name"], c["type"]) for c in printer.columns] == [("Name", "string"), ("Age", "date")]
    obj = thing()
    obj["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert printer.cells(obj, 1767225600.0 + 3600) == ["a", "60m"]
    assert printer.split(obj).cells(1767225600.0 + 3600) == b'["a","60m"]'


def test_selectable_fields() -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"b": {"type": "boolean"}, "i": {"type": "integer"}}}},
    }
    fields = compiled(schema=schema, selectableFields=[{"jsonPath": ".spec.b"}, {"jsonPath": ".spec.i"}]).fields
    obj = thing(spec={"b": False, "i": 3})
    assert {label: get(obj) for label, get in fields.getters.items()} == {
        "metadata.name": "a", "metadata.namespace": "", "spec.b": "false", "spec.i": "3",
    }  # fmt: skip
    assert fields.getters["spec.b"](thing()) == ""
    assert fields.refuse("spec.x") == "field label not supported: spec.x"
