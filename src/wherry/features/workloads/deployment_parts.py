"""Pure: the arithmetic and annotations of deployments (pkg/controller/deployment/util)."""

from __future__ import annotations

from wherry.features.workloads.common import Obj, created, owner_reference, percent, template_hash, without_label

HASH = "pod-template-hash"
PREFIX = "deployment.kubernetes.io/"
REVISION, HISTORY = PREFIX + "revision", PREFIX + "revision-history"
DESIRED, MAXIMUM = PREFIX + "desired-replicas", PREFIX + "max-replicas"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM,
    "deprecated.deployment.rollback.to",
)  # fmt: skip
_HISTORY_LENGTH = 2000
_NAME_LENGTH = 253


def replicas(obj: Obj) -> int:
    return int(obj["spec"].get("replicas", 1))


def counted(sets: list[Obj], field: str) -> int:
    """The sum of a status field."""
    return sum(int((rs.get("status") or {}).get(field) or 0) for rs in sets)


def total(sets: list[Obj]) -> int:
    return sum(replicas(rs) for rs in sets)


def is_rolling(deployment: Obj) -> bool:
    strategy = deployment["spec"].get("strategy") or {}
    return str(strategy.get("type", "RollingUpdate")) == "RollingUpdate"


def fenceposts(deployment: Obj) -> tuple[int, int]:
    """(surge, unavailable): never both zero, or nothing could move."""
    if not is_rolling(deployment):
        return 0, 0
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    wanted = replicas(deployment)
    surge = percent(rolling.get("maxSurge"), wanted, up=True)
    unavailable = percent(rolling.get("maxUnavailable"), wanted, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def max_surge(deployment: Obj) -> int:
    return fenceposts(deployment)[0]


def max_unavailable(deployment: Obj) -> int:
    wanted = replicas(deployment)
    return min(fenceposts(deployment)[1], wanted) if is_rolling(deployment) and wanted else 0


def annotation(obj: Obj, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))


def revision(obj: Obj) -> int:
    try:
        return int(annotation(obj, REVISION) or 0)
    except ValueError:
        return 0


def find_new(deployment: Obj, sets: list[Obj]) -> Obj | None:
    """The oldest set with the deployment's template."""
    wanted = without_label(deployment["spec"]["template"], HASH)
    for rs in sorted(sets, key=lambda rs: (created(rs), rs["metadata"]["name"])):
        if without_label(rs["spec"].get("template") or {}, HASH) == wanted:
            return rs
    return None


def make_set(deployment: Obj, others: list[Obj], new_revision: int) -> Obj:
    """The replica set for the present template."""
    meta, spec = deployment["metadata"], deployment["spec"]
    name_hash = template_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount"))
    template = spec["template"]
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: name_hash}
    selector = {**spec["selector"], "matchLabels": {**(spec["selector"].get("matchLabels") or {}), HASH: name_hash}}
    made: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name'][: _NAME_LENGTH - len(name_hash) - 1]}-{name_hash}",
            "namespace": meta["namespace"],
            "ownerReferences": [owner_reference(deployment)],
            "labels": labels,
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": selector,
            "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
        },
    }
    made["spec"]["replicas"] = new_count(deployment, [*others, made], made)
    made["metadata"]["annotations"] = {
        **set_annotations(deployment, made, new_revision),
        **size_annotations(deployment),
    }
    return made


def size_annotations(deployment: Obj) -> dict[str, str]:
    wanted = replicas(deployment)
    return {DESIRED: str(wanted), MAXIMUM: str(wanted + max_surge(deployment))}


def set_annotations(deployment: Obj, rs: Obj, new_revision: int) -> dict[str, str]:
    """The set's annotations: the deployment's, and a revision that only grows and remembers what it was."""
    kept = dict(rs["metadata"].get("annotations") or {})
    for key, value in (deployment["metadata"].get("annotations") or {}).items():
        if key not in _NOT_COPIED:
            kept[key] = value
    old = revision(rs)
    if old < new_revision:
        if kept.get(REVISION):
            past = [text for text in kept.get(HISTORY, "").split(",") if text]
            past.append(kept[REVISION])
            while len(",".join(past)) > _HISTORY_LENGTH:
                del past[0]
            kept[HISTORY] = ",".join(past)
        kept[REVISION] = str(new_revision)
    return kept


def new_count(deployment: Obj, sets: list[Obj], new: Obj) -> int:
    """How many replicas the new set may have now."""
    wanted, present = replicas(deployment), replicas(new)
    if not is_rolling(deployment):
        return wanted
    room = wanted + max_surge(deployment) - total(sets)
    return present if room <= 0 else present + min(room, wanted - present)


def proportion(deployment: Obj, rs: Obj, to_add: int, added: int) -> int:
    """A set's share of a change of size (GetReplicaSetProportion)."""
    present = replicas(rs)
    if not present or to_add in (0, added):
        return 0
    share = _fraction(deployment, rs)
    allowed = to_add - added
    return min(share, allowed) if to_add > 0 else max(share, allowed)


def _fraction(deployment: Obj, rs: Obj) -> int:
    present, wanted = replicas(rs), replicas(deployment)
    if wanted == 0:
        return -present
    maximum = wanted + max_surge(deployment)
    try:
        before = int(annotation(rs, MAXIMUM))
    except ValueError:
        before = int((deployment.get("status") or {}).get("replicas") or 0)
    if not before:
        return 0
    return int(present * maximum / before + 0.5) - present
