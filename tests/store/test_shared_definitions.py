"""Definitions of equal content are compiled once for all workspaces."""

from __future__ import annotations

from typing import Any

from wherry.store.custom import shared


def definition(field: str = "size", *, webhook: bool = False) -> Any:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {field: {"type": "integer"}}}}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
    names = {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"}
    spec: dict[str, Any] = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    if webhook:
        spec["conversion"] = {
            "strategy": "Webhook",
            "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://x"}},
        }
    return {"metadata": {"name": "widgets.example.com"}, "spec": spec, "status": {"acceptedNames": names}}


def test_equal_definitions_are_one() -> None:
    assert shared("root", definition())[0] is shared("root", definition())[0]
    assert shared("root", definition())[0] is not shared("root", definition("other"))[0]


def test_what_a_webhook_converts_is_not_shared() -> None:
    assert shared("root", definition(webhook=True))[0] is not shared("root", definition(webhook=True))[0]
