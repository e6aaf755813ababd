"""Pure: the pods of a stateful set, one ordinal after the other (pkg/controller/statefulset)."""

from __future__ import annotations

from dataclasses import dataclass, field

from wherry.features.workloads.common import (
    Obj,
    available_in,
    is_deleting,
    is_ready,
    owner_reference,
    percent,
    phase,
    pod_from,
)  # fmt: skip
from wherry.features.workloads.kinds import CLAIMS, PODS
from wherry.features.workloads.revisions import REVISION_LABEL, template_of
from wherry.runtime.writes import Create, Delete, Update, Write

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a stateful set saw. `claims` are those of its namespace, by name."""

    owner: Obj
    pods: list[Obj]
    current: Obj  # the revision that the set comes from
    update: Obj  # the one that it goes to
    claims: dict[str, Obj]
    now: float


@dataclass(slots=True)
class Next:
    writes: list[Write] = field(default_factory=list)
    after: float | None = None


def start(owner: Obj) -> int:
    return int((owner["spec"].get("ordinals") or {}).get("start", 0))


def ordinal(owner: Obj, pod: Obj) -> int:
    """-1 for a pod that is not called as the set's pods are."""
    prefix, _, number = pod["metadata"]["name"].rpartition("-")
    return int(number) if prefix == owner["metadata"]["name"] and number.isdigit() else -1


def revision_of(pod: Obj) -> str:
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def is_parallel(owner: Obj) -> bool:
    return bool(owner["spec"].get("podManagementPolicy") == "Parallel")


def _rolls(owner: Obj) -> bool:
    strategy = owner["spec"].get("updateStrategy") or {}
    return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")


def _rolling(owner: Obj) -> Obj:
    return (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}


def _is_up(seen: Seen, pod: Obj) -> bool:
    """Running, ready long enough, and staying."""
    minimum = seen.owner["spec"].get("minReadySeconds", 0)
    up = phase(pod) == "Running" and not is_deleting(pod)
    return up and available_in(pod, minimum, seen.now) == 0


def step(seen: Seen) -> Next:
    """What to do next: at most one pod at a time unless the set is parallel."""
    owner = seen.owner
    made = Next()
    if is_deleting(owner):
        return made
    first, wanted = start(owner), owner["spec"].get("replicas", 1)
    by_ordinal = {number: pod for pod in seen.pods if (number := ordinal(owner, pod)) >= 0}
    one_by_one = not is_parallel(owner)
    for number in range(first, first + wanted):
        pod = by_ordinal.get(number)
        if not _settle(seen, number, pod, made) and one_by_one:
            return _waiting(seen, made)
    condemned = sorted((n for n in by_ordinal if not first <= n < first + wanted), reverse=True)
    if condemned and made.writes and one_by_one:
        return made
    for number in condemned:
        pod = by_ordinal[number]
        if is_deleting(pod):
            if one_by_one:
                return made
            continue
        unhealthy = [n for n in range(first, first + wanted) if n in by_ordinal and not _is_up(seen, by_ordinal[n])]
        if one_by_one and unhealthy and _is_up(seen, pod):
            return _waiting(seen, made)
        made.writes += _retained(seen, pod, number)
        made.writes.append(Delete(PODS, pod))
        if one_by_one:
            return made
    if _rolls(owner) and not made.writes:
        _roll(seen, by_ordinal, made)
    return _waiting(seen, made)


def _settle(seen: Seen, number: int, pod: Obj | None, made: Next) -> bool:
    """Bring one ordinal about; whether the next may be looked at."""
    if pod is None:
        made.writes += _birth(seen, number)
        return False
    if is_deleting(pod):
        return False
    if phase(pod) in ("Failed", "Succeeded"):
        made.writes.append(Delete(PODS, pod))
        return False
    made.writes += _claims(seen, number, missing_only=True)
    return _is_up(seen, pod)


def _waiting(seen: Seen, made: Next) -> Next:
    minimum = seen.owner["spec"].get("minReadySeconds", 0)
    waits = [wait for pod in seen.pods if (wait := available_in(pod, minimum, seen.now))]
    made.after = min(waits) + 0.05 if waits else None
    return made


