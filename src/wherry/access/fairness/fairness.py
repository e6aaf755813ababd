"""Fairness at work: follows the FlowSchemas and PriorityLevelConfigurations, and says of each request where it belongs.

The objects of the root workspace hold for the whole process, whoever's workspace a request is for. A workspace below
it is one flow, whoever asks there: its users and accounts are its owner's to make. What a request belongs to is
remembered by who asks for what, and forgotten when an object changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from wherry.access.fairness.levels import Full, Level
from wherry.access.fairness.rules import Ask, Matches, compiled
from wherry.access.user import User
from wherry.storage.api import Event, Storage
from wherry.store.registry import ROOT

Obj = dict[str, Any]
GROUP = "flowcontrol.apiserver.k8s.io"
_SCHEMAS, _LEVELS = f"/root/{GROUP}/flowschemas/", f"/root/{GROUP}/prioritylevelconfigurations/"
_MANY = 8192  # answers remembered
SEATS = 600  # --max-requests-inflight and --max-mutating-requests-inflight together
PATIENCE = 15.0  # seconds in a queue: a quarter of the request timeout
# What the ServiceAccounts of all workspaces but the root are to FlowSchemas.
_ACCOUNT = User("system:serviceaccount", groups=("system:serviceaccounts", "system:authenticated"))
_CATCH_ALL = {"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}}
_EVERYTHING = {
    "subjects": [{"kind": "Group", "group": {"name": "system:masters"}}],
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}
_EXEMPT: Obj = {"metadata": {"name": "exempt"}, "spec": {"matchingPrecedence": 1, "rules": [_EVERYTHING]}}
WAITS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)


class Schema:
    """A FlowSchema, compiled."""

    __slots__ = ("by", "headers", "level", "matches", "name", "order")

    def __init__(self, obj: Obj, level: Level, level_uid: str):
        meta, spec = obj["metadata"], obj["spec"]
        self.name: str = meta["name"]
        self.order = (spec.get("matchingPrecedence", 1000), self.name)
        self.by: str = (spec.get("distinguisherMethod") or {}).get("type", "")
        self.level = level
        self.matches: Matches = compiled(obj)
        self.headers = [
            ("X-Kubernetes-Pf-Flowschema-Uid", str(meta.get("uid", ""))),
            ("X-Kubernetes-Pf-Prioritylevel-Uid", level_uid),
        ]


class Place:
    """Where requests of one kind of one caller belong."""

    __slots__ = ("dispatched", "executing", "flow", "headers", "level", "schema")

    def __init__(self, schema: Schema, flow: str):
        self.schema = schema
        self.level = schema.level
        self.headers = schema.headers
        self.flow = flow
        self.dispatched = 0
        self.executing = 0


class Fairness:
    """One per process; `close` ends its subscription."""

    def __init__(self, storage: Storage, seats: int = SEATS, patience: float = PATIENCE):
        self._storage = storage
        self._seats = seats
        self.patience = patience
        self.levels: dict[str, Level] = {}
        self._schemas: list[Schema] | None = None
        self._places: dict[tuple[object, ...], Place] = {}
        self.dispatched: Counter[tuple[str, str]] = Counter()  # by level and schema, of forgotten places
        self.rejected: Counter[tuple[str, str, str]] = Counter()  # by level, schema and reason
        self.waits: dict[tuple[str, str], list[float]] = {}  # histogram rows of those that had to wait
        self.close = storage.subscribe(self._follow)

    def _follow(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith((_SCHEMAS, _LEVELS)):
                self._schemas = None
                self._forget()
                return

    def resize(self, seats: int) -> None:
        """So many seats from now on."""
        self._seats, self._schemas = seats, None
        self._forget()

    def _forget(self) -> None:
        self.dispatched.update(self.counts())
        self._places.clear()

    def counts(self) -> Counter[tuple[str, str]]:
        """Dispatched requests of what is remembered, by level and schema; added to `dispatched` when forgotten."""
        found: Counter[tuple[str, str]] = Counter()
        for place in self._places.values():
            found[place.level.name, place.schema.name] += place.dispatched
        return found

    def place(
        self, user: User, workspace: str, verb: str, path: str, group: str, resource: str, namespace: str
    ) -> Place:
        """Where a request belongs; `resource` is empty for other paths."""
        key = (user.name, user.groups, workspace, verb, group, resource, namespace if resource else path)
        found = self._places.get(key)
        if found is None:
            if len(self._places) >= _MANY:  # callers choose what fills it
                self._forget()
            ask = Ask(verb, path, bool(resource), group, resource, namespace)
            found = self._places[key] = self._find(user, workspace, ask)
        return found

    def _find(self, user: User, workspace: str, ask: Ask) -> Place:
        schemas = self._schemas
        if schemas is None:
            schemas = self._schemas = self._load()
        if workspace != ROOT and user.name.startswith("system:serviceaccount:"):
            user = _ACCOUNT  # its name and namespace are its owner's choice
        schema = next((schema for schema in schemas if schema.matches(user, ask)), schemas[-1])
        if workspace != ROOT:
            return Place(schema, f"{workspace}/{schema.name}")
        distinct = user.name if schema.by == "ByUser" else ask.namespace if schema.by == "ByNamespace" else ""
        return Place(schema, f"{workspace}/{schema.name}/{distinct}")

    def _load(self) -> list[Schema]:
        """What there is now. Levels stay the same objects, for requests sit in them."""
        objects = [orjson.loads(record.value) for record in self._storage.range(_LEVELS).records]
        specs = {obj["metadata"]["name"]: (obj["spec"], str(obj["metadata"].get("uid", ""))) for obj in objects}
        specs.setdefault("catch-all", (_CATCH_ALL, ""))  # these two are there even when they are not
        specs.setdefault("exempt", ({"type": "Exempt"}, ""))
        shares = {name: _shares(spec) for name, (spec, _) in specs.items()}
        total = sum(shares.values()) or 1
        levels = {}
        for name, (spec, _) in specs.items():
            seats = -(-self._seats * shares[name] // total)
            known = self.levels.get(name)
            if known is None:
                known = Level(name, spec, seats)
            else:
                known.configure(spec, seats)
            levels[name] = known
        self.levels = levels
        schemas = []
        for record in self._storage.range(_SCHEMAS).records:
            obj = orjson.loads(record.value)
            level = obj["spec"]["priorityLevelConfiguration"]["name"]
            if level in levels:  # one that dangles takes no requests
                schemas.append(Schema(obj, levels[level], specs[level][1]))
        if all(schema.name != "exempt" for schema in schemas):
            schemas.append(Schema(_EXEMPT, levels["exempt"], specs["exempt"][1]))
        schemas.sort(key=lambda schema: schema.order)
        if not schemas or schemas[-1].name != "catch-all":
            last = {"metadata": {"name": "catch-all"}, "spec": {"distinguisherMethod": {"type": "ByUser"}}}
            schemas.append(Schema(last, levels["catch-all"], specs["catch-all"][1]))
        return schemas

    def refused(self, place: Place, full: Full) -> None:
        self.rejected[place.level.name, place.schema.name, full.reason] += 1

    def waited(self, place: Place, seconds: float) -> None:
        """A request got its seat, or none, after waiting."""
        key = (place.level.name, place.schema.name)
        row = self.waits.get(key)
        if row is None:
            row = self.waits[key] = [0.0] * (len(WAITS) + 2)
        for number, bound in enumerate(WAITS):
            if seconds <= bound:
                row[number] += 1
                break
        else:
            row[len(WAITS)] += 1
        row[-1] += seconds


def _shares(spec: Obj) -> int:
    part = spec.get("limited") or spec.get("exempt") or {}
    default = 0 if spec.get("type") == "Exempt" else 30
    return int(part.get("nominalConcurrencyShares", default) or 0)
