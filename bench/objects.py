"""The objects that the load generator writes."""

from __future__ import annotations

import json
from typing import Any

GROUP = "bench.wherry.example"


def configmap(namespace: str, name: str, number: int = 0, picked: bool = False) -> dict[str, Any]:
    """A ConfigMap of 1 KiB of JSON before the server adds its metadata; one in a hundred is picked by a selector."""
    labels = {"app": "bench", "picked": "yes" if picked else "no"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    data = {"number": str(number), "settings": ""}
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    data["settings"] = "0123456789abcdef" * 64
    data["settings"] = data["settings"][: 1024 - len(dump(bare)) + len(data["settings"])]
    return bare


def widget(namespace: str, name: str, number: int = 0) -> dict[str, Any]:
    """A custom resource of 1 KiB whose schema validates, defaults and prunes."""
    ports = [{"name": f"port-{i}", "number": 8000 + i} for i in range(12)]
    spec: dict[str, Any] = {"size": number, "color": "green", "ports": ports, "notes": ""}
    metadata = {"name": name, "namespace": namespace}
    bare = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": metadata, "spec": spec}
    spec["notes"] = "n" * (1024 - len(dump(bare)))
    return bare


def definition(plural: str = "widgets", kind: str = "Widget") -> dict[str, Any]:
    port = {
        "type": "object",
        "required": ["name", "number"],
        "properties": {
            "name": {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9-]+$"},
            "number": {"type": "integer", "minimum": 1, "maximum": 65535},
            "protocol": {"type": "string", "enum": ["TCP", "UDP"], "default": "TCP"},
        },
    }
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 0},
            "color": {"type": "string", "default": "red"},
            "notes": {"type": "string"},
            "ports": {"type": "array", "maxItems": 64, "items": port},
        },
    }
    schema = {"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [version],
        },
    }


def dump(thing: Any) -> bytes:
    return json.dumps(thing, separators=(",", ":")).encode()
