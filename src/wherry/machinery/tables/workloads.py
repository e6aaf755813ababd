"""Table rows of the kinds that run pods: deployments, jobs, autoscalers and their relatives (pkg/printers)."""

from __future__ import annotations

from wherry.machinery.kinds import Obj
from wherry.machinery.selectors import SelectorError, from_label_selector
from wherry.machinery.tables.base import Aging, Cell
from wherry.machinery.tables.cells import (
    NONE,
    UNKNOWN,
    UNSET,
    Map,
    Row,
    Since,
    age,
    condition,
    containers,
    deleting,
    human_duration,
    labels,
    name,
    pod_spec,
    quantity,
    seconds_of,
    selector,
    since,
    spec,
    status,
)


def pod_template(obj: Obj) -> Row:
    template = obj.get("template") or {}
    return [name(obj), *containers(pod_spec(template)), labels((template.get("metadata") or {}).get("labels"))]


def pod_disruption_budget(obj: Obj) -> Row:
    budget = spec(obj)
    least, most = budget.get("minAvailable"), budget.get("maxUnavailable")
    return [
        name(obj),
        "N/A" if least is None else str(least),
        "N/A" if most is None else str(most),
        status(obj).get("disruptionsAllowed") or 0,
        age(obj),
    ]


def _replicated(obj: Obj, chosen: str) -> Row:
    wanted, state = spec(obj), status(obj)
    return [
        name(obj),
        wanted.get("replicas") or 0,
        state.get("replicas") or 0,
        state.get("readyReplicas") or 0,
        age(obj),
        *containers(pod_spec(wanted.get("template"))),
        chosen,
    ]


def replication_controller(obj: Obj) -> Row:
    return _replicated(obj, labels(spec(obj).get("selector")))


def replica_set(obj: Obj) -> Row:
    return _replicated(obj, selector(spec(obj).get("selector")))


def deployment(obj: Obj) -> Row:
    wanted, state = spec(obj), status(obj)
    try:
        chosen = str(from_label_selector(wanted.get("selector")))
    except SelectorError:
        chosen = "<invalid>"
    return [
        name(obj),
        f"{state.get('readyReplicas') or 0}/{wanted.get('replicas') or 0}",
        state.get("updatedReplicas") or 0,
        state.get("availableReplicas") or 0,
        age(obj),
        *containers(pod_spec(wanted.get("template"))),
        chosen,
    ]


def stateful_set(obj: Obj) -> Row:
    wanted = spec(obj)
    ready = status(obj).get("readyReplicas") or 0
    return [
        name(obj),
        f"{ready}/{wanted.get('replicas') or 0}",
        age(obj),
        *containers(pod_spec(wanted.get("template"))),
    ]


_SCHEDULED = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def daemon_set(obj: Obj) -> Row:
    wanted, state = spec(obj), status(obj)
    pods = pod_spec(wanted.get("template"))
    return [
        name(obj),
        *(state.get(member) or 0 for member in _SCHEDULED),
        labels(pods.get("nodeSelector")),
        age(obj),
        *containers(pods),
        selector(wanted.get("selector")),
    ]


def _job_status(obj: Obj, state: Map) -> str:
    def holds(kind: str) -> bool:
        found = condition(state, kind)
        return found is not None and found.get("status") == "True"

    if holds("Complete"):
        return "Complete"
    if holds("Failed"):
        return "Failed"
    if deleting(obj):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if holds(kind):
            return kind
    return "Running"


def _job_duration(state: Map) -> Cell | Aging:
    started = seconds_of(state.get("startTime"))
    if started is None:
        return ""
    ended = seconds_of(state.get("completionTime"))
    return Since(started) if ended is None else human_duration(ended - started)


def job(obj: Obj) -> Row:
    wanted, state = spec(obj), status(obj)
    succeeded = state.get("succeeded") or 0
    if (completions := wanted.get("completions")) is not None:
        done = f"{succeeded}/{completions}"
    elif (parallelism := wanted.get("parallelism") or 0) > 1:
        done = f"{succeeded}/1 of {parallelism}"
    else:
        done = f"{succeeded}/1"
    return [
        name(obj),
        _job_status(obj, state),
        done,
        _job_duration(state),
        age(obj),
        *containers(pod_spec(wanted.get("template"))),
        selector(wanted.get("selector")),
    ]


