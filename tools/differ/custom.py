"""The definitions that each sequence of the differential test begins with, and bodies of their kinds."""

from __future__ import annotations

from random import Random
from typing import Any

from tools.differ.bodies import Kind, Obj

_STRING, _INTEGER = {"type": "string"}, {"type": "integer"}

_WIDGET: Obj = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "x-kubernetes-validations": [
                {"rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": "min must not exceed max"},
                {"rule": "!has(oldSelf.fixed) || (has(self.fixed) && self.fixed == oldSelf.fixed)", "messageExpression": "'fixed was ' + oldSelf.fixed"},
            ],
            "properties": {
                "replicas": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100, "default": 1},
                "min": _INTEGER,
                "max": {"type": "integer", "multipleOf": 2},
                "fixed": {"type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[a-z]+$"},
                "size": {"type": "string", "enum": ["S", "M", "L"], "default": "M"},
                "port": {"x-kubernetes-int-or-string": True},
                "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
                "enabled": {"type": "boolean"},
                "when": {"type": "string", "format": "date-time"},
                "note": {"type": "string", "nullable": True, "default": "none"},
                "tags": {"type": "array", "maxItems": 5, "items": _STRING, "x-kubernetes-list-type": "set"},
                "atoms": {"type": "array", "items": _INTEGER, "x-kubernetes-list-type": "atomic"},
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "kind"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": _STRING, "kind": {"type": "string", "default": "plain"}, "value": _INTEGER},
                    },
                },
                "labels": {"type": "object", "maxProperties": 4, "additionalProperties": _STRING},
                "ref": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"name": _STRING, "ns": _STRING}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "embedded": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
                "either": {"type": "object", "properties": {"a": _STRING, "b": _STRING}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "replicas": _INTEGER,
                "selector": _STRING,
                "phase": _STRING,
                "conditions": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    "items": {"type": "object", "required": ["type"], "properties": {"type": _STRING, "status": _STRING}},
                },
            },
        },
    },
}  # fmt: skip

_GADGET: Obj = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"a": _STRING, "n": {**_INTEGER, "default": 3}}},
        "top": _INTEGER,
    },
}
_BLOB: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _definition(group: str, plural: str, kind: str, scope: str, versions: list[Obj]) -> Obj:
    names = {
        "plural": plural,
        "singular": kind.lower(),
        "kind": kind,
        "listKind": f"{kind}List",
        "shortNames": [plural[:3]],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": versions},
    }


def _version(name: str, schema: Obj, *, storage: bool = True, **more: Any) -> Obj:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def definitions(group: str) -> list[Obj]:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    columns = [
        {"name": "Size", "type": "string", "jsonPath": ".spec.size"},
        {"name": "N", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
    ]
    widget = _version(
        "v1",
        _WIDGET,
        subresources={"status": {}, "scale": scale},
        additionalPrinterColumns=columns,
        selectableFields=[{"jsonPath": ".spec.size"}],
    )
    old = _version("v1beta1", _GADGET, storage=False, deprecated=True)
    return [
        _definition(group, "widgets", "Widget", "Namespaced", [widget]),
        _definition(group, "gadgets", "Gadget", "Cluster", [_version("v1", _GADGET), old]),
        _definition(group, "blobs", "Blob", "Namespaced", [_version("v1", _BLOB)]),
    ]  # fmt: skip


def _widget(rng: Random) -> Obj:
    spec: Obj = {
        "replicas": rng.randint(0, 5),
        "min": 1,
        "max": 4,
        "fixed": "abc",
        "size": rng.choice("SML"),
        "port": rng.choice([80, "http"]),
        "tags": rng.sample(["a", "b", "c"], 2),
        "atoms": [1, 2],
        "items": [{"name": "x", "value": 1}, {"name": "x", "kind": "other"}, {"name": "y"}],
        "labels": {"a": "b"},
        "ref": {"name": "n", "ns": "m"},
        "free": {"x": {"y": [1, None]}},
        "embedded": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "e"}, "data": {"k": "v"}},
        "either": {"a": "1"},
        "note": None,
        "ratio": 0.5,
        "when": "2026-01-02T03:04:05Z",
    }
    return {"spec": {key: spec[key] for key in rng.sample(sorted(spec), rng.randint(0, 6))}}


def _gadget(rng: Random) -> Obj:
    return {"spec": {"a": rng.choice("xyz")}, "top": rng.randint(0, 9)}


def _blob(rng: Random) -> Obj:
    return {"any": {"thing": [1, "two", {"three": None}]}, "n": rng.choice([1, 1.5, -3, "s"])}


def kinds(group: str) -> list[Kind]:
    return [
        Kind(group, "v1", "widgets", "Widget", _widget, weight=22, subresources=("status", "scale"), custom=True),
        Kind(group, "v1", "gadgets", "Gadget", _gadget, namespaced=False, weight=5, custom=True),
        Kind(
            group,
            "v1beta1",
            "gadgets",
            "Gadget",
            _gadget,
            namespaced=False,
            weight=3,
            custom=True,
            subresources=("status",),
        ),
        Kind(group, "v1", "blobs", "Blob", _blob, weight=4, custom=True),
    ]


def definition_kind(number: str) -> Kind:
    """Definitions themselves, made and changed like anything else; their names hang on their groups."""

    def make(rng: Random) -> Obj:
        return definitions(f"g{number}.example.org")[rng.randrange(3)]["spec"]

    return Kind(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
        lambda rng: {"spec": make(rng)}, namespaced=False, weight=4, lists=False,
    )  # fmt: skip