def _birth(seen: Seen, number: int) -> list[Write]:
    owner = seen.owner
    strategy_partition = _rolling(owner).get("partition")
    current_count = (owner.get("status") or {}).get("currentReplicas", 0)
    if not _rolls(owner):
        old = number < start(owner) + current_count
    elif strategy_partition:
        old = number < start(owner) + strategy_partition
    else:
        old = number < start(owner) + current_count and seen.current is not seen.update
    revision = seen.current if old else seen.update
    name = f"{owner['metadata']['name']}-{number}"
    pod = pod_from(owner, template_of(revision), name=name)
    labels = {**(pod["metadata"].get("labels") or {}), POD_NAME: name, POD_INDEX: str(number)}
    pod["metadata"]["labels"] = {**labels, REVISION_LABEL: revision["metadata"]["name"]}
    spec = {**pod["spec"], "hostname": name}
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    templates = owner["spec"].get("volumeClaimTemplates") or []
    if templates:
        names = {template["metadata"]["name"] for template in templates}
        spec["volumes"] = [
            *(
                {"name": t["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name(owner, t, number)}}
                for t in templates
            ),
            *(volume for volume in spec.get("volumes") or () if volume["name"] not in names),
        ]
    pod["spec"] = spec
    return [*_claims(seen, number), Create(PODS, pod)]


def claim_name(owner: Obj, template: Obj, number: int) -> str:
    return f"{template['metadata']['name']}-{owner['metadata']['name']}-{number}"


def _policy(owner: Obj, when: str) -> str:
    return str((owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get(when, "Retain"))


def _claims(seen: Seen, number: int, *, missing_only: bool = False) -> list[Write]:
    """The claims of one ordinal that are not there."""
    owner, writes = seen.owner, []
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        name = claim_name(owner, template, number)
        if name in seen.claims:
            continue
        meta = template["metadata"]
        labels = {**(meta.get("labels") or {}), **(owner["spec"]["selector"].get("matchLabels") or {})}
        made: Obj = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": owner["metadata"]["namespace"], "labels": labels},
            "spec": template["spec"],
        }
        if meta.get("annotations"):
            made["metadata"]["annotations"] = meta["annotations"]
        if _policy(owner, "whenDeleted") == "Delete":
            made["metadata"]["ownerReferences"] = [owner_reference(owner)]
        writes.append(Create(CLAIMS, made))
    return list(writes)


def _retained(seen: Seen, pod: Obj, number: int) -> list[Write]:
    """Claims that go with a pod that is scaled away belong to it from now on."""
    owner = seen.owner
    if _policy(owner, "whenScaled") != "Delete":
        return []
    writes: list[Write] = []
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        claim = seen.claims.get(claim_name(owner, template, number))
        if claim is None:
            continue
        refs = claim["metadata"].get("ownerReferences") or []
        if any(ref["uid"] == pod["metadata"]["uid"] for ref in refs):
            continue
        kept = [ref for ref in refs if ref["uid"] != owner["metadata"]["uid"]]
        meta = pod["metadata"]
        ref = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        changed = {**claim["metadata"], "ownerReferences": [*kept, ref]}
        writes.append(Update(CLAIMS, {**claim, "metadata": changed}))
    return writes


def _roll(seen: Seen, by_ordinal: dict[int, Obj], made: Next) -> None:
    """Delete what is of an old revision, from the highest ordinal down to the partition."""
    owner, rolling = seen.owner, _rolling(seen.owner)
    first, wanted = start(owner), owner["spec"].get("replicas", 1)
    update = seen.update["metadata"]["name"]
    allowed = max(1, percent(rolling.get("maxUnavailable", 1), wanted, up=True))
    down = sum(not _is_up(seen, pod) for number, pod in by_ordinal.items() if first <= number < first + wanted)
    for number in range(first + wanted - 1, first + rolling.get("partition", 0) - 1, -1):
        pod = by_ordinal.get(number)
        if pod is None:
            return
        if revision_of(pod) != update and not is_deleting(pod):
            if not _is_up(seen, pod):
                down -= 1  # it is down already: taking it away makes nothing worse
            if down >= allowed:
                return
            made.writes.append(Delete(PODS, pod))
            down += 1
        elif not _is_up(seen, pod) and allowed == 1:
            return


def status(seen: Seen) -> Obj:
    """The whole status."""
    owner = seen.owner
    old = owner.get("status") or {}
    current, update = seen.current["metadata"]["name"], seen.update["metadata"]["name"]
    pods = [pod for pod in seen.pods if ordinal(owner, pod) >= 0 and phase(pod) not in ("Failed", "Succeeded")]
    minimum = owner["spec"].get("minReadySeconds", 0)
    ready = [pod for pod in pods if phase(pod) == "Running" and is_ready(pod)]
    alive = [pod for pod in pods if not is_deleting(pod)]
    made: Obj = {
        "observedGeneration": owner["metadata"].get("generation", 0),
        "replicas": len(pods),
        "readyReplicas": len(ready),
        "availableReplicas": sum(available_in(pod, minimum, seen.now) == 0 for pod in ready),
        "currentReplicas": sum(revision_of(pod) == current for pod in alive),
        "updatedReplicas": sum(revision_of(pod) == update for pod in alive),
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": old.get("collisionCount", 0),
    }
    whole = made["replicas"] == made["updatedReplicas"] == made["readyReplicas"]
    if _rolls(owner) and whole and current != update:
        made["currentRevision"] = update
        made["currentReplicas"] = made["updatedReplicas"]
    if old.get("conditions"):
        made["conditions"] = old["conditions"]
    kept = ("replicas", "availableReplicas", "collisionCount")
    return {key: value for key, value in made.items() if value or key in kept}
