"""Pure: the next status of a pod on a simulated node, and when to look again (pkg/kubelet, as far as it shows).

Everything is worked out of the pod's own status and times, so a control plane that starts again goes on where it was.
Steps that take no time are taken together: a pod without rules is Running and Ready in one write.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from wherry.features.simulation.behaviour import rules_of
from wherry.features.simulation.kinds import CONDITION
from wherry.kit.times import format_seconds, parse

Obj = dict[str, Any]
_MAX_BACKOFF = 300.0
_STEPS = 64  # a loop of rules without any duration must not spin for ever


def at(text: str | None) -> float:
    return float(parse(text)[0]) if text else 0.0


def advance(pod: Obj, behaviour: Obj, ips: tuple[str, str], now: float) -> tuple[Obj, float | None]:
    """(status, seconds until the next change). `ips` are the pod's and its host's."""
    old = pod.get("status") or {}
    start = old.get("startTime") or format_seconds(int(now))
    waits: list[float] = []
    known = {c["name"]: c for c in old.get("containerStatuses") or ()}
    containers = [
        _container(pod, spec, known.get(spec["name"]), rules_of(behaviour, spec["name"]), at(start), now, waits)
        for spec in pod["spec"].get("containers") or ()
    ]
    started = any("running" in c["state"] or c["state"].get("terminated") for c in containers)
    status: Obj = {**old, "startTime": start, "hostIP": ips[1], "hostIPs": [{"ip": ips[1]}]}
    if started or old.get("podIP"):
        status["podIP"] = ips[1] if pod["spec"].get("hostNetwork") else ips[0]
        status["podIPs"] = [{"ip": status["podIP"]}]
    if pod["spec"].get("initContainers"):
        begun = {c["name"]: c for c in old.get("initContainerStatuses") or ()}
        status["initContainerStatuses"] = [
            _init(spec, begun.get(spec["name"]), now, start) for spec in pod["spec"]["initContainers"]
        ]
    status["containerStatuses"] = containers
    status["phase"] = _phase(pod, containers)
    status["conditions"] = _conditions(pod, old.get("conditions") or [], containers, status["phase"], started, now)
    status["observedGeneration"] = pod["metadata"].get("generation", 1)
    return status, (min(waits) if waits else None)


def _init(spec: Obj, known: Obj | None, now: float, start: str) -> Obj:
    """Init containers take no time; sidecars run on."""
    if known is not None:
        return known
    made = _named(spec, 0, None)
    if spec.get("restartPolicy") == "Always":
        return {**made, "state": {"running": {"startedAt": start}}, "ready": True, "started": True}
    ended = {
        "exitCode": 0, "reason": "Completed", "startedAt": start, "finishedAt": start, "containerID": _id(spec, start),
    }  # fmt: skip
    return {**made, "state": {"terminated": ended}, "ready": True, "started": False}


def _id(spec: Obj, seed: str) -> str:
    return "simulated://" + sha256(f"{spec['name']}{seed}".encode()).hexdigest()


def _named(spec: Obj, restarts: int, last: Obj | None) -> Obj:
    return {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "imageID": "",
        "lastState": {"terminated": last} if last else {},
        "restartCount": restarts,
        "ready": False,
        "started": False,
    }


def _container(pod: Obj, spec: Obj, known: Obj | None, rules: Obj, start: float, now: float, waits: list[float]) -> Obj:
    """One container's status at `now`, by going from state to state as long as their times are over."""
    current = known or {**_named(spec, 0, None), "state": {"waiting": {"reason": "ContainerCreating"}}}
    since = now if known is None else start
    for _ in range(_STEPS):
        state = current["state"]
        if "waiting" in state:
            after = _waiting(current, spec, rules, since, now, waits)
        elif "running" in state:
            after = _running(pod, current, spec, rules, now, waits)
        else:
            after = _ended(pod, current, spec, rules, now)
        if after is None:
            return current
        current = after
    waits.append(1.0)
    return current


