"""Definitions are refused in upstream's words: names, schemas, defaults, updates, conversion, approval."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from wherry.errors import FieldError
from wherry.machinery.crd.cel_hooks import CelHooks, RuleScope
from wherry.machinery.crd.strategy import CustomResourceDefinitionStrategy
from wherry.machinery.crd.validate import validate_create, validate_update

Obj = dict[str, Any]
ROOT = "spec.validation.openAPIV3Schema"
X = f"{ROOT}.properties[x]"


def definition(schema: Obj | None = None, **version: Any) -> Obj:
    schema = {"type": "object", **(schema or {})}
    v1 = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
    crd: Obj = {
        "metadata": {"name": "things.g.io"},
        "spec": {
            "group": "g.io",
            "names": {"plural": "things", "kind": "Thing"},
            "scope": "Namespaced",
            "versions": [v1],
        },
    }
    strategy = CustomResourceDefinitionStrategy()
    strategy.default(crd)
    strategy.prepare_create(crd)
    return crd


def texts(errors: list[FieldError]) -> list[str]:
    return [str(error) for error in errors]


QUADRATIC = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
TYPES = '"array", "boolean", "integer", "number", "object", "string"'
REGEXP = "must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `(`"


@pytest.mark.parametrize(
    ("x", "why"),
    [
        ({}, [f"{X}.type: Required value: must not be empty for specified object fields"]),
        ({"type": "array"}, [f"{X}.items: Required value: must be specified"]),
        ({"type": "string", "uniqueItems": True},
         [f"{X}.uniqueItems: Forbidden: {QUADRATIC}"]),
        ({"type": "string", "pattern": "("},
         [f'{X}.pattern: Invalid value: "(": {REGEXP}']),
        ({"type": "integer", "default": "x"},
         [f'{X}.default: Invalid value: "string":  in body must be of type integer: "string"']),
        ({"type": "object", "default": {"y": 1}},
         [f'{X}.default: Invalid value: {{"y":1}}: must not have unknown fields']),
        ({"type": "string", "anyOf": [{"type": "string", "default": "a"}]},
         [f"{X}.anyOf[0].default: Forbidden: must be undefined to be structural",
          f"{X}.anyOf[0].type: Forbidden: must be empty to be structural"]),
        ({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
         [f"{X}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"]),
        ({"type": "foo"},
         [f'{X}.type: Unsupported value: "foo": supported values: {TYPES}']),
        ({"type": "string", "x-kubernetes-validations": [{"rule": " "}]},
         [f"{X}.x-kubernetes-validations[0].rule: Required value: rule is not specified"]),
    ],
)  # fmt: skip
def test_schemas(x: Obj, why: list[str]) -> None:
    assert texts(validate_create(definition({"properties": {"x": x}}))) == why


def test_junctors_at_the_root_speak_of_known_fields_only() -> None:
    crd = definition({"properties": {"y": {"type": "string"}}, "allOf": [{"properties": {"z": {"minLength": 1}}}]})
    assert texts(validate_create(crd)) == [
        f"{ROOT}.properties[z]: Required value: because it is defined in {ROOT}.allOf[0].properties[z]"
    ]


def test_names() -> None:
    crd = definition()
    crd["metadata"] = {"generateName": "x", "name": "x1"}
    why = 'must be spec.names.plural+"."+spec.group'
    assert texts(validate_create(crd)) == [
        f'metadata.generateName: Invalid value: "x": {why}',
        f'metadata.name: Invalid value: "x1": {why}',
    ]
    crd["metadata"] = {}
    assert validate_create(crd) == []


def test_what_an_update_may_not_change() -> None:
    old = definition()
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["names"].update(kind="Other", listKind="OtherList")
    assert texts(validate_update(new, old)) == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'spec.names.kind: Invalid value: "Other": field is immutable',
    ]
    old["status"]["conditions"] = []
    assert validate_update(new, old) == [], "before it is established a kind may be renamed"


def test_what_was_stored_is_not_tightened() -> None:
    old = definition({"properties": {"x": {}}})
    new = copy.deepcopy(old)
    new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "more"
    assert texts(validate_update(new, old)) == [
        f"{X}.type: Required value: must not be empty for specified object fields"
    ]
    old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["x"] = {"type": "foo"}
    new = copy.deepcopy(old)
    assert validate_update(new, old) == []


def test_a_stored_version_must_stay() -> None:
    crd = definition()
    crd["status"]["storedVersions"] = ["v1", "v0"]
    assert texts(validate_create(crd)) == [
        'status.storedVersions[1]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage '
        "version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 "
        "and removes v0 from status.storedVersions"
    ]


def test_selectable_fields() -> None:
    schema = {
        "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}, "o": {"type": "object"}}}}
    }
    paths = [".spec.a", ".spec.a", ".spec.o", ".spec.b", "spec", ".metadata.name", ""]
    unknown = "is an invalid path: does not refer to a valid field"
    crd = definition(schema, selectableFields=[{"jsonPath": path} for path in paths])
    assert texts(validate_create(crd)) == [
        'spec.selectableFields[1].jsonPath: Duplicate value: ".spec.a"',
        'spec.selectableFields[2].jsonPath: Invalid value: ".spec.o": must point to a field of type string, boolean or '
        "integer. Enum string fields and strings with formats are allowed.",
        f'spec.selectableFields[3].jsonPath: Invalid value: ".spec.b": {unknown}',
        'spec.selectableFields[4].jsonPath: Invalid value: "spec": is an invalid path: expected [ or . but got: spec',
        f'spec.selectableFields[5].jsonPath: Invalid value: ".metadata.name": {unknown}',
        "spec.selectableFields[6].jsonPath: Required value",
    ]


def test_a_rule_checker_sees_sound_schemas_only() -> None:
    seen: list[tuple[str, RuleScope]] = []

    def check(schema: Obj, path: str, scope: RuleScope) -> list[FieldError]:
        seen.append((path, scope))
        return [FieldError(path, "FieldValueInvalid", "a rule")]

    hooks = CelHooks(definition=check)
    listed = {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "oldSelf == self"}]}}
    assert texts(validate_create(definition({"properties": {"x": listed}}), hooks)) == [f"{ROOT}: a rule"]
    assert seen[0][1].uncorrelatable == {f"{X}.items": X}
    bad = {"properties": {"x": {"type": "string", "uniqueItems": True}, "y": {"type": "string"}}}
    validate_create(definition(bad), hooks)
    assert seen[1][1].dirty == {ROOT, X}
    assert len(validate_create(definition({"properties": {"x": {}}}), hooks)) == 1
    assert len(seen) == 2, "not called for what is not structural"


def test_formats_that_mean_nothing_are_warned_of() -> None:
    strategy = CustomResourceDefinitionStrategy()
    crd = definition(
        {"properties": {"x": {"type": "string", "format": "nope"}, "y": {"type": "integer", "format": "int32"}}}
    )
    assert strategy.warnings_create(crd) == ['unrecognized format "nope"']
    assert strategy.warnings_update(crd, crd) == []
