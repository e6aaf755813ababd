"""Compile a Go type into one closure that decodes JSON the way Go would read and write it again.

The result of decoding is the canonical document: fields in Go's order, unknown ones gone, zero values dropped where the
tag says omitempty, structs always there, map keys sorted, quantities and times in their one form. Parsed documents are
used up: parts that need no change become parts of the result.

Kinds that the server stores as protobuf lose the difference between an empty list and none; kinds stored as JSON keep
it (`keep_empty`). Structs are compiled when a document first has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from wherry.machinery.typed import scalars
from wherry.machinery.typed.context import At, Context, Embedded, Key
from wherry.machinery.typed.facts import Field, fields, is_struct, shown, underlying
from wherry.machinery.typed.objects import DECODE, SKIP, STORE, Row, Rows, struct_decoder
from wherry.machinery.typed.scalars import Decode

# What an absent value of a type that is no struct looks like when written.
_ZERO: dict[str, Any] = {"string": "", "bool": False, "resource.Quantity": "0", "intstr.IntOrString": 0}
# Fields whose hand-written rules tell an empty list or map that was sent from none, even in kinds stored as protobuf.
# The rules (defaulting or validation of those kinds) see to it that what is stored has no empty value.
_TELLS_EMPTY = frozenset(
    (
        ("apiextensions/v1.JSONSchemaProps", "dependencies"),
        ("autoscaling/v2.HPAScalingRules", "policies"),
        ("batch/v1.PodFailurePolicyOnExitCodesRequirement", "values"),
        ("batch/v1.SuccessPolicy", "rules"),
        ("core/v1.PersistentVolumeSpec", "capacity"),
        ("core/v1.PodSpec", "overhead"),
        ("core/v1.ResourceRequirements", "claims"),
        ("networking/v1.IngressSpec", "rules"),
        ("networking/v1.ServiceCIDRSpec", "cidrs"),
    )
)
# Lists that are always written: who sends an empty one owns it, who sends none does not. What is stored is null for
# both (`REQUIRED_LISTS` says where they are found, so that the store can make them so once ownership is reckoned).
_REQUIRED_LISTS = frozenset(
    (
        ("authentication/v1.TokenRequestSpec", "audiences"),
        ("autoscaling/v2.HorizontalPodAutoscalerStatus", "currentMetrics"),
        ("core/v1.LimitRangeSpec", "limits"),
        ("discovery/v1.EndpointSlice", "endpoints"),
        ("discovery/v1.EndpointSlice", "ports"),
        ("rbac/v1.ClusterRole", "rules"),
        ("rbac/v1.Role", "rules"),
        ("resource/v1.DeviceClaim", "requests"),
        ("storage/v1.CSINodeSpec", "drivers"),
    )
)
REQUIRED_LISTS: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {
    ("", "limitranges"): (("spec", "limits"),),
    ("autoscaling", "horizontalpodautoscalers"): (("status", "currentMetrics"),),
    ("discovery.k8s.io", "endpointslices"): (("endpoints",), ("ports",)),
    ("rbac.authorization.k8s.io", "clusterroles"): (("rules",),),
    ("rbac.authorization.k8s.io", "roles"): (("rules",),),
    ("resource.k8s.io", "resourceclaims"): (("spec", "devices", "requests"),),
    ("resource.k8s.io", "resourceclaimtemplates"): (("spec", "spec", "devices", "requests"),),
    ("storage.k8s.io", "csinodes"): (("spec", "drivers"),),
}


def empty_lists_as_null(group: str, resource: str, obj: dict[str, Any]) -> None:
    """In place: empty lists that are always written become null, as the stored form can't tell one from the other. Only
    who owns the fields depends on the difference, so this comes after ownership was reckoned."""
    for *parents, last in REQUIRED_LISTS.get((group, resource), ()):
        at: Any = obj
        for key in parents:
            at = at.get(key) if isinstance(at, dict) else None
        if isinstance(at, dict) and at.get(last) == []:
            at[last] = None


_INTEGERS = {"int32": 31, "int64": 63, "int": 63}
_SPECIAL: dict[str, Decode] = {
    "resource.Quantity": scalars.quantity,
    "intstr.IntOrString": scalars.int_or_string,
    "meta/v1.Time": scalars.time,
    "meta/v1.MicroTime": scalars.micro_time,
    "meta/v1.FieldsV1": scalars.anything,
    "runtime.RawExtension": scalars.anything,
    "runtime.Object": scalars.anything,
    "apiextensions/v1.JSON": scalars.anything,
    "any": scalars.anything,
}


def is_nilable(go_type: str) -> bool:
    """Whether a null in the document leaves nothing behind, rather than a zero value."""
    base = underlying(go_type)
    return base.startswith(("*", "[]", "map[")) or base in ("any", "meta/v1.Time", "meta/v1.MicroTime")


def drops_empty(field: Field) -> bool:
    """Whether a field is left out when its value is the zero value of its type."""
    base = underlying(field.type)
    if field.omitzero and base in ("meta/v1.Time", "meta/v1.MicroTime"):
        return True
    # Structs and types with their own JSON form are always written: omitempty does not see them.
    return field.omitempty and (base.startswith(("[]", "map[")) or base in _EMPTY)


def drops_null(field: Field) -> bool:
    return drops_empty(field) or (field.omitempty and underlying(field.type).startswith(("*", "any")))


_EMPTY = frozenset(("string", "bool", "float64", *_INTEGERS))


def zero(go_type: str, keep_empty: bool) -> Any:
    """What an absent field is written as: a value, or a callable that makes a fresh one."""
    base = underlying(go_type)
    if is_struct(base):
        return _template(base, keep_empty)
    if base in _INTEGERS or base == "float64":
        return 0
    return _ZERO.get(base)


def _template(base: str, keep_empty: bool) -> Callable[[], dict[str, Any]]:
    """Makes zero structs; compiles the type when the first is wanted."""
    made: list[dict[str, Any]] = []

    def make() -> dict[str, Any]:
        if not made:
            made.append(decoder(base, keep_empty)(None, None, Context()))
        return _copy(made[0])

    return make


def _copy(value: dict[str, Any]) -> dict[str, Any]:
    """A zero struct has nothing but scalars and zero structs."""
    return {key: _copy(item) if item.__class__ is dict else item for key, item in value.items()}


@cache
def decoder(go_type: str, keep_empty: bool) -> Decode:
    """The closure for a type expression."""
    if go_type.startswith("*"):
        return _pointer(decoder(go_type[1:], keep_empty))
    base = underlying(go_type)
    if base in _SPECIAL:
        return _SPECIAL[base]
    if base.startswith("*"):
        return decoder(base, keep_empty)
    if base == "string":
        return scalars.string(shown(go_type))
    if base == "bool":
        return scalars.boolean(shown(go_type))
    if base == "float64":
        return scalars.floating(shown(go_type))
    if base in _INTEGERS:
        bits = _INTEGERS[base]
        return scalars.integer(shown(go_type), -(1 << bits), (1 << bits) - 1)
    if base == "[]uint8":
        return scalars.octets(shown(go_type))
    if base.startswith("[]"):
        return _list(go_type, base[2:], keep_empty)
    if match := re.match(r"map\[[^\]]+\](.*)$", base):
        return _map(go_type, match[1], keep_empty)
    if base.startswith("apiextensions/v1.JSONSchemaPropsOr"):
        from wherry.machinery.typed.schemas import UNIONS

        return UNIONS[base](decoder)
    return _struct(base, keep_empty)


def _pointer(inner: Decode) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        return None if raw is None else inner(raw, at, ctx)

    return decode


def _list(go_type: str, element: str, keep_empty: bool) -> Decode:
    inner: Decode | None = None  # compiled when the first element comes, because types may nest in themselves
    text = underlying(element) == "string"
    name = shown(go_type)

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is not list:
            if raw is not None:
                ctx.mismatch(at, raw, name)
            return None
        if not raw:
            return raw if keep_empty else None
        if text:
            for item in raw:
                if item.__class__ is not str:
                    break
            else:
                return raw
        nonlocal inner
        if inner is None:
            inner = decoder(element, keep_empty)
        index = -1
        return [inner(item, (at, (index := index + 1), ""), ctx) for item in raw]

    return decode


def _map(go_type: str, element: str, keep_empty: bool) -> Decode:
    inner: Decode | None = None
    text = underlying(element) == "string"
    octets = underlying(element) == "[]uint8"
    name = shown(go_type)

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        nonlocal inner
        if inner is None:
            inner = decoder(element, keep_empty)
        if raw.__class__ is not dict:
            if not isinstance(raw, dict):
                if raw is not None:
                    ctx.mismatch(at, raw, name)
                return None
            return in_order(_repeated(raw, inner, at, ctx))
        if not raw:
            return raw if keep_empty else None
        if text:
            for item in raw.values():
                if item.__class__ is not str:
                    break
            else:
                return raw if len(raw) == 1 else in_order(raw)
        out = {key: inner(value, (at, Key(key), ""), ctx) for key, value in raw.items()}
        if octets:  # protobuf has no nil bytes inside a map
            out = {key: "" if value is None else value for key, value in out.items()}
        return in_order(out)

    return decode


def in_order(found: dict[str, Any]) -> dict[str, Any]:
    """The map with its keys sorted; itself if they are."""
    keys = sorted(found)
    return found if keys == list(found) else {key: found[key] for key in keys}


def _repeated(raw: Any, inner: Decode, at: At, ctx: Context) -> dict[str, Any]:
    """A map whose document names a key twice: the last value stays, errors of all are told."""
    out: dict[str, Any] = {}
    for key, value in raw.pairs:
        if key in out:
            ctx.note("duplicate field", at, key)
        out[key] = inner(value, (at, Key(key), ""), ctx)
    return out


def _struct(name: str, keep_empty: bool) -> Decode:
    rows: Rows = {}
    must: list[tuple[int, str, Any]] = []
    for index, field in enumerate(fields(name)):
        segment: str = field.json
        if field.go_path != field.json:
            segment = Embedded(field.json)
            segment.go_path = field.go_path
        klass = _PLAIN.get(underlying(field.type.lstrip("*")))
        null = (SKIP if drops_null(field) else STORE) if is_nilable(field.type) else DECODE
        tells = (name, field.json) in _TELLS_EMPTY or (name, field.json) in _REQUIRED_LISTS
        closure = _late(rows, name, field, keep_empty, tells)
        rows[field.json] = Row(index, klass, closure, drops_empty(field) and not tells, null, segment)
        if not drops_null(field):
            must.append((index, field.json, zero(field.type, keep_empty)))
    # The struct's own name, without package, is what error texts say.
    return struct_decoder(shown(name).rpartition(".")[2], shown(name), rows, tuple(must))


def _telling(closure: Decode, kind: type) -> Decode:
    """Keeps an empty list or map as it came; what is in one that is not empty is decoded as ever."""

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        return raw if raw.__class__ is kind and not raw else closure(raw, at, ctx)

    return decode


def _labelled(closure: Decode) -> Decode:
    """Metadata of a pod template: refusals print labels that are an empty map otherwise than those that are none."""

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        empty = isinstance(raw, dict) and raw.get("labels") == {}
        out = closure(raw, at, ctx)
        if empty and out is not None:
            out["labels"] = {}
        return out

    return decode


_PLAIN: dict[str, type] = {"string": str, "bool": bool}


def _late(rows: Rows, owner: str, field: Field, keep_empty: bool, tells: bool) -> Decode:
    """A field's closure, made at its first use and then put in its own place."""

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        # The struct's loop has dealt with null, so a pointer is decoded like what it points to.
        made = decoder(field.type.removeprefix("*"), keep_empty)
        if field.json == "metadata" and owner == "core/v1.PodTemplateSpec":
            made = _labelled(made)
        if tells and not keep_empty:
            made = _telling(made, list if underlying(field.type).startswith("[]") else dict)
        rows[field.json] = rows[field.json]._replace(closure=made)
        return made(raw, at, ctx)

    return decode
