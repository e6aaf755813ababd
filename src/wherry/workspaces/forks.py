"""The kind `Fork`: a copy of a workspace as an object of its own, for those who declare what they want.

A Fork becomes a Workspace of the same name beside it, with the annotations that `fork` reads, and goes with it: whoever
deletes the Fork deletes the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Spaces, Storage
from wherry.workspaces import fork
from wherry.workspaces.conditions import set_condition
from wherry.workspaces.lifecycle import API, OWNER
from wherry.workspaces.objects import change, create, read
from wherry.workspaces.tree import WORKSPACES
from wherry.workspaces.work import Work

GROUP, VERSION, RESOURCE = "fork.wherry.dev", "v1alpha1", "forks"
FORKS = f"/root/{GROUP}/{RESOURCE}/"
_PATIENCE = 2.0  # seconds that the answer of a create waits for the copy
_COLUMNS = (
    ("Source", "string", ".spec.source"),
    ("Phase", "string", ".status.phase"),
    ("URL", "string", ".status.URL"),
    ("Age", "date", ".metadata.creationTimestamp"),
)
_SPEC: Obj = {
    "type": "object",
    "required": ["source"],
    "properties": {
        "source": {"type": "string", "minLength": 1},
        "revision": {"type": "integer", "format": "int64", "minimum": 1},
        "fresh": {"type": "boolean"},
        "keepBase": {"type": "boolean"},
    },
    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "a fork does not change: make another one"}],
}
_STATUS: Obj = {
    "type": "object",
    "properties": {
        "phase": {"type": "string"},
        "cluster": {"type": "string"},
        "URL": {"type": "string"},
        "revision": {"type": "integer", "format": "int64"},
        "conditions": {
            "type": "array",
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    },
}
DEFINITION: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{RESOURCE}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Cluster",
        "names": {"kind": "Fork", "listKind": "ForkList", "plural": RESOURCE, "singular": "fork"},
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": n, "type": t, "jsonPath": p} for n, t, p in _COLUMNS],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {"spec": _SPEC, "status": _STATUS},
                    }
                },
            }
        ],
    },
}


def notes_of(spec: Obj) -> dict[str, str]:
    """What a Workspace says that is such a copy."""
    found = {fork.SOURCE: str(spec["source"])}
    if spec.get("revision"):
        found[fork.REVISION] = str(spec["revision"])
    for field, name in (("fresh", fork.FRESH), ("keepBase", fork.KEEP_BASE)):
        if spec.get(field):
            found[name] = "true"
    return found


class Forks:
    """A `storage.Follower`. `type_of` gives the type that a copy of a workspace (by path) has, `{name, path}`."""

    def __init__(self, spaces: Spaces, now: Callable[[], str], type_of: Callable[[str], Obj | None]):
        self._spaces, self._now, self._type_of = spaces, now, type_of
        self._work: Work[tuple[str, str]] = Work("forks", self._bring)
        self._unfollow = spaces.follow(self)

    def start(self, clusters: Sequence[str]) -> None:
        """Go on with what was interrupted."""
        for cluster in clusters:
            space = self._spaces.space(cluster)
            for record in space.range(FORKS).records if space is not None else ():
                self._work.look((cluster, record.key[len(FORKS) :]))

    async def stop(self) -> None:
        self._unfollow()
        await self._work.stop()

    async def settled(self, cluster: str, name: str) -> None:
        """Wait until a Fork that was just written has its copy."""
        await self._work.settled((cluster, name), _PATIENCE)

    def events(self, space: Storage, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith(FORKS) and event.record is not None:
                self._work.look((space.name, event.key[len(FORKS) :]))
            elif event.key.startswith(WORKSPACES) and space.get(FORKS + event.key[len(WORKSPACES) :]) is not None:
                self._work.look((space.name, event.key[len(WORKSPACES) :]))

    def made(self, space: Storage) -> None:
        """A copy of a workspace has no workspaces below it, and its Forks make none."""

    def dropped(self, space: Storage) -> None:
        """Nothing to do."""

    async def _bring(self, which: tuple[str, str]) -> None:
        cluster, name = which
        space = self._spaces.space(cluster)
        obj = read(space, FORKS + name) if space is not None else None
        if space is None or obj is None or "deletionTimestamp" in obj["metadata"]:
            return
        workspace = read(space, WORKSPACES + name)
        done = bool((obj.get("status") or {}).get("cluster"))
        if workspace is None and not done:
            await create(space, WORKSPACES + name, self._workspace(obj), self._now())
            workspace = read(space, WORKSPACES + name)
        await change(space, FORKS + name, lambda live: self._told(live, workspace))

    def _workspace(self, obj: Obj) -> Obj:
        meta = obj["metadata"]
        owner = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Fork",
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
        notes: dict[str, Any] = notes_of(obj["spec"])
        creator = (meta.get("annotations") or {}).get(OWNER)
        if creator:
            notes[OWNER] = creator
        kind = self._type_of(obj["spec"]["source"])
        return {
            "apiVersion": API,
            "kind": "Workspace",
            "metadata": {"name": meta["name"], "annotations": notes, "ownerReferences": [owner]},
            "spec": {"type": kind} if kind is not None else {},
        }

    def _told(self, live: Obj, workspace: Obj | None) -> Obj:
        """The Fork with what has become of its copy."""
        status = live["status"] = orjson.loads(orjson.dumps(live.get("status") or {}))
        now = self._now()
        if workspace is None:
            status["phase"] = "Gone"
            set_condition(status, "Ready", False, now, "WorkspaceGone", "the workspace was deleted")
            return live
        owners = workspace["metadata"].get("ownerReferences") or ()
        if not any(owner["uid"] == live["metadata"]["uid"] for owner in owners):
            status["phase"] = "Failed"
            set_condition(status, "Ready", False, now, "NameTaken", "a workspace of this name is there already")
            return live
        found = workspace.get("status") or {}
        ready = found.get("phase") == "Ready"
        status["phase"] = "Ready" if ready else "Pending"
        spec, notes = workspace.get("spec") or {}, workspace["metadata"].get("annotations") or {}
        for field, value in (("cluster", spec.get("cluster")), ("URL", spec.get("URL"))):
            if value:
                status[field] = value
        if ready and notes.get(fork.REVISION):
            status["revision"] = int(notes[fork.REVISION])
        wrong = "; ".join(c.get("message", "") for c in found.get("conditions") or () if c["status"] != "True")
        set_condition(status, "Ready", ready, now, "" if ready else "Pending", "" if ready else wrong)
        return live
