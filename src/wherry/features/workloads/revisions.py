"""Pure: the history of templates that stateful sets and daemon sets keep as ControllerRevisions
(pkg/controller/history)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wherry.features.workloads.common import Obj, created, owner_reference, template_hash
from wherry.features.workloads.kinds import REVISIONS
from wherry.runtime.writes import Create, Delete, Update, Write

HASH_LABEL = "controller.kubernetes.io/hash"
REVISION_LABEL = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class Known:
    """The revision of the present template, and the write that makes it so, if any is needed."""

    update: Obj
    write: Write | None


def data_of(owner: Obj) -> Obj:
    """What is remembered: a patch that puts the template back.

    In the order in which Go writes maps, since clients compare its bytes with those that they would write."""
    data: Obj = _sorted({"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}})
    return data


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def ordered(revisions: list[Obj]) -> list[Obj]:
    return sorted(revisions, key=lambda r: (r["revision"], created(r), r["metadata"]["name"]))


def present(owner: Obj, revisions: list[Obj], collisions: int) -> Known:
    """The revision for the owner's template: the latest, an older one that comes to the front, or a new one."""
    data, listed = data_of(owner), ordered(revisions)
    equal = [revision for revision in listed if revision["data"] == data]
    number = (listed[-1]["revision"] if listed else 0) + 1
    if equal and equal[-1] is listed[-1]:
        return Known(equal[-1], None)
    if equal:
        moved = {**equal[-1], "revision": number}
        return Known(moved, Update(REVISIONS, moved))
    name_hash = template_hash(data, collisions)
    meta = owner["metadata"]
    labels = {**((owner["spec"]["template"].get("metadata") or {}).get("labels") or {}), HASH_LABEL: name_hash}
    if owner["kind"] == "DaemonSet":
        labels[REVISION_LABEL] = name_hash
    annotations = {
        key: value
        for key, value in (meta.get("annotations") or {}).items()
        if key != "kubectl.kubernetes.io/last-applied-configuration"
    }
    made: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{meta['name'][:223]}-{name_hash}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(owner)],
        },
        "data": data,
        "revision": number,
    }
    return Known(made, Create(REVISIONS, made))


def template_of(revision: Obj) -> Obj:
    return {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}


def surplus(owner: Obj, revisions: list[Obj], live: set[str]) -> list[Write]:
    """Revisions beyond the history limit that nothing lives by."""
    limit = owner["spec"].get("revisionHistoryLimit", 10)
    idle = [r for r in ordered(revisions) if r["metadata"]["name"] not in live]
    return [Delete(REVISIONS, revision) for revision in idle[: max(0, len(idle) - limit)]]
