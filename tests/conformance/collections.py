"""What the chapters on lists and on watches share."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import Api

SEMANTICS = "https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions"


def three(api: Api) -> list[Any]:
    return [api.config_map(name, metadata={"labels": {"n": name}}) for name in ("b", "a", "c")]


def only(api: Api, more: str = "") -> str:
    """The path of a list without what controllers put into a namespace."""
    return f"configmaps?labelSelector=n{more}"
