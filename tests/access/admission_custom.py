"""A custom kind in two versions, for tests of admission."""

from __future__ import annotations

from typing import Any


def widgets(*, status: bool = True, scale: bool = False) -> dict[str, Any]:
    """v1 and v1beta1 of widgets.test.dev; `color` has a default, `size` is all else there is."""
    spec = {
        "type": "object",
        "properties": {
            "color": {"type": "string", "default": "red"},
            "size": {"type": "integer"},
        },
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}}}
    subresources: dict[str, Any] = {"status": {}} if status else {}
    if scale:
        subresources["scale"] = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}
    version = {"served": True, "schema": schema, "subresources": subresources}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.test.dev"},
        "spec": {
            "group": "test.dev",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"},
            "versions": [
                {"name": "v1", "storage": True, **version},
                {"name": "v1beta1", "storage": False, **version},
            ],
        },
    }
