"""JSONPatch{...} values and jsonpatch.escapeKey, for mutating policies."""

from __future__ import annotations

from wherry.machinery.cel import types as t
from wherry.machinery.cel.registry import Library

JSONPATCH = Library("kubernetes.jsonpatch")
PATCH_TYPE = t.struct("JSONPatch", {"op": t.STRING, "path": t.STRING, "from": t.STRING, "value": t.DYN})


@JSONPATCH.fn("jsonpatch.escapeKey", "jsonpatch_escapeKey", [t.STRING], t.STRING)
def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
