"""How two objects differ in what people meant, field by field: what the server notes by itself is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from wherry.machinery.kinds import Obj

# What a server writes into every object, and what says no more than the rest of the object does.
_NOTED = frozenset(
    (
        *("uid", "resourceVersion", "creationTimestamp", "generation"),
        *("managedFields", "selfLink", "deletionGracePeriodSeconds"),
    )
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
_TOKEN_UID = "kubernetes.io/service-account.uid"
_NAMES = ("name", "key", "type", "uid", "ip", "containerPort", "port")  # by which items of a list are told apart
HIDDEN = "(hidden)"


class Absent:
    """Stands where a side has no such field."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()


class Field(NamedTuple):
    """`path` as one would write it: `spec.template.spec.containers[app].image`."""

    path: str
    before: Any
    after: Any


def meant(obj: Obj, *, status: bool = False) -> Obj:
    """An object without what a server notes by itself, and without its status unless that is asked for: a copy."""
    found = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind") and value is not None}
    if not status:
        found.pop("status", None)
    meta = found["metadata"] = {k: v for k, v in obj["metadata"].items() if k not in _NOTED}
    if "annotations" in meta:
        notes = {k: v for k, v in meta["annotations"].items() if k not in (_LAST_APPLIED, _TOKEN_UID)}
        meta["annotations"] = notes
        if not notes:
            del meta["annotations"]
    if "ownerReferences" in meta:
        meta["ownerReferences"] = [{k: v for k, v in o.items() if k != "uid"} for o in meta["ownerReferences"]]
    if obj.get("type") == _ACCOUNT_TOKEN and "data" in found:
        found["data"] = {k: v for k, v in found["data"].items() if k not in ("token", "ca.crt")}
    return found


def fields(before: Any, after: Any, path: str = "") -> Iterator[Field]:
    """What is different, the smallest parts first of all; items of lists are matched by what names them."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from fields(before.get(name, ABSENT), after.get(name, ABSENT), below(path, name))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _items(before, after, path)
    elif before != after or type(before) is not type(after):
        yield Field(path, before, after)


def _items(before: list[Any], after: list[Any], path: str) -> Iterator[Field]:
    known = by_name(before), by_name(after)
    if known[0] is not None and known[1] is not None:
        pairs = [(n, known[0].get(n, ABSENT), known[1].get(n, ABSENT)) for n in dict.fromkeys([*known[0], *known[1]])]
    elif len(before) == len(after):
        pairs = [(str(n), old, new) for n, (old, new) in enumerate(zip(before, after, strict=True))]
    else:
        yield Field(path, before, after)
        return
    found = [each for name, old, new in pairs for each in fields(old, new, f"{path}[{name}]")]
    if not found and before != after:  # the same items in another order
        found.append(Field(path, before, after))
    yield from found


def by_name(items: list[Any]) -> dict[str, Any] | None:
    """The items by what tells them apart; None where nothing does."""
    if not all(isinstance(item, dict) for item in items):
        return None
    for name in _NAMES:
        found = {str(item[name]): item for item in items if name in item}
        if len(found) == len(items):
            return found
    return None


def below(path: str, name: str) -> str:
    plain = name.replace("_", "a").replace("-", "a").isalnum()
    step = name if plain else f"['{name}']"
    return f"{path}.{step}" if path and plain else f"{path}{step}"


def hidden(field: Field) -> Field:
    """Without the values: for what is secret."""
    sides = (side if isinstance(side, Absent) else HIDDEN for side in (field.before, field.after))
    return Field(field.path, *sides)
