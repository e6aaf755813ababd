"""Pure: the next writes of a rollout (pkg/controller/deployment/{sync,rolling,recreate,progress}.go).

`step` gives the writes to replica sets; when they are done and looked at again, `status` says what to tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wherry.features.workloads import deployment_parts as parts
from wherry.features.workloads.common import (
    Obj,
    condition_of,
    created,
    is_deleting,
    seconds,
    set_condition,
    stamp,
    without_condition,
)  # fmt: skip
from wherry.features.workloads.deployment_parts import counted, replicas, total
from wherry.features.workloads.kinds import REPLICA_SETS
from wherry.runtime.writes import Delete, Event, Update, Write

NO_DEADLINE = 2**31 - 1
AVAILABLE, UPDATED, TIMED_OUT = "NewReplicaSetAvailable", "ReplicaSetUpdated", "ProgressDeadlineExceeded"


@dataclass(slots=True)
class Step:
    """`create` is the new replica set; its name may be taken, which the caller has to look into."""

    writes: list[Write] = field(default_factory=list)
    create: Obj | None = None


def deadline(deployment: Obj) -> int | None:
    given = deployment["spec"].get("progressDeadlineSeconds")
    return None if given is None or given == NO_DEADLINE else int(given)


def split(deployment: Obj, sets: list[Obj]) -> tuple[Obj | None, list[Obj]]:
    new = parts.find_new(deployment, sets)
    old = [rs for rs in sets if new is None or rs["metadata"]["uid"] != new["metadata"]["uid"]]
    return new, sorted(old, key=lambda rs: (created(rs), rs["metadata"]["name"]))


def step(deployment: Obj, sets: list[Obj], old_pods_running: bool) -> Step:
    """What to do next."""
    spec = deployment["spec"]
    new, old = split(deployment, sets)
    if is_deleting(deployment):
        return Step()
    if spec.get("paused") or _is_scaling(deployment, sets):
        writes = _annotated(deployment, new, old) if new else []
        return Step(writes or _scale(deployment, new, old) or (_clean(deployment, old) if spec.get("paused") else []))
    if not parts.is_rolling(deployment):
        writes = [write for rs in old for write in _resized(deployment, rs, 0)]
        if writes or old_pods_running:
            return Step(writes)
    if new is None:
        made = parts.make_set(deployment, old, max((parts.revision(rs) for rs in old), default=0) + 1)
        return Step(create=made)
    writes = _annotated(deployment, new, old) or _grow(deployment, new, [*old, new])
    if not writes and parts.is_rolling(deployment):
        writes = _shrink(deployment, new, old)
    if not writes and complete(deployment, counts(deployment, new, [*old, new])):
        writes = _clean(deployment, old)
    return Step(writes)


def _is_scaling(deployment: Obj, sets: list[Obj]) -> bool:
    """Somebody changed the number of replicas since the sets were last sized."""
    wanted = str(replicas(deployment))
    return any(replicas(rs) > 0 and parts.annotation(rs, parts.DESIRED) not in ("", wanted) for rs in sets)


def _annotated(deployment: Obj, new: Obj, old: list[Obj]) -> list[Write]:
    """Keep the new set's annotations and minReadySeconds like the deployment's."""
    number = max((parts.revision(rs) for rs in old), default=0) + 1
    wanted = parts.set_annotations(deployment, new, number)
    minimum = deployment["spec"].get("minReadySeconds", 0)
    if wanted == (new["metadata"].get("annotations") or {}) and minimum == new["spec"].get("minReadySeconds", 0):
        return []
    changed = {**new, "metadata": {**new["metadata"], "annotations": wanted}}
    return [Update(REPLICA_SETS, {**changed, "spec": {**new["spec"], "minReadySeconds": minimum}})]


def _resized(deployment: Obj, rs: Obj, size: int, *, always: bool = False) -> list[Write]:
    """Give a set another size, and write down for which size of the deployment that was."""
    present, noted = replicas(rs), parts.size_annotations(deployment)
    annotations = rs["metadata"].get("annotations") or {}
    if present == size and not (always and not noted.items() <= annotations.items()):
        return []
    changed = {
        **rs,
        "metadata": {**rs["metadata"], "annotations": {**annotations, **noted}},
        "spec": {**rs["spec"], "replicas": size},
    }
    writes: list[Write] = [Update(REPLICA_SETS, changed)]
    if present != size:
        way = "up" if size > present else "down"
        text = f"Scaled {way} replica set {rs['metadata']['name']} from {present} to {size}"
        writes.append(Event(deployment, "Normal", "ScalingReplicaSet", text))
    return writes


def _grow(deployment: Obj, new: Obj, sets: list[Obj]) -> list[Write]:
    wanted, present = replicas(deployment), replicas(new)
    if present == wanted:
        return []
    return _resized(deployment, new, wanted if present > wanted else parts.new_count(deployment, sets, new))


def _shrink(deployment: Obj, new: Obj, old: list[Obj]) -> list[Write]:
    """Take from the old sets: first what is unhealthy anyway, then what the new set makes up for."""
    if not total(old):
        return []
    wanted, sets = replicas(deployment), [*old, new]
    minimum = wanted - parts.max_unavailable(deployment)
    lacking = replicas(new) - counted([new], "availableReplicas")
    budget = total(sets) - minimum - lacking
    if budget <= 0:
        return []
    sizes = {rs["metadata"]["name"]: replicas(rs) for rs in old}
    for rs in old:
        name, healthy = rs["metadata"]["name"], counted([rs], "availableReplicas")
        cut = max(0, min(budget, sizes[name] - healthy))
        sizes[name] -= cut
        budget -= cut
    spare = counted(sets, "availableReplicas") - minimum
    for rs in old:
        name = rs["metadata"]["name"]
        cut = max(0, min(sizes[name], spare))
        sizes[name] -= cut
        spare -= cut
    return [write for rs in old for write in _resized(deployment, rs, sizes[rs["metadata"]["name"]])]


def _scale(deployment: Obj, new: Obj | None, old: list[Obj]) -> list[Write]:
    """A change of size in the middle of a rollout is shared out in proportion."""
    wanted = replicas(deployment)
    active = [rs for rs in (*old, *([new] if new else [])) if replicas(rs) > 0]
    if len(active) <= 1:
        alone = active[0] if active else new or (old[-1] if old else None)
        return _resized(deployment, alone, wanted, always=True) if alone else []
    if new is not None and _is_saturated(deployment, new):
        return [write for rs in active if rs is not new for write in _resized(deployment, rs, 0)]
    if not parts.is_rolling(deployment):
        return []
    allowed = wanted + parts.max_surge(deployment) if wanted else 0
    to_add = allowed - total(active)
    newest_first = to_add > 0
    active.sort(key=lambda rs: (-replicas(rs), -created(rs) if newest_first else created(rs)))
    added, sizes = 0, []
    for rs in active:
        share = parts.proportion(deployment, rs, to_add, added)
        added += share
        sizes.append(replicas(rs) + share)
    sizes[0] = max(0, sizes[0] + to_add - added)
    pairs = zip(active, sizes, strict=True)
    return [write for rs, size in pairs for write in _resized(deployment, rs, size, always=True)]


def _is_saturated(deployment: Obj, new: Obj) -> bool:
    wanted = replicas(deployment)
    noted = parts.annotation(new, parts.DESIRED) == str(wanted)
    return noted and replicas(new) == wanted == counted([new], "availableReplicas")


def _clean(deployment: Obj, old: list[Obj]) -> list[Write]:
    """Forget the oldest revisions beyond the history limit."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None or limit == NO_DEADLINE:
        return []
    alive = sorted((rs for rs in old if not is_deleting(rs)), key=lambda rs: (parts.revision(rs), created(rs)))
    return [
        Delete(REPLICA_SETS, rs)
        for rs in alive[: max(0, len(alive) - limit)]
        if not replicas(rs)
        and not counted([rs], "replicas")
        and counted([rs], "observedGeneration") >= rs["metadata"].get("generation", 0)
    ]


