"""What webhooks and policies make of an object put back into the write: patched in the version that they matched,
decoded as if a client had sent it, in the storage version again."""

from __future__ import annotations

from typing import Any

import orjson

from wherry import errors
from wherry.access.admission import Ask
from wherry.access.plugins.matching import kind_of
from wherry.machinery.fields.nodes import Node
from wherry.machinery.kinds import Obj
from wherry.store.definition import Definition


class PatchError(Exception):
    """A patch that does not apply; the text is that of the library that upstream uses."""


def patched(document: Obj, operations: list[Any]) -> Obj:
    """A document after JSON patch operations. Raises PatchError."""
    from wherry.machinery.patch import json_patch

    for operation in operations:
        try:
            document = json_patch.apply(document, [operation])
        except errors.StatusError as error:
            raise PatchError(_why(operation, error.message)) from None
    return document


def _why(operation: Any, message: str) -> str:
    operation = operation if isinstance(operation, dict) else {}
    op, path = operation.get("op", ""), operation.get("path", "")
    texts = {
        "add": f'add operation does not apply: doc is missing path: "{path}": missing value',
        "remove": f'remove operation does not apply: doc is missing path: "{path}": missing value',
        "replace": f"replace operation does not apply: doc is missing path: {path}: missing value",
        "test": f"testing value {path} failed: test failed",
    }
    return texts.get(op, f"Unexpected kind: {op or 'unknown'}" if op not in ("move", "copy") else message)


def configured(document: Obj, config: Obj, node: Node) -> Obj:
    """A document after an apply configuration of a policy (admission/plugin/policy/mutating/patch). Raises PatchError.

    Unlike with server-side apply nobody owns anything, and what is atomic can't be set."""
    from wherry.machinery.fields.merging import merge
    from wherry.machinery.fields.typed import check
    from wherry.machinery.fields.values import TypedError

    doing = "convert patch object to typed object"
    try:
        check(config, node)
        if atomics := _atomics(config, node, ""):
            listed = ", ".join(atomics)
            raise PatchError(f"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {listed}")
        doing = "convert original object to typed object"
        check(document, node, allow_duplicates=True)
        doing = "merge patch"
        merged: Obj = merge(document, config, node)
    except TypedError as error:
        raise PatchError(f"failed to {doing}: {error}") from None
    return merged


def _atomics(value: Any, node: Node, path: str) -> list[str]:
    """The paths of what a configuration sets that is replaced as a whole."""
    out: list[str] = []
    if isinstance(value, dict) and node.map is not None:
        if node.map.atomic:
            out.append(path)
        for name, item in value.items():
            if name in node.map.names and (field := node.map.field(name)) is not None:
                out += _atomics(item, field, f"{path}.{name}")
    elif isinstance(value, list) and node.list is not None:
        if not node.list.associative:
            out.append(path)
        for index, item in enumerate(value):
            out += _atomics(item, node.list.element, f"{path}[{index}]")
    return out


async def put_back(ask: Ask, matched: Definition, document: Obj) -> bool:
    """Make a changed document the object of the write; whether anything is different now.

    Raises BadRequest for what the kind can't be decoded from."""
    assert ask.obj is not None
    before = orjson.dumps(ask.obj, option=orjson.OPT_SORT_KEYS)
    owners = ask.obj["metadata"].get("managedFields") if "metadata" in ask.obj else None
    kind = kind_of(matched, ask.subresource)
    if kind.kind == matched.resource.kind:
        obj, _ = matched.patched(document)
        obj = matched.to_storage(obj)
        if ask.definition.conversion is not None and matched is not ask.definition:
            obj = await ask.definition.conversion.into(obj)
    else:
        obj = document
    meta = obj.setdefault("metadata", {})
    if owners is not None and not _sound(meta.get("managedFields")):
        meta["managedFields"] = owners  # who owns what is not for webhooks to garble
    if "apiVersion" not in ask.obj:
        obj = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    ask.obj.clear()
    ask.obj.update(obj)
    return orjson.dumps(ask.obj, option=orjson.OPT_SORT_KEYS) != before


def _sound(entries: Any) -> bool:
    if not isinstance(entries, list):
        return False
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("operation") not in ("Apply", "Update"):
            return False
        if entry.get("fieldsType") != "FieldsV1" or not isinstance(entry.get("fieldsV1"), dict):
            return False
    return True
