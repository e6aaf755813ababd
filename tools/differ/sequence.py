"""The random sequence: which request comes next, and what its body is on each of the two servers.

Everything is chosen by one seeded generator and by what both servers have answered alike, so that a seed and a number
of requests say what was sent. What hangs on a server (an object's present content, revisions, uids, continue tokens) is
filled in per server from its `Memory`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

from tools.differ import custom, reads
from tools.differ.bodies import KINDS, Kind
from tools.differ.mutate import mutate, spots
from tools.differ.schemas import Schemas

Obj = dict[str, Any]
Key = tuple[str, str, str, str]  # group, resource, namespace, name
Body = Callable[["Memory"], bytes]

MERGE, PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
_NAMES = ["a", "b", "c", "d", "e"]
_FLAGS = ["", "", "", "", "dryRun=All", "fieldValidation=Strict", "fieldValidation=Ignore", "fieldValidation=Warn"]
_ODD_FLAGS = [
    "dryRun=Some",
    "dryRun=",
    "fieldValidation=Sometimes",
    "fieldManager=" + "x" * 129,
    "fieldManager=%07",
    "pretty=true",
    "force=true",
]


@dataclass
class Memory:
    """What one server has answered so far."""

    objects: dict[Key, Obj] = field(default_factory=dict)
    before: dict[Key, Obj] = field(default_factory=dict)  # one version earlier
    revisions: list[str] = field(default_factory=list)  # of lists, oldest first
    token: str = ""

    def fill(self, text: str) -> str:
        for name, value in (
            ("continue", quote(self.token)),
            ("rv:new", self.revisions[-1] if self.revisions else "0"),
            ("rv:mid", self.revisions[len(self.revisions) * 3 // 4] if self.revisions else "0"),
            ("rv:future", str(int(self.revisions[-1]) + 10**6) if self.revisions else "9"),
        ):
            text = text.replace("${" + name + "}", value)
        return text


@dataclass
class Step:
    """One request. `key` is the object that it is about, if any."""

    label: str
    method: str
    path: str
    body: Body | None = None
    headers: dict[str, str] = field(default_factory=dict)
    key: Key | None = None
    kind: Kind | None = None
    watch: bool = False
    cleans: bool = False  # a controller has to finish this: the object is taken away from both servers afterwards


def _dump(body: Any) -> bytes:
    return json.dumps(body).encode()


def _same(body: Any) -> Body:
    data = body if isinstance(body, bytes) else _dump(body)
    return lambda memory: data


class Sequence:
    """Makes steps; `alive` are the objects that both servers are known to have."""

    def __init__(self, seed: int, salt: str, schemas: dict[str, Schemas]):
        self.rng = Random(seed)
        self.prefix = f"d{seed}{salt}"  # of names that are the whole server's
        self.group = f"{self.prefix}.example.com"
        self.namespaces = [f"{self.prefix}-a", f"{self.prefix}-b"]
        self.kinds = [*KINDS, *custom.kinds(self.group), custom.definition_kind(self.prefix)]
        self._weights = [kind.weight for kind in self.kinds]
        self.schemas = schemas
        self.alive: dict[Key, Kind] = {}
        self._makers: list[tuple[Callable[[], Step], int]] = [
            (self._create, 20), (self._update, 11), (self._merge, 8), (self._strategic, 7), (self._json_patch, 7), (self._apply, 13),
            (self._delete, 6), (self._collection, 1), (self._get, 6), (self._list, 12), (self._watch, 2), (self._subresource, 9), (self._odd, 4),
        ]  # fmt: skip

    def next(self) -> Step:
        make = self.rng.choices([m for m, _ in self._makers], [w for _, w in self._makers])[0]
        step = make()
        if self.rng.random() < 0.02:
            step.headers |= {"impersonate-user": "nobody", "impersonate-group": "system:authenticated"}
        return step

    # --- choices -----------------------------------------------------------------------------------------------------
    def _kind(self) -> Kind:
        return self.rng.choices(self.kinds, self._weights)[0]

    def _place(self, kind: Kind) -> tuple[str, str]:
        """A namespace and a name, perhaps of something that is there."""
        if not kind.namespaced:
            return "", f"{self.prefix}-{self.rng.choice(_NAMES)}"
        return self.rng.choice(self.namespaces), self.rng.choice(_NAMES)

    def _living(self) -> tuple[Key, Kind] | None:
        if not self.alive:
            return None
        keys = sorted(self.alive)
        for _ in range(5):
            key = keys[self.rng.randrange(len(keys))]
            if self.rng.random() * 12 < self.alive[key].weight:
                break
        kind = self.alive[key]
        if kind.resource == "gadgets":  # either version, whichever it was made with
            kind = self.rng.choice([k for k in self.kinds if k.resource == "gadgets"])
        return key, kind

    def _schemas(self, kind: Kind) -> Schemas:
        return self.schemas[f"{kind.api_version} {kind.kind}"]

    def _query(self, *more: str) -> str:
        parts = [part for part in (*more, self.rng.choice(_FLAGS)) if part]
        if self.rng.random() < 0.04:
            parts.append(self.rng.choice(_ODD_FLAGS))
        if self.rng.random() < 0.1 and not any(part.startswith("fieldManager") for part in parts):
            parts.append("fieldManager=" + self.rng.choice(["m1", "m2"]))
        return "?" + "&".join(parts) if parts else ""

    def _whole(self, kind: Kind, namespace: str, name: str, chance: float = 0.45) -> Obj:
        """A body, valid or changed a little."""
        rng = self.rng
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, **kind.make(rng)}
        if rng.random() < 0.4:
            body["metadata"]["labels"] = {"app": rng.choice(["x", "y"])}
        if rng.random() < chance:
            body = mutate(Random(rng.random()), body, self._schemas(kind), rng.randint(1, 3))
        filled: Obj = json.loads(json.dumps(body).replace("${ns}", namespace or "default"))
        return filled

    # --- writes ------------------------------------------------------------------------------------------------------
    def _create(self) -> Step:
        kind = self._kind()
        namespace, name = self._place(kind)
        body = self._whole(kind, namespace, name)
        meta = body.get("metadata")
        if kind.kind == "CustomResourceDefinition" and isinstance(meta, dict):
            name = meta["name"] = _definition_name(body)
        elif isinstance(meta, dict):
            if self.rng.random() < 0.03:
                meta.pop("name", None)
                meta["generateName"] = "gen-"
                name = ""
            else:
                name = str(meta.get("name") or "")
        key = (kind.group, kind.resource, namespace, name)
        path = kind.path(namespace) + self._query()
        data = _encoded(self.rng, body)
        return Step(f"create {kind.kind}", "POST", path, _same(data[1]), data[0], key, kind)

    def _update(self) -> Step:
        living = self._living()
        if living is None:
            return self._create()
        key, kind = living
        seed, times, style = self.rng.random(), self.rng.choice([0, 1, 1, 1, 2]), self.rng.random()

        def body(memory: Memory) -> bytes:
            source = memory.before.get(key) if style < 0.05 else None
            doc = copy.deepcopy(source or memory.objects[key])
            doc["apiVersion"] = kind.api_version
            if style > 0.2:
                doc["metadata"].pop("managedFields", None)
            doc = mutate(Random(seed), doc, self._schemas(kind), times)
            if isinstance(doc.get("metadata"), dict) and 0.05 < style < 0.12:
                doc["metadata"].pop("resourceVersion", None)
            return _dump(doc)

        return Step(f"update {kind.kind}", "PUT", self._at(key, kind) + self._query(), body, {}, key, kind)

    def _at(self, key: Key, kind: Kind, sub: str = "") -> str:
        return kind.path(key[2], key[3], sub)

    def _part(self, kind: Kind, key: Key) -> Obj:
        """Some of a body, as a patch has it."""
        whole = self._whole(kind, key[2], key[3], 0.5)
        rng = self.rng
        if rng.random() < 0.4:
            return {"metadata": {"labels": {rng.choice(["app", "new"]): rng.choice(["x", "y", None])}}}
        names = [name for name in whole if name not in ("apiVersion", "kind", "metadata")]
        found = {name: whole[name] for name in names}
        spec = found.get("spec")
        if isinstance(spec, dict) and spec:
            kept = rng.sample(sorted(spec), rng.randint(1, min(2, len(spec))))
            found["spec"] = {name: spec[name] if rng.random() < 0.8 else None for name in kept}
        if rng.random() < 0.1:
            found["metadata"] = whole.get("metadata")
        return found

    def _merge(self) -> Step:
        return self._patch(MERGE, "merge")

    def _strategic(self) -> Step:
        return self._patch(STRATEGIC, "strategic")

    def _patch(self, media: str, label: str) -> Step:
        living = self._living()
        if living is None:
            return self._create()
        key, kind = living
        part = self._part(kind, key)
        if media == STRATEGIC and self.rng.random() < 0.4:
            part = _directive(self.rng, part)
        path = self._at(key, kind) + self._query()
        return Step(f"{label} {kind.kind}", "PATCH", path, _same(part), {"content-type": media}, key, kind)

    def _json_patch(self) -> Step:
        living = self._living()
        if living is None:
            return self._create()
        key, kind = living
        seed, count = self.rng.random(), self.rng.choice([1, 1, 2, 3])

        def body(memory: Memory) -> bytes:
            rng, doc = Random(seed), memory.objects[key]
            return _dump([_operation(Random(rng.random()), doc) for _ in range(count)])

        path = self._at(key, kind) + self._query()
        return Step(f"jsonpatch {kind.kind}", "PATCH", path, body, {"content-type": PATCH}, key, kind)

    def _apply(self) -> Step:
        living = self._living() if self.rng.random() < 0.7 else None
        if living is None:
            kind = self._kind()
            key = (kind.group, kind.resource, *self._place(kind))
        else:
            key, kind = living
        body = self._whole(kind, key[2], key[3], 0.3)
        if kind.kind == "CustomResourceDefinition" and isinstance(body.get("metadata"), dict):
            body["metadata"]["name"] = _definition_name(body)
            key = (*key[:3], body["metadata"]["name"])
        spec = body.get("spec")
        if isinstance(spec, dict) and self.rng.random() < 0.3 and len(spec) > 1:
            spec.pop(self.rng.choice(sorted(spec)))
        if self.rng.random() < 0.05:
            body.pop("apiVersion")
        manager = [] if self.rng.random() < 0.03 else ["fieldManager=" + self.rng.choice(["m1", "m2", "m3"])]
        force = ["force=true"] if self.rng.random() < 0.4 else []
        path = self._at(key, kind) + self._query(*manager, *force)
        return Step(f"apply {kind.kind}", "PATCH", path, _same(body), {"content-type": APPLY}, key, kind)

    # --- deletes -----------------------------------------------------------------------------------------------------
    def _delete(self) -> Step:
        living = self._living()
        if living is None:
            return self._create()
        key, kind = living
        rng = self.rng
        options: Obj = {}
        policy = rng.choice(["", "", "Background", "Foreground", "Orphan", "Whatever"])
        if policy:
            options["propagationPolicy"] = policy
        if rng.random() < 0.15:
            options["gracePeriodSeconds"] = rng.choice([0, 1, 30, -1])
        if rng.random() < 0.05:
            options["orphanDependents"] = rng.random() < 0.5
        precondition = rng.random()
        dry = rng.random() < 0.1
        unknown = rng.random() < 0.05

        def body(memory: Memory) -> bytes:
            meta = memory.objects[key]["metadata"]
            doc = dict(options)
            if precondition < 0.1:
                doc["preconditions"] = {"uid": meta["uid"] if precondition < 0.06 else "wrong"}
            elif precondition < 0.2:
                doc["preconditions"] = {"resourceVersion": meta["resourceVersion"] if precondition < 0.14 else "1"}
            if unknown:
                doc["unknown"] = 1
            return _dump(doc) if doc else b""

        query = (
            "?dryRun=All"
            if dry
            else rng.choice(["", "", "", "?gracePeriodSeconds=0", "?propagationPolicy=Background", "?dryRun=x"])
        )
        cleans = policy in ("Foreground", "Orphan") or "orphanDependents" in options
        return Step(f"delete {kind.kind}", "DELETE", self._at(key, kind) + query, body, {}, key, kind, cleans=cleans)

    def _collection(self) -> Step:
        kinds = [kind for kind in self.kinds if kind.namespaced and kind.lists and kind.resource != "pods"]
        kind = kinds[self.rng.randrange(len(kinds))]
        query = self.rng.choice(
            [
                "labelSelector=app%3Dx",
                "fieldSelector=metadata.name%3Da",
                "dryRun=All",
                "limit=1",
                "labelSelector=%3D%3D",
                "labelSelector=app",
            ]
        )
        return Step(f"deletecollection {kind.kind}", "DELETE", f"{kind.path(self.namespaces[1])}?{query}", kind=kind)

    # --- the rest ----------------------------------------------------------------------------------------------------
    def _subresource(self) -> Step:
        having = [key for key in sorted(self.alive) if self.alive[key].subresources]
        if not having:
            return self._create()
        key = having[self.rng.randrange(len(having))]
        kind = self.alive[key]
        from tools.differ.subresources import step

        return step(self, key, kind)

    def _get(self) -> Step:
        living = self._living() if self.rng.random() < 0.85 else None
        if living is None:
            kind = self._kind()
            key = (kind.group, kind.resource, *self._place(kind))
        else:
            key, kind = living
        query, headers = reads.get(self.rng)
        return Step(f"get {kind.kind}", "GET", self._at(key, kind) + query, None, headers, key, kind)

    def _list(self) -> Step:
        kinds = [kind for kind in self.kinds if kind.lists and kind.namespaced]
        kind = self.rng.choices(kinds, [k.weight for k in kinds])[0]
        query, headers = reads.listing(self.rng)
        return Step(
            f"list {kind.kind}", "GET", kind.path(self.rng.choice(self.namespaces)) + query, None, headers, None, kind
        )

    def _watch(self) -> Step:
        kinds = [kind for kind in self.kinds if kind.lists and kind.namespaced]
        kind = self.rng.choices(kinds, [k.weight for k in kinds])[0]
        query, headers = reads.watch(self.rng)
        path = kind.path(self.rng.choice(self.namespaces)) + query
        return Step(f"watch {kind.kind}", "GET", path, None, headers, None, kind, watch=True)

    def _odd(self) -> Step:
        from tools.differ.odd import step

        return step(self)


def _definition_name(body: Obj) -> str:
    """The only name that a definition may have."""
    spec = body.get("spec")
    names = spec.get("names") if isinstance(spec, dict) else None
    plural = names.get("plural") if isinstance(names, dict) else None
    return f"{plural}.{spec.get('group')}" if isinstance(spec, dict) else "x.y"


def _encoded(rng: Random, body: Obj) -> tuple[dict[str, str], bytes]:
    """Mostly JSON, now and then YAML."""
    if rng.random() < 0.06:
        import yaml

        return {"content-type": "application/yaml"}, yaml.safe_dump(body).encode()
    return {}, _dump(body)


def _directive(rng: Random, part: Obj) -> Obj:
    """A patch with one of strategic merge's own words in it."""
    choices: list[Obj] = [
        {"metadata": {"labels": {"$patch": rng.choice(["replace", "delete"]), "z": "1"}}},
        {"metadata": {"finalizers": ["example.com/a"], "$setElementOrder/finalizers": ["example.com/a"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/f"]}},
        {"spec": {"$patch": rng.choice(["merge", "replace", "bogus"])}},
        {"spec": {"template": {"spec": {"containers": [{"name": "c", "$patch": "delete"}]}}}},
        {
            "spec": {
                "template": {
                    "spec": {
                        "containers": [{"name": "n", "image": "i"}],
                        "$setElementOrder/containers": [{"name": "n"}, {"name": "c"}],
                    }
                }
            }
        },
        {
            "spec": {
                "template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}, "$retainKeys": ["name", "emptyDir"]}]}}
            }
        },
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
        {"spec": {"ports": [{"port": 80, "name": "changed"}, {"port": 90, "name": "more"}]}},
        {"spec": {"ports": [{"port": 81, "$patch": "delete"}]}},
        {"data": {"$patch": "replace", "only": "1"}},
        {"data": {"$retainKeys": ["a"], "a": "1"}},
        {"$patch": rng.choice(["delete", "replace"])},
    ]
    return {**part, **rng.choice(choices)}


def _pointer(path: list[Any]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _paths(value: Any, path: list[Any], found: list[tuple[list[Any], Any]]) -> None:
    for container, key in spots(value):
        if container is value:
            found.append(([*path, key], container[key]))
            _paths(container[key], [*path, key], found)


def _operation(rng: Random, doc: Obj) -> Obj:
    found: list[tuple[list[Any], Any]] = []
    _paths(doc, [], found)
    path, value = found[rng.randrange(len(found))]
    pointer = _pointer(path)
    other = _pointer(found[rng.randrange(len(found))][0])
    odd = rng.choice(["x", 1, None, {}, [], True, {"a": "b"}])
    choices: list[Obj] = [
        {"op": "replace", "path": pointer, "value": rng.choice([value, odd])},
        {"op": "remove", "path": pointer},
        {"op": "add", "path": pointer, "value": rng.choice([value, odd])},
        {"op": "test", "path": pointer, "value": rng.choice([value, value, odd])},
        {
            "op": "add",
            "path": rng.choice(["/metadata/labels/new", "/metadata/annotations/n~1w", "/data/k", "/spec/unknown"]),
            "value": "1",
        },
        {"op": "copy", "from": pointer, "path": other},
        {"op": "move", "from": pointer, "path": other},
        {"op": "remove", "path": pointer + rng.choice(["/none", "/0", "/-", ""])},
        {"op": rng.choice(["frobnicate", "", "add"]), "path": rng.choice(["", "nolead", "/a/b/c"]), "value": 1},
        {"op": "add", "path": "/metadata/labels", "value": {"app": "x"}},
    ]
    return rng.choice(choices)
