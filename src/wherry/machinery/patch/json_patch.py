"""JSON patch (RFC 6902), as the API server applies it.

On the path of a PATCH: body -> `decode` -> `apply` on the live document -> typed decoding. Mirrors gopkg.in/evanphx/
json-patch.v4: negative indexes count from the end, `replace` of a missing key of an object adds it, a missing `from`
of `copy` copies null, null and absent are the same to `test`. Every operation that fails is the same bare 422.

Only containers along changed paths are copied. A copied object has its keys in sorted order, because the server prints
it so when the result is refused (`refusals.go_json`); what was not touched keeps its order.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import BadRequest, RequestTooLarge, go_quote
from wherry.kit import gojson
from wherry.machinery.bodies import duplicate_keys
from wherry.machinery.kinds import Obj
from wherry.machinery.patch.document import MAX_STRICT_ERRORS, plain, read
from wherry.machinery.patch.refusals import NO_META, go_json, invalid_patch, unprocessable

MAX_OPERATIONS = 10000
_FIELDS = ("op", "path", "from", "value")


class _Refused(Exception):
    """An operation that does not apply."""


def decode(body: bytes, strict: bool = True) -> tuple[list[Any], list[str]]:
    """The operations, and what strict decoding has to say about them (`json patch unknown field "[0].x"`).

    Their values may be `gojson.Pairs`: what no operation takes apart gets into the document as it was sent, repeated
    keys and all, and is reported once more when that is decoded.

    `strict` is true for the field validation directives Strict and Warn. Malformed documents are BadRequest."""
    try:
        found = read(body)
    except gojson.JSONError as error:
        raise BadRequest(f"error decoding patch: {error}" if strict else str(error)) from None
    complaints = _check(found) if strict else _check_loosely(found)
    operations: list[Any] = found or []
    if len(operations) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise RequestTooLarge(f"Request entity too large: {text}")
    return operations, complaints


def _check(found: Any) -> list[str]:
    if found is not None and not isinstance(found, list):
        raise _mismatch(found, "value of type []handlers.jsonPatchOp")
    out: dict[str, None] = {}  # every complaint once, in order
    for index, op in enumerate(found or ()):
        if op is not None:
            _check_operation(op, index, out)
    return [f"json patch {text}" for text in out][:MAX_STRICT_ERRORS]


def _check_operation(op: Any, index: int, out: dict[str, None]) -> None:
    if not isinstance(op, dict):
        raise _mismatch(op, "value of type handlers.jsonPatchOp")
    seen: set[str] = set()
    for key, value in op.pairs if isinstance(op, gojson.Pairs) else op.items():
        if key not in _FIELDS:
            out[f"unknown field {go_quote(f'[{index}].{key}')}"] = None
            continue
        if key in seen:
            out[f"duplicate field {go_quote(f'[{index}].{key}')}"] = None
        seen.add(key)
        if key == "value":
            if isinstance(value, dict | list):
                out.update(dict.fromkeys(duplicate_keys(value, f"[{index}].value")))
        elif value is not None and not isinstance(value, str):
            raise _mismatch(value, f"struct field jsonPatchOp.{key} of type string")


def _mismatch(value: Any, target: str) -> BadRequest:
    return BadRequest(f"error decoding patch: json: cannot unmarshal {gojson.kind_name(value)} into Go {target}")


def _check_loosely(found: Any) -> list[str]:
    """Without strictness only the shape `[{...}, ...]` matters; wrong members fail when they are applied."""
    if found is not None and not isinstance(found, list):
        kind = gojson.kind_name(found)
        raise BadRequest(f"json: cannot unmarshal {kind} into Go value of type jsonpatch.Patch")
    for op in found or ():
        if op is not None and not isinstance(op, dict):
            kind = gojson.kind_name(op)
            raise BadRequest(f"json: cannot unmarshal {kind} into Go value of type jsonpatch.Operation")
    return []


def apply(doc: Obj, patch: bytes | list[Any]) -> Obj:
    """The patched document; `doc` and the operations are left as they are."""
    operations = decode(patch)[0] if isinstance(patch, bytes) else patch
    work = _Work(doc)
    try:
        for op in operations:
            work.run(op if isinstance(op, dict) else {})
    except _Refused:
        raise unprocessable() from None
    root = work.sealed(work.root)
    if not isinstance(root, dict):
        raise invalid_patch(go_json(root), NO_META.format("array"))
    return root


class _Work:
    """The document while operations run over it: containers are copied when first touched."""

    def __init__(self, doc: Obj):
        self.mine: dict[int, Any] = {}  # id -> container that is our own copy, kept alive so that ids stay unique
        self.root: Any = self.own(doc)

    def own(self, value: Any) -> Any:
        if id(value) in self.mine:
            return value
        copy: Any = dict(value) if isinstance(value, dict) else list(value)
        self.mine[id(copy)] = copy
        return copy

    def touched(self, value: Any) -> Any:
        """A copy of our own down to the leaves: upstream parses all that it compares, and so prints it sorted."""
        if not isinstance(value, dict | list):
            return value
        value = self.own(value)
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            value[key] = self.touched(value[key])
        return value

    def sealed(self, value: Any) -> Any:
        """The value with the keys of touched objects sorted, sharing nothing that could still change."""
        if id(value) not in self.mine:
            return value
        if isinstance(value, dict):
            return {key: self.sealed(value[key]) for key in sorted(value)}
        return [self.sealed(item) for item in value]

    # --- finding ----------------------------------------------------------------------------------------------------

    def find(self, path: Any) -> tuple[Any, str]:
        """The container of the last part of a pointer and that part. As upstream, what stands before the first slash
        is ignored."""
        if not isinstance(path, str):
            raise _Refused
        parts = path.split("/")
        if len(parts) < 2:
            raise _Refused
        at = self.root
        for part in parts[1:-1]:
            key: Any = _unescape(part)
            if isinstance(at, list):
                key = _index(key, len(at))
                child = at[key]
            else:
                child = at.get(key)
            if not isinstance(child, dict | list):
                raise _Refused
            at[key] = child = self.own(child)
            at = child
        return at, _unescape(parts[-1])

    @staticmethod
    def get(container: Any, key: str) -> Any:
        if isinstance(container, list):
            return container[_index(key, len(container))]
        return container.get(key)

    @staticmethod
    def add(container: Any, key: str, value: Any) -> None:
        if isinstance(container, dict):
            container[key] = value
        elif key == "-":
            container.append(value)
        else:
            container.insert(_index(key, len(container) + 1), value)

    @staticmethod
    def drop(container: Any, key: str) -> None:
        if isinstance(container, list):
            del container[_index(key, len(container))]
        elif key in container:
            del container[key]
        else:
            raise _Refused

    # --- operations -------------------------------------------------------------------------------------------------

    def run(self, op: dict[str, Any]) -> None:
        kind = op.get("op")
        operation = _OPERATIONS.get(kind) if isinstance(kind, str) else None
        if operation is None:
            raise _Refused
        operation(self, op)

    def op_add(self, op: dict[str, Any]) -> None:
        container, key = self.find(op.get("path"))
        self.add(container, key, op.get("value"))

    def op_remove(self, op: dict[str, Any]) -> None:
        container, key = self.find(op.get("path"))
        self.drop(container, key)

    def op_replace(self, op: dict[str, Any]) -> None:
        value = op.get("value")
        if op.get("path") == "":
            if not isinstance(value, dict | list):
                raise _Refused
            self.root = self.own(value)
            return
        container, key = self.find(op.get("path"))
        if isinstance(container, list):
            container[_index(key, len(container))] = value
        else:
            container[key] = value

    def op_move(self, op: dict[str, Any]) -> None:
        container, key = self.find(op.get("from"))
        value = self.get(container, key)
        self.drop(container, key)
        container, key = self.find(op.get("path"))
        self.add(container, key, value)

    def op_copy(self, op: dict[str, Any]) -> None:
        source, name = self.find(op.get("from"))
        self.get(source, name)  # a missing source fails first
        container, key = self.find(op.get("path"))
        self.add(container, key, self.sealed(self.get(source, name)))

    def op_test(self, op: dict[str, Any]) -> None:
        value = plain(op.get("value"))
        if op.get("path") == "":
            if not same(self.root, value):
                raise _Refused
            self.root = self.touched(self.root)
            return
        container, key = self.find(op.get("path"))
        found = self.get(container, key)
        if not same(found, value):
            raise _Refused
        if isinstance(found, dict | list):
            where: Any = key if isinstance(container, dict) else _index(key, len(container))
            container[where] = self.touched(found)


_OPERATIONS = {
    "add": _Work.op_add,
    "remove": _Work.op_remove,
    "replace": _Work.op_replace,
    "move": _Work.op_move,
    "copy": _Work.op_copy,
    "test": _Work.op_test,
}


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~") if "~" in part else part


def _index(key: str, length: int) -> int:
    """A position below `length`, as strconv.Atoi reads it; negative ones count from the end."""
    digits = key[1:] if key[:1] in ("+", "-") else key
    if not (digits.isascii() and digits.isdigit()):
        raise _Refused
    at = int(key)
    if not -length <= at < length:
        raise _Refused
    return at + length if at < 0 else at


def same(left: Any, right: Any) -> bool:
    """Equality of JSON texts: 1 is neither 1.0 nor true."""
    if type(left) is not type(right) and not any(isinstance(left, k) and isinstance(right, k) for k in (dict, float)):
        return False
    if isinstance(left, dict):
        return len(left) == len(right) and all(key in right and same(item, right[key]) for key, item in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


__all__ = ["MAX_OPERATIONS", "apply", "decode", "same"]
