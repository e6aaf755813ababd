"""JSON merge patch (RFC 7386), as the API server applies it.

On the path of a PATCH: body -> `decode` -> `apply` on the live document -> typed decoding. Mirrors the merge of
gopkg.in/evanphx/json-patch.v4: null deletes, nulls inside what is new are dropped, lists replace.

Only objects along changed paths are copied; a copied object has its keys in sorted order, because the server prints it
so when the result is refused (`refusals.go_json`).
"""

from __future__ import annotations

from typing import Any

from wherry.errors import BadRequest
from wherry.kit import gojson
from wherry.machinery.kinds import Obj
from wherry.machinery.patch.document import duplicates, plain, read
from wherry.machinery.patch.refusals import NO_META, go_json, invalid_patch

_BAD = "Invalid JSON Patch"


def decode(body: bytes, strict: bool = True) -> tuple[Obj, list[str]]:
    """The patch, and what strict decoding has to say about it (`duplicate field "a.b"`).

    `strict` is true for the field validation directives Strict and Warn. Malformed documents are BadRequest."""
    try:
        found = read(body)
    except gojson.JSONError as fault:
        raise BadRequest(f"error decoding patch: {fault}" if strict else _BAD) from None
    patch = plain(found)
    if isinstance(patch, dict):
        return patch, duplicates(found) if strict else []
    if strict and patch is not None:
        kind = gojson.kind_name(patch)
        text = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        raise BadRequest(f"error decoding patch: {text}")
    if isinstance(patch, list):  # RFC 7386 lets a list replace the document, which then is no object
        raise invalid_patch(go_json([_pruned(item) for item in patch]), NO_META.format("array"))
    raise BadRequest(_BAD)


def apply(doc: Obj, patch: bytes | Obj) -> Obj:
    """The patched document; `doc` and `patch` are left as they are."""
    return _merged(doc, decode(patch)[0] if isinstance(patch, bytes) else patch)


def _merged(doc: Obj, patch: Obj) -> Obj:
    out = dict(doc)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
            continue
        current = out.get(key)
        if not isinstance(current, dict):
            out[key] = _pruned(value)
        elif isinstance(value, dict):
            out[key] = _merged(current, value)
        else:
            out[key] = value
    return {key: out[key] for key in sorted(out)}


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(value[key]) for key in sorted(value) if value[key] is not None}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value
