"""Pure: what several workload controllers need of pods, templates, owners and conditions
(pkg/controller/controller_utils.go, controller_ref_manager.go, pkg/api/v1/pod)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from wherry.client import Kind
from wherry.kit.ids import SUFFIX_ALPHABET, name_suffix
from wherry.kit.times import format_seconds, parse
from wherry.machinery.selectors import Selector, from_label_selector, from_set
from wherry.runtime.writes import Patch, Write

Obj = dict[str, Any]
_NAME_BASE = 58  # of a generated name's 63 characters


def stamp(now: float) -> str:
    """A time as it is stored."""
    return format_seconds(int(now))


def seconds(text: str | None) -> float:
    """A stored time; 0 where there is none."""
    if not text:
        return 0.0
    whole, nanos = parse(text)
    return whole + nanos / 1e9


def is_deleting(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def phase(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def is_active(pod: Obj) -> bool:
    """Neither finished nor on its way out."""
    return phase(pod) not in ("Succeeded", "Failed") and not is_deleting(pod)


def is_terminating(pod: Obj) -> bool:
    """Deleted but still running."""
    return phase(pod) not in ("Succeeded", "Failed") and is_deleting(pod)


def condition_of(obj: Obj, type_: str) -> Obj | None:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition["type"] == type_:
            found: Obj = condition
            return found
    return None


def is_ready(pod: Obj) -> bool:
    ready = condition_of(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def available_in(pod: Obj, min_ready: int, now: float) -> float | None:
    """Seconds until a pod has been ready long enough: 0 when it has, None when it is not ready."""
    ready = condition_of(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return None
    if not min_ready:
        return 0.0
    since = seconds(ready.get("lastTransitionTime"))
    return max(0.0, since + min_ready - now) if since else None


def created(obj: Obj) -> float:
    return seconds(obj["metadata"].get("creationTimestamp"))


def selector_of(owner: Obj) -> Selector:
    """The selector of a workload; a replication controller has a plain map."""
    found = owner["spec"].get("selector")
    if owner["kind"] == "ReplicationController":
        return from_set(found) if found else from_label_selector(None)
    return from_label_selector(found)


def matches(selector: Selector, obj: Obj) -> bool:
    return bool(selector.matches(obj["metadata"].get("labels") or {}))


def owner_reference(owner: Obj) -> Obj:
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def claims(kind: Kind, owner: Obj, owned: Iterable[Obj], orphans: Iterable[Obj], finalizer: str = "") -> list[Write]:
    """Adopt what matches and belongs to nobody, release what is ours and matches no longer."""
    selector, uid = selector_of(owner), owner["metadata"]["uid"]
    writes: list[Write] = []
    if is_deleting(owner):
        return writes
    for obj in owned:
        if not matches(selector, obj) and not is_deleting(obj):
            meta = obj["metadata"]
            kept = [ref for ref in meta.get("ownerReferences") or () if ref["uid"] != uid]
            change: Obj = {"uid": meta["uid"], "ownerReferences": kept or None}
            if finalizer in (meta.get("finalizers") or ()):
                change["finalizers"] = [f for f in meta["finalizers"] if f != finalizer] or None
            writes.append(Patch(kind, obj, {"metadata": change}))
    for obj in orphans:
        if matches(selector, obj) and not is_deleting(obj):
            meta = obj["metadata"]
            change = {
                "uid": meta["uid"],
                "ownerReferences": [*(meta.get("ownerReferences") or ()), owner_reference(owner)],
            }
            if finalizer and finalizer not in (meta.get("finalizers") or ()):
                change["finalizers"] = [*(meta.get("finalizers") or ()), finalizer]
            writes.append(Patch(kind, obj, {"metadata": change}))
    return writes


def mine(owner: Obj, owned: Iterable[Obj]) -> list[Obj]:
    """Those of the owned objects that the selector still matches."""
    selector = selector_of(owner)
    return [obj for obj in owned if matches(selector, obj)]


def pod_from(owner: Obj, template: Obj, *, name: str = "") -> Obj:
    """A pod of a template; its name is made here, so that no answer is needed to know it."""
    meta = template.get("metadata") or {}
    namespace = owner["metadata"]["namespace"]
    made: Obj = {"namespace": namespace}
    prefix = f"{owner['metadata']['name']}-"
    if name:
        made["name"] = name
    else:
        made["generateName"] = prefix
        made["name"] = prefix[:_NAME_BASE] + name_suffix()
    for key in ("labels", "annotations", "finalizers"):
        if meta.get(key):
            made[key] = meta[key].copy()
    made["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": template.get("spec") or {}}


def template_hash(template: Obj, collisions: int | None) -> str:
    """A short name for a template: FNV-1a over its canonical JSON, so equal templates have equal names.

    Upstream hashes a dump of its Go types, which nothing else can reproduce; only the form is the same.
    """
    value = 0x811C9DC5
    data = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    if collisions is not None:
        data += collisions.to_bytes(8, "little")
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(SUFFIX_ALPHABET[ord(char) % len(SUFFIX_ALPHABET)] for char in str(value))


def without_label(template: Obj, label: str) -> Obj:
    """A template without one label, for comparisons."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != label}
    rest = {key: value for key, value in meta.items() if key not in ("labels", "creationTimestamp")}
    return {"metadata": {**rest, "labels": labels}, "spec": template.get("spec")}


def set_condition(
    conditions: list[Obj], type_: str, status: str, reason: str, message: str, now: float, *, updates: bool = False
) -> list[Obj]:
    """Conditions with one of them set; nothing changes while status and reason stay (`updates`: has lastUpdateTime)."""
    old = next((c for c in conditions if c["type"] == type_), None)
    if old is not None and (old["status"], old.get("reason")) == (status, reason):
        return conditions
    moved = old is None or old["status"] != status
    made = {"type": type_, "status": status, "reason": reason, "message": message}
    made["lastTransitionTime"] = stamp(now) if moved or old is None else old.get("lastTransitionTime", stamp(now))
    if updates:
        made["lastUpdateTime"] = stamp(now)
    return [*(c for c in conditions if c["type"] != type_), made]


def without_condition(conditions: list[Obj], type_: str) -> list[Obj]:
    return [c for c in conditions if c["type"] != type_]


def percent(value: Any, total: int, *, up: bool) -> int:
    """An int-or-percent against a total."""
    if value is None:
        return 0
    if isinstance(value, str):
        share = int(value.rstrip("%")) * total
        return -(-share // 100) if up else share // 100
    return int(value)


def with_status(obj: Obj, status: Obj) -> Obj:
    return {**obj, "status": status}


def same_status(before: Obj | None, after: Obj) -> bool:
    """Whether nothing changed; what the server leaves out when it is zero counts as zero."""
    old = before or {}
    return all(old.get(key) == value or (not value and not old.get(key)) for key, value in after.items()) and all(
        key in after or not value for key, value in old.items()
    )
