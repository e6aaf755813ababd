"""One kind's schema out of an OpenAPI v3 document, with what it refers to written in its place
(k8s.io/apiserver/pkg/cel/openapi/resolver)."""

from __future__ import annotations

from typing import Any

from wherry.machinery.kinds import GroupVersionKind, Obj

_KINDS = "x-kubernetes-group-version-kind"
_REFERENCE = "#/components/schemas/"


def resolved(document: Obj, kind: GroupVersionKind) -> Obj | None:
    """The schema of a kind, None where the document has none. One that comes back to itself ends in an empty one."""
    models: Obj = (document.get("components") or {}).get("schemas") or {}
    wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    for name, model in models.items():
        if wanted in (model.get(_KINDS) or ()):
            found: Obj = _inlined(model, models, (name,))
            return found
    return None


def _inlined(schema: Any, models: Obj, inside: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, models, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix(_REFERENCE)
        return {} if name in inside else _inlined(models.get(name, {}), models, (*inside, name))
    out = {key: _inlined(value, models, inside) for key, value in schema.items()}
    match out.get("allOf"):
        case [dict() as only]:  # how a reference is written that says more than where to look
            del out["allOf"]
            return {**only, **out}
    return out