def _waiting(current: Obj, spec: Obj, rules: Obj, start: float, now: float, waits: list[float]) -> Obj | None:
    reason = current["state"]["waiting"].get("reason", "")
    if reason == "CrashLoopBackOff":
        ended = current["lastState"]["terminated"]
        left = at(ended["finishedAt"]) + _backoff(rules, current["restartCount"]) - now
        if left > 0:
            waits.append(left)
            return None
        return _run(current, spec, now, current["restartCount"] + 1, ended)
    if reason in ("ErrImagePull", "ImagePullBackOff") and "pullError" in rules:
        if reason == "ImagePullBackOff":
            return None
        text = f'Back-off pulling image "{spec.get("image", "")}": ErrImagePull: {rules["pullError"]}'
        waits.append(2.0)
        if now < start + rules.get("pullSeconds", 0) + 2:
            return None
        waits.pop()
        return {**current, "state": {"waiting": {"reason": "ImagePullBackOff", "message": text}}}
    left = start + rules.get("pullSeconds", 0) - now
    if left > 0:
        waits.append(left)
        return None
    if "pullError" in rules:
        return {**current, "state": {"waiting": {"reason": "ErrImagePull", "message": rules["pullError"]}}}
    return _run(current, spec, now, current["restartCount"], None)


def _run(current: Obj, spec: Obj, now: float, restarts: int, last: Obj | None) -> Obj:
    made = _named(spec, restarts, last or (current.get("lastState") or {}).get("terminated"))
    begun = format_seconds(int(now))
    made["state"] = {"running": {"startedAt": begun}}
    made["started"] = True
    made["imageID"] = f"simulated://{spec.get('image', '')}"
    made["containerID"] = _id(spec, f"{begun}{restarts}{now}")
    return made


def _run_seconds(pod: Obj, current: Obj, rules: Obj) -> float | None:
    """How long this run lasts; None for ever."""
    if rules.get("recovers") and current["restartCount"] >= rules.get("failures", 0):
        return None
    given = rules.get("runSeconds")
    if given is not None:
        return float(given)
    fails = "exitCode" in rules or "reason" in rules
    return 0.0 if fails or pod["spec"].get("restartPolicy", "Always") != "Always" else None


def _exit(current: Obj, rules: Obj) -> tuple[int, str]:
    code = rules.get("exitCode", 137 if rules.get("reason") == "OOMKilled" else 0)
    if "failures" in rules and current["restartCount"] >= rules["failures"]:
        code = 0
    if code == 0:
        return 0, "Completed"
    return code, rules.get("reason", "Error")


def _running(pod: Obj, current: Obj, spec: Obj, rules: Obj, now: float, waits: list[float]) -> Obj | None:
    begun = at(current["state"]["running"]["startedAt"])
    lasts = _run_seconds(pod, current, rules)
    if lasts is not None and now >= begun + lasts:
        code, reason = _exit(current, rules)
        ended = {
            "exitCode": code, "reason": reason, "startedAt": current["state"]["running"]["startedAt"],
            "finishedAt": format_seconds(int(now)), "containerID": current.get("containerID", ""),
        }  # fmt: skip
        return {**current, "state": {"terminated": ended}, "ready": False, "started": False}
    if lasts is not None:
        waits.append(begun + lasts - now)
    ready, wait = _ready(rules, now - begun)
    if wait is not None:
        waits.append(wait)
    return None if ready == current["ready"] else {**current, "ready": ready}


def _ready(rules: Obj, age: float) -> tuple[bool, float | None]:
    """(ready, seconds until that changes)."""
    if rules.get("neverReady"):
        return False, None
    age -= rules.get("readyAfterSeconds", 0)
    if age < 0:
        return False, -age
    up, down = rules.get("readySeconds"), rules.get("unreadySeconds")
    if not up or not down:
        return True, None
    phase = age % (up + down)
    return (True, up - phase) if phase < up else (False, up + down - phase)


