"""The tree of logical clusters: what they are, where they are, how they come and go. Knows no HTTP.

A workspace is an object in its parent (`tenancy.kcp.io/v1alpha1 Workspace`) and a logical cluster with an id, which is
a space of the storage. Kinds, fields, annotations and addresses are kcp's wherever kcp has one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = "root"
HIDDEN = ("template-", "base-", "system:")  # what the names of spaces begin with that are no workspaces
KINDS = Path(__file__).with_name("kinds.json")


def kinds() -> list[dict[str, Any]]:
    """The definitions of the kinds that every workspace serves, as CustomResourceDefinition documents."""
    import orjson

    found: list[dict[str, Any]] = orjson.loads(KINDS.read_bytes())
    return found
