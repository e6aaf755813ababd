"""`wherry clone WORKSPACE`: a workspace filled from a cluster or from a folder of manifests.

Definitions and namespaces come first, objects after their owners, whose new uids their references get. What is there
already and means the same is left as it is, so that a clone that broke goes on when it is run again. Nothing is left
out silently: what is not taken is counted with the reason, what the target refuses is told.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.cli.copies import order
from wherry.cli.copies.server import Obj, Served, at_once, kinds, objects
from wherry.cli.ws.place import ROOT, resolve
from wherry.cli.ws.session import WORKSPACES, Refused, Session, carry_out, ready
from wherry.client import Client
from wherry.errors import AlreadyExists, Conflict, NotFound, StatusError
from wherry.machinery.difference import meant
from wherry.machinery.portable import portable

_CONNECTIONS = 4
_SHOWN = 20  # refusals that are told one by one
_TRIES, _PAUSE = 5, 0.2  # of what is refused, seconds between them

Batch = tuple[Served, Sequence[Obj]]


@dataclass(slots=True)
class Report:
    """What became of the objects."""

    created: int = 0
    kept: int = 0  # they were there, and mean the same
    changed: int = 0
    left: Counter[str] = field(default_factory=Counter)  # by reason
    refused: list[dict[str, str]] = field(default_factory=list)

    def text(self, path: str) -> str:
        lines = [f'"{path}": {self.created} created, {self.changed} changed, {self.kept} as they were']
        lines += [f"  left out: {count} {why}" for why, count in sorted(self.left.items())]
        lines += [f"! {each['object']}: {each['why']}" for each in self.refused[:_SHOWN]]
        if len(self.refused) > _SHOWN:
            lines.append(f"! and {len(self.refused) - _SHOWN} more; -o json has them all")
        return "\n".join(lines)

    def json(self) -> Obj:
        counted = {"created": self.created, "changed": self.changed, "kept": self.kept}
        return {**counted, "leftOut": dict(self.left), "refused": self.refused}


def clone(options: argparse.Namespace) -> int:
    """`wherry clone` with these flags."""
    report = Report()
    done = carry_out(options, lambda session: _clone(session, report))
    return done or int(bool(report.refused))


async def _clone(session: Session, report: Report) -> None:
    options = session.options
    target = resolve(options.workspace, session.place.path)
    await _made(session, target)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        writer = Writer(lambda: session.another(target), report, pool)
        source = _folder(options.source, session.at(target)) if options.source else _cluster(session, report)
        for served, found in source:
            taken = [obj for obj in found if _wanted(served, obj, options, report)]
            writer.write(served, [order.redacted(obj) if options.redact_secrets else obj for obj in taken])
            _progress(report)
        writer.finish()
    session.say(report.text(target), {"workspace": target, **report.json()})


async def _made(session: Session, path: str) -> None:
    """The workspace, made where it is not there."""
    parent, _, name = path.rpartition(":")
    if not parent or path == ROOT:
        raise Refused("the root is nobody's copy; name a workspace below it")
    client = session.at(parent)
    try:
        made = await client.get(WORKSPACES, name)
    except NotFound:
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name}}
        made = await client.create(WORKSPACES, body)
    await ready(client, made)


def _cluster(session: Session, report: Report) -> Iterator[Batch]:
    options = session.options
    client = session.of_context(options.context)
    wanted = set(options.kinds)
    served = kinds(client)
    unknown = {word for word in wanted if not any(each.means(word) for each in served)}
    if unknown:
        raise Refused(f"the source serves no {', '.join(sorted(unknown))}")
    for each in order.in_order(served):
        if wanted and not any(map(each.means, wanted)):
            continue
        if order.kind_left_out(each.name):
            continue
        try:
            for page in objects(client, each):
                yield each, page
        except StatusError as error:
            report.refused.append({"object": each.name, "why": f"could not be read: {error.message}"})


def _folder(path: Path, client: Client) -> Iterator[Batch]:
    from wherry.runtime.manifests import read

    found: dict[tuple[str, str], list[Obj]] = {}
    try:
        for obj in read(path):
            found.setdefault((obj["apiVersion"], obj["kind"]), []).append(obj)
    except ValueError as error:
        raise Refused(str(error)) from None
    definitions = {(_api(d), d["spec"]["names"]["kind"]): d for d in found.get(_DEFINITION, ())}
    known = {(each.api_version, each.title): each for each in kinds(client)}
    for which, served in _as_served(found, known, definitions):
        yield served, found[which]


_DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def _api(definition: Obj) -> str:
    version = next(v["name"] for v in definition["spec"]["versions"] if v.get("storage"))
    return f"{definition['spec']['group']}/{version}"


def _as_served(
    found: dict[tuple[str, str], list[Obj]],
    known: dict[tuple[str, str], Served],
    definitions: dict[tuple[str, str], Obj],
) -> list[tuple[tuple[str, str], Served]]:
    """Raises Refused for a kind that neither the workspace nor the folder knows."""
    from wherry.runtime.manifests import kind_of

    pairs = []
    for which in found:
        served = known.get(which)
        if served is None and which in definitions:
            kind = kind_of(definitions[which])
            served = Served(kind, which[1], f"{kind.resource}.{kind.group}", which[0])
        if served is None:
            names = ", ".join(obj["metadata"]["name"] for obj in found[which][:3])
            raise Refused(f"nobody knows the kind {which[1]} of {which[0]} (of {names})")
        pairs.append((which, served))
    sequence = [served.name for served in order.in_order(served for _, served in pairs)]
    return sorted(pairs, key=lambda pair: sequence.index(pair[1].name))


def _wanted(served: Served, obj: Obj, options: argparse.Namespace, report: Report) -> bool:
    namespace = obj["metadata"].get("namespace", "")
    if options.namespaces:
        own = namespace or (obj["metadata"]["name"] if served.name == "namespaces" else "")
        if own and own not in options.namespaces:
            return False
    why = order.left_out(served.name, obj)
    if why:
        report.left[why] += 1
    return not why


class Writer:
    """Writes into the target, several objects side by side; `another` makes a client for one thread."""

    def __init__(self, another: Callable[[], Client], report: Report, pool: ThreadPoolExecutor):
        self._another, self._report, self._pool = another, report, pool
        self._local = threading.local()
        self._lock = threading.Lock()
        self._uids: dict[str, str] = {}  # of the source -> of the target
        self._later: list[tuple[Served, Obj]] = []  # their owners have not come yet
        self._again: list[tuple[Served, Obj]] = []  # refused, perhaps for the want of what comes later

    def write(self, served: Served, found: Sequence[Obj]) -> None:
        """One kind; what waits for its owner is kept for `finish`."""
        now = [obj for obj in found if self._owners(obj) is not None]
        self._later += [(served, obj) for obj in found if self._owners(obj) is None]
        list(self._pool.map(lambda obj: self._one(served, obj), now))

    def finish(self) -> None:
        """What waited, owners before those whom they own; then what was refused, which may be missing something that
        controllers make, such as the ServiceAccount of a new namespace."""
        self._write_later()
        for left in reversed(range(_TRIES)):
            if self._again:
                time.sleep(_PAUSE)
            again, self._again = self._again, []
            for served, obj in again:
                self._one(served, obj, last=not left)

    def _write_later(self) -> None:
        """Those whose owners never came go without them."""
        while self._later:
            waiting, self._later = self._later, []
            for served, obj in waiting:
                if self._owners(obj) is None:
                    self._later.append((served, obj))
                else:
                    self._one(served, obj)
            if len(self._later) == len(waiting):
                for served, obj in self._later:
                    self._report.left["owners that were not copied: references to them"] += 1
                    self._one(served, {**obj, "metadata": {**obj["metadata"], "ownerReferences": []}})
                return

    def _owners(self, obj: Obj) -> list[Obj] | None:
        """The references with the target's uids; None while one of them is not known."""
        owners = obj["metadata"].get("ownerReferences") or ()
        if any(owner["uid"] not in self._uids for owner in owners):
            return None
        return [{**owner, "uid": self._uids[owner["uid"]]} for owner in owners]

    def _one(self, served: Served, obj: Obj, *, last: bool = False) -> None:
        body = portable(obj)
        owners = self._owners(obj)
        if owners:
            body["metadata"]["ownerReferences"] = owners
        meta = obj["metadata"]
        if served.kind.namespaced and not meta.get("namespace"):
            body["metadata"]["namespace"] = "default"
        try:
            made, what = self._put(served, body)
        except StatusError as error:
            where = "/".join(filter(None, (meta.get("namespace"), meta.get("name", ""))))
            with self._lock:
                if last:
                    self._report.refused.append({"object": f"{served.name} {where}", "why": error.message})
                else:
                    self._again.append((served, obj))
            return
        with self._lock:
            if meta.get("uid"):
                self._uids[meta["uid"]] = made["metadata"]["uid"]
            setattr(self._report, what, getattr(self._report, what) + 1)

    def _put(self, served: Served, body: Obj) -> tuple[Obj, str]:
        """The object as it is then, and what was done. Raises StatusError."""
        client, kind, meta = self._client(), served.kind, body["metadata"]
        namespace = meta.get("namespace", "") if kind.namespaced else ""
        for _ in range(_TRIES):
            try:
                return at_once(client.create(kind, body, namespace)), "created"
            except AlreadyExists:
                pass
            try:
                live = at_once(client.get(kind, meta["name"], namespace))
                wanted = {**live, **body, "metadata": {**live["metadata"], **meta}}
                if _same(live, body):
                    return live, "kept"
                return at_once(client.update(kind, wanted)), "changed"
            except (NotFound, Conflict):
                continue
        raise Conflict(f"{served.name} {meta['name']} is written by others all the time")

    def _client(self) -> Client:
        found: Client | None = getattr(self._local, "client", None)
        if found is None:
            found = self._local.client = self._another()
        return found


def _same(live: Obj, body: Obj) -> bool:
    """Whether what is there means all that is wanted: the server may have added defaults and addresses."""
    return _covers(meant(live), meant(body))


def _covers(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_covers(live.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(live) != len(wanted):
            return False
        return all(_covers(one, other) for one, other in zip(live, wanted, strict=True))
    return bool(live == wanted)


def _progress(report: Report) -> None:
    if sys.stderr.isatty():
        done = report.created + report.kept + report.changed
        print(f"\r{done} objects, {len(report.refused)} refused", end="", file=sys.stderr, flush=True)
