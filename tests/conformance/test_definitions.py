"""Definitions of custom kinds: schemas, defaults, ratcheting, versions."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import (
    DEFINITIONS,
    FREE,
    Api,
    causes,
    definition,
    made,
    ok,
    refused,
    spec_schema,
    unique,
)
from tests.conformance.behaviours import Area, row

area = Area("crd", "Custom kinds: schemas, defaults, ratcheting")

DOC = "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/"
VERSIONS = "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/"
VALIDATION = "apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go"
SCHEMA = "apiextensions-apiserver/pkg/apiserver/validation/validation.go ValidateCustomResource"
STRUCTURAL = "apiextensions-apiserver/pkg/apiserver/schema/validation.go ValidateStructural"
RATCHET = "https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4008-crd-ratcheting"
RULES = f"{DOC}#validation-rules"
STRING, INTEGER = {"type": "string"}, {"type": "integer"}


@area.table(
    SCHEMA,
    row("type", "A value has the type of its schema.", INTEGER, "x", "FieldValueTypeInvalid", 'spec.x in body must be of type integer: "string"'),
    row("minimum", "A number is at least the minimum.", {"type": "integer", "minimum": 1}, 0, "FieldValueInvalid", "spec.x in body should be greater than or equal to 1"),
    row("maximum", "A number is at most the maximum.", {"type": "integer", "maximum": 1}, 2, "FieldValueInvalid", "spec.x in body should be less than or equal to 1"),
    row("multiple", "A number is a multiple.", {"type": "integer", "multipleOf": 2}, 3, "FieldValueInvalid", "spec.x in body should be a multiple of 2"),
    row("min-length", "A string has a least length.", {"type": "string", "minLength": 2}, "a", "FieldValueInvalid", "spec.x in body should be at least 2 chars long"),
    row("max-length", "A string has a greatest length.", {"type": "string", "maxLength": 2}, "abc", "FieldValueTooLong", "may not be more than 2 bytes"),
    row("pattern", "A string matches the pattern.", {"type": "string", "pattern": "^a$"}, "b", "FieldValueInvalid", "spec.x in body should match '^a$'"),
    row("enum", "A value is one of an enumeration.", {"type": "string", "enum": ["a", "b"]}, "c", "FieldValueNotSupported", 'Unsupported value: "c": supported values: "a", "b"'),
    row("max-items", "A list has a greatest length.", {"type": "array", "items": STRING, "maxItems": 1}, ["a", "b"], "FieldValueTooMany", "must have at most 1 item"),
    row("min-items", "A list has a least length.", {"type": "array", "items": STRING, "minItems": 1}, [], "FieldValueInvalid", "spec.x in body should have at least 1 items"),
    row("max-properties", "A map has a greatest size.", {"type": "object", "additionalProperties": STRING, "maxProperties": 1}, {"a": "", "b": ""}, "FieldValueTooMany", "must have at most 1 item"),
    row("required", "A required field is there.", {"type": "object", "required": ["y"], "properties": {"y": STRING}}, {}, "FieldValueRequired", "Required value"),
    row("format", "A date-time is one.", {"type": "string", "format": "date-time"}, "soon", "FieldValueTypeInvalid", "spec.x in body must be of type date-time"),
    row("int-or-string", "An int-or-string is no boolean.", {"x-kubernetes-int-or-string": True}, True, "FieldValueTypeInvalid", 'must be of type integer,string: "boolean"'),
    row("one-of", "Exactly one branch of oneOf holds.", {"type": "object", "properties": {"a": STRING, "b": STRING}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": "", "b": ""}, "FieldValueInvalid", "must validate one and only one schema (oneOf). Found 2 valid alternatives"),
    row("not", "A branch of not does not hold.", {"type": "object", "properties": {"a": STRING}, "not": {"required": ["a"]}}, {"a": ""}, "FieldValueInvalid", "must not validate the schema (not)"),
    row("set", "A set has no value twice.", {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"}, ["a", "a"], "FieldValueDuplicate", 'Duplicate value: "a"'),
    row("map-list", "A keyed list has no key twice.", {"type": "array", "items": {"type": "object", "required": ["k"], "properties": {"k": STRING}}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}, [{"k": "a"}, {"k": "a"}], "FieldValueDuplicate", 'Duplicate value: {"k":"a"}'),
    row("rule", "A validation rule holds.", {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1"}]}, 1, "FieldValueInvalid", "failed rule: self > 1"),
    row("rule-message", "A rule may bring its message.", {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "message": "too small"}]}, 1, "FieldValueInvalid", "too small"),
    row("rule-expression", "A rule's message may be an expression.", {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "messageExpression": "self == 1 ? 'got one' : 'got more'"}]}, 1, "FieldValueInvalid", "got one"),
    row("rule-reason", "A rule may choose its reason.", {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "reason": "FieldValueForbidden"}]}, 1, "FieldValueForbidden", "failed rule: self > 1"),
)  # fmt: skip
def test_values(api: Api, schema: Any, value: Any, reason: str, text: str) -> None:
    status = refused(api.define(spec_schema(x=schema)).create(spec={"x": value}), 422, "Invalid", text)
    assert causes(status)[0][0] == reason


@area(
    "Rules are not asked of an object that lacks what is required, and the answer says so.",
    "apiextensions-apiserver/pkg/registry/customresource/strategy.go hasBlockingErr",
)
def test_rules_unchecked(api: Api) -> None:
    schema = spec_schema(
        x={
            "type": "object",
            "required": ["y"],
            "properties": {"y": STRING},
            "x-kubernetes-validations": [{"rule": "self.y != ''"}],
        }
    )
    refused(
        api.define(schema).create(spec={"x": {}}),
        422,
        "Invalid",
        "some validation rules were not checked because the object was invalid",
    )


@area(
    "Nor are they asked of an object without a name.",
    "apiextensions-apiserver/pkg/registry/customresource/strategy.go hasBlockingErr",
)
def test_rules_unchecked_without_name(api: Api) -> None:
    kind = api.define(spec_schema(x={"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1"}]}))
    body = {**kind.body(spec={"x": 1}), "metadata": {}}
    refused(
        api.post(kind.path(), body),
        422,
        "Invalid",
        "name or generateName is required",
        "some validation rules were not checked",
    )


@area("A transition rule compares with the old value and is asked on updates only.", RULES)
def test_transition_rule(api: Api) -> None:
    kind = api.define(
        spec_schema(
            x={"type": "integer", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed"}]}
        )
    )
    made(kind.create(spec={"x": 1}))
    refused(api.merge(kind.path("a"), {"spec": {"x": 2}}), 422, "Invalid", "fixed")


# --- defaults and nulls -----------------------------------------------------------------------------------------------


@area.table(
    f"{DOC}#defaulting",
    row("default", "A missing field gets its default.", {}, 7),
    row("default-null", "A null for a field that takes none is its default.", {"x": None}, 7),
    row("default-given", "A given value stays.", {"x": 1}, 1),
)
def test_defaults(api: Api, spec: Any, found: int) -> None:
    assert made(api.define(spec_schema(x={"type": "integer", "default": 7})).create(spec=spec))["spec"]["x"] == found


@area("A default inside an object that is missing is not set.", f"{DOC}#defaulting")
def test_no_deep_default(api: Api) -> None:
    inner = {"type": "object", "properties": {"y": {"type": "integer", "default": 1}}}
    assert made(api.define(spec_schema(x=inner)).create(spec={}))["spec"] == {}


@area("A default of an object is filled with the defaults inside it.", f"{DOC}#defaulting")
def test_default_of_object(api: Api) -> None:
    inner = {"type": "object", "default": {}, "properties": {"y": {"type": "integer", "default": 1}}}
    assert made(api.define(spec_schema(x=inner)).create(spec={}))["spec"] == {"x": {"y": 1}}


@area("Defaults show in objects that were stored before them.", f"{DOC}#defaulting")
def test_defaults_on_read(api: Api) -> None:
    kind = api.define(spec_schema(x=INTEGER))
    made(kind.create(spec={}))
    patch = [
        {
            "op": "add",
            "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/x/default",
            "value": 5,
        }
    ]
    ok(api.json_patch(kind.definition, patch))
    assert api.eventually(lambda: ok(api.get(kind.path("a")))["spec"].get("x") == 5, 10)


@area("A null for a field that takes none, and has no default, is dropped.", f"{DOC}#defaulting-and-nullable")
def test_null_dropped(api: Api) -> None:
    assert made(api.define(spec_schema(x=INTEGER)).create(spec={"x": None}))["spec"] == {}


@area(
    "An apply keeps such a null, and it is refused.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go unstructuredDefaulter",
)
def test_null_applied(api: Api) -> None:
    kind = api.define(spec_schema(x=INTEGER))
    refused(
        api.apply(kind.path("a"), kind.body(spec={"x": None})),
        422,
        "Invalid",
        'spec.x in body must be of type integer: "null"',
    )


@area("A nullable field keeps its null.", f"{DOC}#defaulting-and-nullable")
def test_nullable(api: Api) -> None:
    assert made(api.define(spec_schema(x={"type": "integer", "nullable": True})).create(spec={"x": None}))["spec"] == {
        "x": None
    }


# --- ratcheting -------------------------------------------------------------------------------------------------------


def tightened(api: Api, loose: Any, strict: Any, spec: Any) -> Any:
    """A kind whose schema has become stricter than an object of it."""
    kind = api.define(spec_schema(x=loose, y=STRING))
    made(kind.create(spec=spec))
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/x"
    ok(api.json_patch(kind.definition, [{"op": "replace", "path": path, "value": strict}]))
    probe = kind.body("probe", spec=spec)
    assert api.eventually(lambda: api.post(kind.path() + "?dryRun=All", probe).status == 422, 10)
    return kind


SMALL = {"type": "integer", "maximum": 5}
RULE = {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 5"}]}


@area.table(
    RATCHET,
    row("unchanged-value", "A value that has become invalid may stay when something else changes.", INTEGER, SMALL, {"x": 9}, {"y": "new"}, 200),
    row("changed-value", "It may not change to another invalid value.", INTEGER, SMALL, {"x": 9}, {"x": 8}, 422),
    row("mended-value", "It may change to a valid one.", INTEGER, SMALL, {"x": 9}, {"x": 1}, 200),
    row("unchanged-rule", "A rule is not asked of a value that has not changed.", INTEGER, RULE, {"x": 9}, {"y": "new"}, 200),
    row("changed-rule", "A rule is asked of a value that has changed.", INTEGER, RULE, {"x": 9}, {"x": 8}, 422),
    row("unchanged-item", "An item of a keyed list that has become invalid may stay.", {"type": "array", "items": {"type": "object", "required": ["k"], "properties": {"k": STRING, "v": INTEGER}}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}, {"type": "array", "items": {"type": "object", "required": ["k"], "properties": {"k": STRING, "v": SMALL}}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}, {"x": [{"k": "a", "v": 9}]}, {"x": [{"k": "b", "v": 1}, {"k": "a", "v": 9}]}, 200),
)  # fmt: skip
def test_ratcheting(api: Api, loose: Any, strict: Any, spec: Any, change: Any, code: int) -> None:
    kind = tightened(api, loose, strict, spec)
    answer = api.merge(kind.path("a"), {"spec": change})
    assert answer.status == code, answer


# --- the definition itself --------------------------------------------------------------------------------------------


def define(api: Api, versions: list[Any], group: str = "", **spec: Any) -> Any:
    return api.post(DEFINITIONS, definition(group or f"{unique('g')}.example.com", versions, **spec))


def version(name: str = "v1", schema: Any = None, **more: Any) -> Any:
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or FREE}, **more}


@area.table(
    STRUCTURAL,
    row("no-type", "A schema has a type everywhere.", {"type": "object", "properties": {"spec": {}}}, "must not be empty for specified object fields"),
    row("root-type", "A schema is one of an object.", {"type": "string"}, 'Invalid value: "string": must be object at the root'),
    row("default-type", "A default fits its schema.", spec_schema(x={"type": "integer", "default": "x"}), 'must be of type integer: "string"'),
    row("unique-items", "uniqueItems is not allowed.", spec_schema(x={"type": "array", "items": STRING, "uniqueItems": True}), "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
    row("both-properties", "additionalProperties and properties exclude each other.", spec_schema(x={"type": "object", "properties": {"a": STRING}, "additionalProperties": STRING}), "additionalProperties and properties are mutual exclusive"),
    row("map-without-keys", "A keyed list names its keys.", spec_schema(x={"type": "array", "items": {"type": "object", "properties": {"k": STRING}}, "x-kubernetes-list-type": "map"}), "x-kubernetes-list-map-keys"),
    row("key-not-required", "The key of a keyed list is required or has a default.", spec_schema(x={"type": "array", "items": {"type": "object", "properties": {"k": STRING}}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}), "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"),
    row("bad-rule", "A rule compiles.", spec_schema(x={"type": "integer", "x-kubernetes-validations": [{"rule": "self +"}]}), "compilation failed"),
    row("rule-cost", "A rule that could cost too much is refused.", spec_schema(x={"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self.matches('a*b*')"}]}}), "estimated rule cost exceeds budget by factor of"),
    row("bad-pattern", "A pattern compiles.", spec_schema(x={"type": "string", "pattern": "("}), "must be a valid regular expression"),
    row("metadata-schema", "A schema says nothing of metadata but name and generateName.", {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}, "must not specify anything other than name and generateName"),
)  # fmt: skip
def test_schemas(api: Api, schema: Any, text: str) -> None:
    refused(define(api, [version(schema=schema)]), 422, "Invalid", text)


@area.table(
    VALIDATION,
    row("no-storage", "One version is the stored one.", [version(storage=False)], "must have exactly one version marked as storage version"),
    row("two-storages", "No more than one version is the stored one.", [version("v1"), version("v2")], "must have exactly one version marked as storage version"),
    row("no-schema", "A version has a schema.", [{"name": "v1", "served": True, "storage": True}], "spec.versions[0].schema.openAPIV3Schema: Required value"),
    row("same-version", "Names of versions are unique.", [version("v1"), version("v1", storage=False)], "must contain unique version names"),
    row("bad-version", "The name of a version is a DNS label.", [version("V_1")], "a DNS-1035 label must consist of"),
    row("bad-column", "A printer column has a JSON path.", [version(additionalPrinterColumns=[{"name": "x", "type": "string", "jsonPath": "spec.x"}])], "must be a simple json path starting with ."),
    row("bad-scale", "The path of a scale's replicas is under .spec.", [version(subresources={"scale": {"specReplicasPath": ".x", "statusReplicasPath": ".status.x"}})], "should be a json path under .spec"),
)  # fmt: skip
def test_versions_refused(api: Api, versions: Any, text: str) -> None:
    refused(define(api, versions), 422, "Invalid", text)


@area("The name of a definition is its plural and its group.", f"{VALIDATION} ValidateCustomResourceDefinition")
def test_definition_name(api: Api) -> None:
    body = {**definition("x.example.com", [version()]), "metadata": {"name": "wrong.example.com"}}
    refused(api.post(DEFINITIONS, body), 422, "Invalid", 'must be spec.names.plural+"."+spec.group')


@area(
    "A group below k8s.io needs the annotation of an approval.", "https://github.com/kubernetes/enhancements/pull/1111"
)
def test_protected_group(api: Api) -> None:
    refused(
        define(api, [version()], f"{unique('g')}.k8s.io"),
        422,
        "Invalid",
        "protected groups must have approval annotation",
    )


@area("The scope of a definition cannot change.", f"{VALIDATION} ValidateCustomResourceDefinitionUpdate")
def test_scope_stays(api: Api) -> None:
    kind = api.define()
    refused(
        api.merge(kind.definition, {"spec": {"scope": "Cluster"}}),
        422,
        "Invalid",
        'spec.scope: Invalid value: "Cluster": field is immutable',
    )


@area("A definition's names are accepted, and then it is established.", f"{DOC}#create-a-customresourcedefinition")
def test_conditions(api: Api) -> None:
    kind = api.define()
    found = {c["type"]: c["status"] for c in ok(api.get(kind.definition))["status"]["conditions"]}
    assert found == {"NamesAccepted": "True", "Established": "True"}


@area(
    "`status.storedVersions` lists the stored version.",
    f"{VERSIONS}#writing-reading-and-updating-versioned-customresourcedefinition-objects",
)
def test_stored_versions(api: Api) -> None:
    assert ok(api.get(api.define().definition))["status"]["storedVersions"] == ["v1"]


@area("A definition gets names that it leaves out.", "apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go")
def test_default_names(api: Api) -> None:
    body = definition(f"{unique('g')}.example.com", [version()])
    body["spec"]["names"] = {"plural": "widgets", "kind": "Widget"}
    found = made(api.post(DEFINITIONS, body))["spec"]["names"]
    assert (found["singular"], found["listKind"]) == ("widget", "WidgetList")


@area("Deleting a definition deletes its objects.", "apiextensions-apiserver/pkg/controller/finalizer/crd_finalizer.go")
def test_delete_definition(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    ok(api.delete(kind.definition))
    assert api.eventually(lambda: api.get(kind.definition).status == 404)
    assert api.eventually(lambda: api.get(kind.path("a")).status == 404)


@area(
    "A definition is held by a finalizer until its objects are gone.",
    "apiextensions-apiserver/pkg/controller/finalizer/crd_finalizer.go",
)
def test_definition_finalizer(api: Api) -> None:
    kind = api.define()
    made(kind.create(metadata={"finalizers": ["example.com/f"]}))
    assert ok(api.delete(kind.definition))["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert ok(api.get(kind.path("a")))
    ok(api.merge(kind.path("a"), {"metadata": {"finalizers": None}}))
    assert api.eventually(lambda: api.get(kind.definition).status == 404)
