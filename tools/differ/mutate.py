"""Random changes of a body: values of wrong types, unknown fields, nulls, removed and repeated parts, fields of the schema.

Every choice comes from the generator that is handed in and from what both servers show alike, so that the same change
is made to each server's own copy of an object.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

from tools.differ.schemas import Schemas

Obj = dict[str, Any]
Where = tuple[Any, Any]  # a container and the key or index in it

_SYSTEM = {
    "managedFields",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "selfLink",
}
# What servers choose by themselves: the same change cannot be made of different values.
_OWN = {"clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort"}

ODD: list[Any] = [
    "", "x", "UPPER_case", "a b", "10m", "1.5", "-1", "0", "true", "a/b", "x" * 64, "x" * 260, "é", "2026-01-02T03:04:05Z",
    0, 1, -1, 2**31, 2**63 - 1, 1.5, True, False, None, [], {}, ["a"], ["a", "a"], [None], {"a": "b"}, {"a": None}, {"": "x"}, [{}],
]  # fmt: skip


def spots(value: Any, found: list[Where] | None = None) -> list[Where]:
    """Every place inside a body, in an order that does not hang on how a server writes it."""
    found = [] if found is None else found
    if isinstance(value, dict):
        for key in sorted(value):
            if key not in _SYSTEM and key not in _OWN:
                found.append((value, key))
                spots(value[key], found)
    elif isinstance(value, list):
        for index in range(len(value)):
            found.append((value, index))
            spots(value[index], found)
    return found


def _pick(rng: Random, body: Obj, want: Callable[[Any], bool] = lambda _: True) -> Where | None:
    found = [(c, k) for c, k in spots(body) if want(c[k]) and not (c is body and k in ("apiVersion", "kind"))]
    return found[rng.randrange(len(found))] if found else None


def _replace(rng: Random, body: Obj, schemas: Schemas) -> None:
    value = rng.choice(ODD)
    if spot := _pick(rng, body):
        spot[0][spot[1]] = copy.deepcopy(value)


def _similar(rng: Random, body: Obj, schemas: Schemas) -> None:
    """Another value of the same type."""
    spot = _pick(rng, body, lambda value: not isinstance(value, dict | list))
    if spot is None:
        return
    value = spot[0][spot[1]]
    same = [odd for odd in ODD if type(odd) is type(value)]
    spot[0][spot[1]] = rng.choice(same) if same else None


def _remove(rng: Random, body: Obj, schemas: Schemas) -> None:
    if spot := _pick(rng, body):
        del spot[0][spot[1]]


def _unknown(rng: Random, body: Obj, schemas: Schemas) -> None:
    objects = [body, *[c[k] for c, k in spots(body) if isinstance(c[k], dict)]]
    rng.choice(objects)[rng.choice(["unknownField", "Name", "specc", "x-y", "replicaS"])] = rng.choice(
        [1, "a", {"b": 1}, None]
    )


def _repeat(rng: Random, body: Obj, schemas: Schemas) -> None:
    """An item of a list twice: keys and sets have rules about it."""
    if spot := _pick(rng, body, lambda value: isinstance(value, list) and bool(value)):
        items = spot[0][spot[1]]
        items.append(copy.deepcopy(items[rng.randrange(len(items))]))


def _shuffle(rng: Random, body: Obj, schemas: Schemas) -> None:
    if spot := _pick(rng, body, lambda value: isinstance(value, list) and len(value) > 1):
        rng.shuffle(spot[0][spot[1]])


def _field(rng: Random, body: Obj, schemas: Schemas) -> None:
    """A field of the schema that the body has not, with a value that fits it."""
    places = schemas.places(body)
    if not places:
        return
    value, schema = places[rng.randrange(len(places))]
    names = [
        name for name in sorted(schema["properties"]) if name not in value and name not in _SYSTEM and name not in _OWN
    ]
    if names:
        name = rng.choice(names)
        value[name] = schemas.value(rng, schema["properties"][name], name)


def _metadata(rng: Random, body: Obj, schemas: Schemas) -> None:
    """What every object may have around its content."""
    meta = body.get("metadata")
    if not isinstance(meta, dict):
        return
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "00000000-0000-0000-0000-000000000001"}
    key, value = rng.choice(
        [
            ("labels", {"app": rng.choice(["x", "y"])}),
            ("labels", {rng.choice(["bad key", "a/b/c", "-x", "ok"]): rng.choice(["bad value!", "ok", "x" * 64])}),
            ("annotations", {rng.choice(["note", "Bad Key", "example.com/x"]): "1"}),
            ("finalizers", [rng.choice(["example.com/f", "nodomain", "Bad/!", "foregroundDeletion", "orphan"])]),
            (
                "ownerReferences",
                [{**owner, **rng.choice([{}, {"controller": True}, {"blockOwnerDeletion": True}, {"uid": ""}])}],
            ),
            ("generateName", rng.choice(["g-", "Bad_"])),
            ("namespace", rng.choice(["other", "default"])),
            ("generation", 7),
            ("uid", "00000000-0000-0000-0000-000000000009"),
            ("resourceVersion", rng.choice(["1", "x", "0", ""])),
            ("creationTimestamp", rng.choice(["2020-01-01T00:00:00Z", None, "yesterday"])),
            ("deletionTimestamp", "2020-01-01T00:00:00Z"),
            ("selfLink", "/x"),
            ("managedFields", rng.choice([[{}], [], [{"manager": "m", "operation": "Update"}]])),
        ]
    )
    meta[key] = value


_CHANGES = [
    (_similar, 5),
    (_field, 8),
    (_replace, 3),
    (_remove, 4),
    (_unknown, 3),
    (_repeat, 2),
    (_shuffle, 1),
    (_metadata, 3),
]


def mutate(rng: Random, body: Obj, schemas: Schemas, times: int) -> Obj:
    """A changed copy."""
    body = copy.deepcopy(body)
    for _ in range(times):
        change = rng.choices([c for c, _ in _CHANGES], [w for _, w in _CHANGES])[0]
        change(Random(rng.random()), body, schemas)  # a generator of its own: bodies that differ stay in step
    return body
