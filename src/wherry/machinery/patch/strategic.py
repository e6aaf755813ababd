"""Strategic merge patch: a merge patch that knows which lists are keyed.

On the path of a PATCH of a built-in kind: body -> `decode` -> `apply` on the live document -> typed decoding. Driven by
`x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key` of the OpenAPI schemas. Mirrors
k8s.io/apimachinery/pkg/util/strategicpatch with MergeParallelList and IgnoreUnmatchedNulls, as the server calls it.

The patch is consumed while it is merged (upstream does so as well, and prints what is left when the result is refused),
so `merge` works on a copy of it. The live document is copied only along changed paths.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import BadRequest, StatusError
from wherry.kit import gojson
from wherry.machinery.kinds import Obj
from wherry.machinery.patch import ordering
from wherry.machinery.patch.document import duplicates, plain, read
from wherry.machinery.patch.json_patch import same
from wherry.machinery.patch.ordering import DIRECTIVE, Items, no_merge_key
from wherry.machinery.patch.patchmeta import Meta, Resolve
from wherry.machinery.patch.refusals import go_format, unclassified, unprocessable

_DELETE_PREFIX = "$deleteFromPrimitiveList"
_ORDER_PREFIX = "$setElementOrder"
_RETAIN_KEYS = "$retainKeys"


def decode(body: bytes, strict: bool = True) -> tuple[Obj, list[str]]:
    """The patch, and what strict decoding has to say about it (`duplicate field "a.b"`); malformed is BadRequest."""
    try:
        found = read(body)
    except gojson.JSONError as fault:
        raise BadRequest(str(fault)) from None
    patch = plain(found)
    if patch is None:
        return {}, []
    if not isinstance(patch, dict):
        kind = gojson.kind_name(patch)
        raise BadRequest(f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
    return patch, duplicates(found) if strict else []


def apply(doc: Obj, patch: bytes | Obj, schema: dict[str, Any], resolve: Resolve) -> Obj:
    """The patched document; `doc` and `patch` are left as they are.

    `schema` is the OpenAPI schema of the kind (or a `$ref` to it), `resolve` finds a schema by its bare name."""
    return merge(doc, patch, schema, resolve)[0]


def merge(doc: Obj, patch: bytes | Obj, schema: dict[str, Any], resolve: Resolve) -> tuple[Obj, Obj]:
    """`apply`, and what is left of the patch: the latter is what a refusal prints (`refusals.go_format`)."""
    rest: Obj = decode(patch)[0] if isinstance(patch, bytes) else _copied(patch)
    return _merge_map(doc, rest, Meta.of(schema, resolve)), rest


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


# --- maps -------------------------------------------------------------------------------------------------------------


def _merge_map(original: Obj | None, patch: Obj, meta: Meta) -> Obj:
    if DIRECTIVE in patch:
        return _directive(patch)
    out = dict(original or {})
    _retain_keys(out, patch)
    _merge_ordered_lists(out, patch, meta)
    for key in list(patch):
        _merge_key(out, key, patch[key], meta)
    return out


def _directive(patch: Obj) -> Obj:
    word = patch[DIRECTIVE]
    if word == "replace":
        del patch[DIRECTIVE]
        return patch
    if word == "delete":
        return {}
    raise unclassified(f"unknown patch type: {go_format(word)} in map: {go_format(patch)}")


def _merge_key(out: Obj, key: str, value: Any, meta: Meta) -> None:
    is_delete_list = key.startswith(_DELETE_PREFIX)
    if is_delete_list:
        key = _bare_key(key, _DELETE_PREFIX)
    if value is None:
        out.pop(key, None)
        return
    current = out.get(key)
    if type(current) is not type(value):
        if not is_delete_list:
            _drop_nulls(value)
            _take(out, key, value)
    elif isinstance(value, dict):
        inner = meta.struct(key)
        out[key] = value if inner.strategy == "replace" else _merge_map(current, value, inner)
    elif isinstance(value, list):
        inner = meta.slice(key)
        out[key] = _merge_list(current or [], value, inner, is_delete_list)
    else:
        out[key] = value


def _bare_key(key: str, prefix: str) -> str:
    head, slash, rest = key.partition("/")
    if not slash or head != prefix:
        what = "primitive list" if prefix == _DELETE_PREFIX else "setElementOrder list"
        raise BadRequest(f"invalid patch format of {what}")
    return rest


def _take(out: Obj, key: str, value: Any) -> None:
    """What the original lacks is taken from the patch as it is, without directives."""
    kept, keep = _without_directives(value)
    if keep:
        out[key] = kept
    else:
        out.pop(key, None)


def _without_directives(value: Any) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return None, False
        for key in list(value):
            kept, keep = _without_directives(value[key])
            if keep:
                value[key] = kept
            else:
                del value[key]
        return value, True
    if isinstance(value, list):
        return [kept for kept, keep in map(_without_directives, value) if keep], True
    return value, True


def _drop_nulls(value: Any) -> None:
    if isinstance(value, dict):
        for key in [key for key, item in value.items() if item is None]:
            del value[key]
        for item in value.values():
            _drop_nulls(item)
    elif isinstance(value, list):
        for item in value:
            _drop_nulls(item)


def _retain_keys(out: Obj, patch: Obj) -> None:
    """`$retainKeys`: of the original only these keys stay, and the patch may have no others."""
    if _RETAIN_KEYS not in patch:
        return
    listed = patch.pop(_RETAIN_KEYS)
    bad = BadRequest("invalid patch format of retainKeys")
    if not isinstance(listed, list):
        raise bad
    keep = {item for item in listed if isinstance(item, str)}
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE_PREFIX, _ORDER_PREFIX)) and key not in keep:
            raise bad
    for key in [key for key in out if key not in keep]:
        del out[key]


# --- lists ------------------------------------------------------------------------------------------------------------


def _merge_ordered_lists(out: Obj, patch: Obj, meta: Meta) -> None:
    """`$setElementOrder/<key>`: merge the list of the same key and put it in that order. Consumes both."""
    for key in [key for key in patch if key.startswith(_ORDER_PREFIX)]:
        order = patch.pop(key)
        if not isinstance(order, list):
            raise _bad_list(order)
        name = _bare_key(key, _ORDER_PREFIX)
        current, wanted = out.get(name), patch.get(name)
        for present, value in ((name in out, current), (name in patch, wanted)):
            if present and not isinstance(value, list):
                raise _bad_list(value)
        inner = meta.slice(name)
        ordering.check_order(wanted or [], order, inner.merge_key)
        if name not in out and name not in patch:
            continue
        if name not in patch:
            merged = list(current or [])
        elif name not in out:
            merged = _without_directives(wanted)[0]
        else:
            merged = _merge_list(current or [], wanted or [], inner, False)
            if inner.strategy == "merge" and inner.merge_key and merged:
                current = ordering.overwritten(current or [], wanted or [], inner.merge_key)
        theirs, ours = ordering.partition(merged, order, inner.merge_key)
        are_maps = _element_type(current or [], wanted or []) is dict
        out[name] = ordering.normalize(theirs, ours, order, current or [], inner.merge_key, are_maps)
        patch.pop(name, None)


def _bad_list(value: Any) -> StatusError:
    return unclassified(f"expected a []interface {{}}, but received a {ordering.go_type(value)}")


def _merge_list(current: Items, patch: Items, meta: Meta, is_delete_list: bool) -> Items:
    if meta.strategy != "merge" and not is_delete_list:
        return patch
    if not current and not patch:
        return current
    are_maps = _element_type(current, patch) is dict
    original = list(current)
    if not are_maps:
        if is_delete_list:
            return [item for item in original if not any(same(item, gone) for gone in patch)]
        merged = ordering.deduplicate(original + patch)
    else:
        if not meta.merge_key:
            raise unclassified(f"cannot merge lists without merge key for {meta.kind}")
        original, patch = _special_elements(original, patch, meta.merge_key)
        merged = _merge_elements(list(original), patch, meta)
    theirs, ours = ordering.partition(merged, patch, meta.merge_key)
    return ordering.normalize(theirs, ours, patch, original, meta.merge_key, are_maps)


def _element_type(*lists: Items) -> type:
    found: type | None = None
    for items in lists:
        for item in items:
            if found is None:
                found = type(item)
                if found is list:
                    raise unprocessable()
            elif found is not type(item):
                raise unclassified(f"list element types are not identical: {go_format(list(lists))}")
    if found is None:
        raise unclassified("no elements in any of the given slices")
    return found


def _special_elements(original: Items, patch: Items, key: str) -> tuple[Items, Items]:
    """Elements with `$patch`: the original without the deleted, the patch without any of them."""
    plain: Items = []
    replace = False
    for item in patch:
        word = item.get(DIRECTIVE)
        if DIRECTIVE not in item:
            plain.append(item)
        elif word == "delete":
            if key not in item:
                raise no_merge_key(item, key)
            original = [other for other in original if not (key in other and same(other[key], item[key]))]
        elif word == "replace":
            replace = True
        elif word == "merge":
            raise unclassified("merging lists cannot yet be specified in the patch")
        else:
            raise unclassified(f"unknown patch type: {go_format(word)} in map: {go_format(item)}")
    return (plain, []) if replace else (original, plain)


def _merge_elements(merged: Items, patch: Items, meta: Meta) -> Items:
    key = meta.merge_key
    for item in patch:
        if key not in item:
            raise no_merge_key(item, key)
        at = ordering.find(merged, key, item[key])
        if at >= 0:
            merged[at] = _merge_map(merged[at], item, meta)
        else:
            merged.append(item)
    return merged