def counts(deployment: Obj, new: Obj | None, sets: list[Obj]) -> Obj:
    """The numbers of the status."""
    available = counted(sets, "availableReplicas")
    made: Obj = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": counted(sets, "replicas"),
        "updatedReplicas": counted([new], "replicas") if new else 0,
        "readyReplicas": counted(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total(sets) - available),
    }
    if all("terminatingReplicas" in (rs.get("status") or {}) for rs in sets):
        made["terminatingReplicas"] = counted(sets, "terminatingReplicas")
    collisions = (deployment.get("status") or {}).get("collisionCount")
    if collisions is not None:
        made["collisionCount"] = collisions
    return made


def complete(deployment: Obj, status: Obj) -> bool:
    wanted = replicas(deployment)
    return bool(
        status["updatedReplicas"] == wanted
        and status["replicas"] == wanted
        and status["availableReplicas"] == wanted
        and status["observedGeneration"] >= deployment["metadata"].get("generation", 0)
    )


def status(deployment: Obj, sets: list[Obj], now: float, *, made: bool = False, refused: str = "") -> Obj:
    """The whole status. `made`: the new set was just created; `refused`: why it could not be."""
    new, old = split(deployment, sets)
    sets = [*old, new] if new else old
    result = counts(deployment, new, sets)
    conditions = list((deployment.get("status") or {}).get("conditions") or [])
    limit = deadline(deployment)
    if limit is None:
        conditions = without_condition(conditions, "Progressing")
    else:
        conditions = _first_word(deployment, conditions, new, now, made, refused)
    enough = result["availableReplicas"] >= replicas(deployment) - parts.max_unavailable(deployment)
    if enough:
        word = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        word = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    conditions = set_condition(conditions, "Available", *word, now, updates=True)
    if not deployment["spec"].get("paused") and not is_deleting(deployment) and not refused:
        if limit is not None and not made:
            conditions = _progress(deployment, conditions, new, result, now, limit)
        conditions = _failures(conditions, new, sets, now)
    if conditions:
        result["conditions"] = conditions
    keep = ("terminatingReplicas", "collisionCount")
    return {key: value for key, value in result.items() if value or key in keep}