def _ended(pod: Obj, current: Obj, spec: Obj, rules: Obj, now: float) -> Obj | None:
    ended = current["state"]["terminated"]
    policy = pod["spec"].get("restartPolicy", "Always")
    if (
        policy == "Never"
        or (policy == "OnFailure" and ended["exitCode"] == 0)
        or "deletionTimestamp" in pod["metadata"]
    ):
        return None
    if current["restartCount"] == 0:
        return _run(current, spec, now, 1, ended)  # the first restart is at once
    wait = int(_backoff(rules, current["restartCount"]))
    meta = pod["metadata"]
    text = (
        f"back-off {_duration(wait)} restarting failed container={spec['name']} "
        f"pod={meta['name']}_{meta['namespace']}({meta['uid']})"
    )
    made = _named(spec, current["restartCount"], ended)
    for key in ("imageID", "containerID"):
        if key in current:
            made[key] = current[key]
    made["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
    return made


def _backoff(rules: Obj, restarts: int) -> float:
    first = float(rules.get("restartBackoffSeconds", 10))
    return min(_MAX_BACKOFF, first * 2.0 ** max(0, min(restarts, 32) - 1))


def _duration(seconds: int) -> str:
    return f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"


def _phase(pod: Obj, containers: list[Obj]) -> str:
    policy = pod["spec"].get("restartPolicy", "Always")
    if any("waiting" in c["state"] and not c["lastState"] for c in containers):
        return "Pending"
    if not all("terminated" in c["state"] for c in containers):
        return "Running"
    failed = any(c["state"]["terminated"]["exitCode"] for c in containers)
    if policy == "Always" or (policy == "OnFailure" and failed):
        return "Running"
    return "Failed" if failed else "Succeeded"


def _conditions(pod: Obj, old: list[Obj], containers: list[Obj], phase: str, started: bool, now: float) -> list[Obj]:
    before = {c["type"]: c for c in old}
    done = phase in ("Succeeded", "Failed")
    unready = [c["name"] for c in containers if not c["ready"]]
    why: tuple[str, str] = ("", "")
    if unready:
        why = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    if done:
        why = ("PodCompleted", "") if phase == "Succeeded" else ("PodFailed", "")
    gates = [
        gate["conditionType"]
        for gate in pod["spec"].get("readinessGates") or ()
        if (before.get(gate["conditionType"]) or {}).get("status") != "True"
    ]
    ready = not unready and not done
    gated = ("ReadinessGatesNotReady", 'the status of pod readiness gate is not "True"') if ready and gates else why
    wanted = [
        ("PodReadyToStartContainers", started and not done, ("", "")),
        ("Initialized", True, ("PodCompleted", "") if phase == "Succeeded" else ("", "")),
        ("Ready", ready and not gates, gated),
        ("ContainersReady", ready, why),
        ("PodScheduled", True, ("", "")),
        (CONDITION, True, ("NothingRuns", "this pod is simulated: none of its containers runs")),
    ]
    names = {name for name, _, _ in wanted}
    made = []
    for name, state, (reason, message) in wanted:
        text, known = "True" if state else "False", before.get(name)
        condition: Obj = {"type": name, "status": text, "lastProbeTime": None}  # as it is stored
        if reason:
            condition["reason"] = reason
        if message:
            condition["message"] = message
        if name != CONDITION:
            condition["observedGeneration"] = pod["metadata"].get("generation", 1)
        same = known is not None and known["status"] == text and known.get("lastTransitionTime")
        condition["lastTransitionTime"] = known["lastTransitionTime"] if same and known else format_seconds(int(now))
        made.append(condition)
    return made + [c for c in old if c["type"] not in names]


def ended_by_deletion(status: Obj, now: float) -> Obj:
    """The last status of a pod that is stopped while it runs."""
    if status.get("phase") in ("Succeeded", "Failed"):
        return status
    at_ = format_seconds(int(now))
    containers = []
    for container in status.get("containerStatuses") or ():
        running = container["state"].get("running")
        ended = {
            "exitCode": 137,
            "reason": "Error",
            "startedAt": (running or {}).get("startedAt", at_),
            "finishedAt": at_,
        }
        state = container["state"] if "terminated" in container["state"] else {"terminated": ended}
        containers.append({**container, "state": state, "ready": False, "started": False})
    conditions = [
        {**c, "status": "False", "reason": "PodFailed", "lastTransitionTime": at_}
        if c["type"] in ("Ready", "ContainersReady") and c["status"] == "True" else c
        for c in status.get("conditions") or ()
    ]  # fmt: skip
    return {**status, "phase": "Failed", "containerStatuses": containers, "conditions": conditions}