def cron_job(obj: Obj) -> Row:
    wanted, state = spec(obj), status(obj)
    template = (wanted.get("jobTemplate") or {}).get("spec") or {}
    suspended, last = wanted.get("suspend"), state.get("lastScheduleTime")
    zone = wanted.get("timeZone")
    return [
        name(obj),
        wanted.get("schedule", ""),
        NONE if zone is None else zone,
        UNSET if suspended is None else "True" if suspended else "False",
        len(state.get("active") or ()),
        NONE if last is None else since(last),
        age(obj),
        *containers(pod_spec(template.get("template"))),
        selector(template.get("selector")),
    ]


def controller_revision(obj: Obj) -> Row:
    controller = NONE
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group, slash, _ = owner.get("apiVersion", "").partition("/")
            kind = owner.get("kind", "")
            qualified = f"{kind}.{group}" if slash and group else kind
            controller = f"{qualified.lower()}/{owner.get('name', '')}"
            break
    return [name(obj), controller, obj.get("revision") or 0, age(obj)]


# --- autoscalers ----------------------------------------------------------------------------------------------------

_METRIC = {
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_NIL = "<nil>"  # what Go prints for an absent quantity


def _percent(value: int | None, absent: str) -> str:
    return absent if value is None else f"{value}%"


def _metric(wanted: Map, state: Map | None) -> str:
    """One metric as `current/target`. `state` is what the controller reports at the same place, if anything."""
    member = _METRIC.get(wanted.get("type", ""))
    if member is None:
        return "<unknown type>"
    source = wanted.get(member) or {}
    target = source.get("target") or {}
    reported = (state or {}).get(member)
    current = (reported or {}).get("current") or {}
    average = target.get("averageValue")
    if member == "pods":
        now = UNKNOWN if reported is None else quantity(current.get("averageValue"), _NIL)
        return f"{now}/{quantity(average, _NIL)}"
    if member in ("external", "object"):
        if average is not None:
            return f"{quantity(current.get('averageValue'), UNKNOWN)}/{average} (avg)"
        now = UNKNOWN if reported is None else quantity(current.get("value"), _NIL)
        return f"{now}/{quantity(target.get('value'), _NIL)}"
    if average is not None:
        now = UNKNOWN if reported is None else quantity(current.get("averageValue"), _NIL)
        return f"{source.get('name', '')}: {now}/{average}"
    now = _percent(current.get("averageUtilization"), UNKNOWN)
    return f"{source.get('name', '')}: {now}/{_percent(target.get('averageUtilization'), '<auto>')}"


def _metrics(wanted: Map, state: Map) -> str:
    metrics, reported = wanted.get("metrics") or [], state.get("currentMetrics") or []
    if not metrics:
        return NONE
    listed = [_metric(m, reported[i] if i < len(reported) else None) for i, m in enumerate(metrics[:2])]
    text = ", ".join(listed)
    return f"{text} + {len(metrics) - 2} more..." if len(metrics) > 2 else text


def horizontal_pod_autoscaler(obj: Obj) -> Row:
    if obj.get("apiVersion") == "autoscaling/v1":  # most metrics of a v1 object hide in an annotation
        from wherry.machinery.builtin.workloads.hpa_conversion import to_v2

        obj = to_v2(obj)
    wanted, state = spec(obj), status(obj)
    target, least = wanted.get("scaleTargetRef") or {}, wanted.get("minReplicas")
    return [
        name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(wanted, state),
        UNSET if least is None else str(least),
        wanted.get("maxReplicas") or 0,
        state.get("currentReplicas") or 0,
        age(obj),
    ]


def scale(obj: Obj) -> Row:
    return [name(obj), spec(obj).get("replicas") or 0, status(obj).get("replicas") or 0, age(obj)]