def _first_word(
    deployment: Obj, conditions: list[Obj], new: Obj | None, now: float, made: bool, refused: str
) -> list[Obj]:
    """The Progressing condition as creation, pause and resumption set it."""
    current = next((c for c in conditions if c["type"] == "Progressing"), None)
    reason = current.get("reason") if current else ""

    def say(status: str, reason: str, message: str) -> list[Obj]:
        return set_condition(conditions, "Progressing", status, reason, message, now, updates=True)

    if refused:
        return say("False", "ReplicaSetCreateError", refused)
    if made and new is not None:
        return say("True", "NewReplicaSetCreated", f'Created new replica set "{new["metadata"]["name"]}"')
    if deployment["spec"].get("paused"):
        if reason not in ("DeploymentPaused", TIMED_OUT):
            return say("Unknown", "DeploymentPaused", "Deployment is paused")
    elif reason == "DeploymentPaused":
        return say("Unknown", "DeploymentResumed", "Deployment is resumed")
    elif current is None and new is not None:
        return say("True", "FoundNewReplicaSet", f'Found new replica set "{new["metadata"]["name"]}"')
    return conditions


def _progress(
    deployment: Obj, conditions: list[Obj], new: Obj | None, result: Obj, now: float, limit: int
) -> list[Obj]:
    current = next((c for c in conditions if c["type"] == "Progressing"), None)
    reason = current.get("reason") if current else ""
    if result["replicas"] == result["updatedReplicas"] and reason == AVAILABLE:
        return conditions
    who = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    if complete(deployment, result):
        text = f"{who} has successfully progressed."
        return set_condition(conditions, "Progressing", "True", AVAILABLE, text, now, updates=True)
    if _moved(deployment.get("status") or {}, result):
        since = current["lastTransitionTime"] if current and current["status"] == "True" else stamp(now)
        made = {
            "type": "Progressing", "status": "True", "reason": UPDATED, "message": f"{who} is progressing.",
            "lastTransitionTime": since, "lastUpdateTime": stamp(now),
        }  # fmt: skip
        return [*without_condition(conditions, "Progressing"), made]
    overdue = current is not None and seconds(current.get("lastUpdateTime")) + limit < now
    if overdue and reason not in (AVAILABLE, TIMED_OUT):
        text = f"{who} has timed out progressing."
        return set_condition(conditions, "Progressing", "False", TIMED_OUT, text, now, updates=True)
    return conditions


def _moved(old: Obj, new: Obj) -> bool:
    def was(name: str) -> int:
        return int(old.get(name) or 0)

    left = new["replicas"] - new["updatedReplicas"]
    return bool(
        new["updatedReplicas"] > was("updatedReplicas")
        or left < was("replicas") - was("updatedReplicas")
        or new["readyReplicas"] > was("readyReplicas")
        or new["availableReplicas"] > was("availableReplicas")
    )


def _failures(conditions: list[Obj], new: Obj | None, sets: list[Obj], now: float) -> list[Obj]:
    """A set that cannot make its pods is a deployment's failure too, the new one's first."""
    for rs in (*([new] if new else []), *sets):
        found: Any = condition_of(rs, "ReplicaFailure")
        if found is not None:
            word = (found["status"], found.get("reason", ""), found.get("message", ""))
            return set_condition(conditions, "ReplicaFailure", *word, now, updates=True)
    return without_condition(conditions, "ReplicaFailure")


def look_again(deployment: Obj, result: Obj, now: float) -> float | None:
    """When progress will be overdue."""
    limit = deadline(deployment)
    current = next((c for c in result.get("conditions") or () if c["type"] == "Progressing"), None)
    if limit is None or current is None or current.get("reason") in (TIMED_OUT, AVAILABLE, "DeploymentPaused"):
        return None
    return max(0.0, seconds(current.get("lastUpdateTime")) + limit - now) + 1.0
