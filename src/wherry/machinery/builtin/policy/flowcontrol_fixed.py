"""The FlowSchemas and PriorityLevelConfigurations that every server has, two of each fixed forever.

Follows k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.errors import FieldError, invalid
from wherry.machinery.kinds import Obj

API = "flowcontrol.apiserver.k8s.io/v1"
AUTO_UPDATE = {"apf.kubernetes.io/autoupdate-spec": "true"}

# name -> (nominal shares, lendable percent, (queues, hand size) or None for Reject)
_LEVELS: dict[str, tuple[int, int, tuple[int, int] | None]] = {
    "catch-all": (5, 0, None),
    "system": (30, 33, (64, 6)),
    "node-high": (40, 25, (64, 6)),
    "leader-election": (10, 0, (16, 4)),
    "workload-high": (40, 50, (128, 6)),
    "workload-low": (100, 90, (128, 6)),
    "global-default": (20, 50, (128, 6)),
}


def _object(kind: str, name: str, spec: Obj) -> Obj:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "annotations": dict(AUTO_UPDATE)}, "spec": spec}


def _level_spec(name: str) -> Obj:
    if name == "exempt":
        return {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    shares, lendable, queuing = _LEVELS[name]
    response: Obj = {"type": "Reject"}
    if queuing is not None:
        sizes = {"queues": queuing[0], "handSize": queuing[1], "queueLengthLimit": 50}
        response = {"type": "Queue", "queuing": sizes}
    limited = {"nominalConcurrencyShares": shares, "limitResponse": response, "lendablePercent": lendable}
    return {"type": "Limited", "limited": limited}


def priority_levels() -> Iterator[Obj]:
    for name in ("exempt", *_LEVELS):
        yield _object("PriorityLevelConfiguration", name, _level_spec(name))


def _groups(*names: str) -> list[Obj]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Obj]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _resources(verbs: str, group: str, resources: str, cluster: bool) -> Obj:
    rule: Obj = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    if cluster:
        rule["clusterScope"] = True
    rule["namespaces"] = ["*"]
    return rule


def _everything(subjects: list[Obj]) -> Obj:
    return {
        "subjects": subjects,
        "resourceRules": [_resources("*", "*", "*", True)],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }


_ACCOUNTS: list[Obj] = [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}]
_ALL = ("system:unauthenticated", "system:authenticated")
_LEASES = "coordination.k8s.io"


def _schema_spec(level: str, precedence: int, method: str, rule: Obj) -> Obj:
    spec: Obj = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if method:
        spec["distinguisherMethod"] = {"type": method}
    return {**spec, "rules": [rule]}


def _schemas() -> dict[str, Obj]:
    probes = {
        "subjects": _groups(*_ALL),
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}],
    }
    election = {
        "subjects": _users("system:kube-controller-manager", "system:kube-scheduler") + _ACCOUNTS,
        "resourceRules": [_resources("get create update", _LEASES, "leases", False)],
    }
    node = {
        "subjects": _groups("system:nodes"),
        "resourceRules": [
            _resources("*", "", "nodes nodes/status", True),
            _resources("*", _LEASES, "leases", False),
        ],
    }
    space, user = "ByNamespace", "ByUser"
    manager, scheduler = _users("system:kube-controller-manager"), _users("system:kube-scheduler")
    return {
        "exempt": _schema_spec("exempt", 1, "", _everything(_groups("system:masters"))),
        "catch-all": _schema_spec("catch-all", 10000, user, _everything(_groups(*_ALL))),
        "system-nodes": _schema_spec("system", 500, user, _everything(_groups("system:nodes"))),
        "system-node-high": _schema_spec("node-high", 400, user, node),
        "probes": _schema_spec("exempt", 2, "", probes),
        "system-leader-election": _schema_spec("leader-election", 100, user, election),
        "kube-controller-manager": _schema_spec("workload-high", 800, space, _everything(manager)),
        "kube-scheduler": _schema_spec("workload-high", 800, space, _everything(scheduler)),
        "kube-system-service-accounts": _schema_spec("workload-high", 900, space, _everything(_ACCOUNTS)),
        "service-accounts": _schema_spec("workload-low", 9000, user, _everything(_groups("system:serviceaccounts"))),
        "global-default": _schema_spec("global-default", 9900, user, _everything(_groups(*_ALL))),
    }


def flow_schemas() -> Iterator[Obj]:
    for name, spec in _schemas().items():
        yield _object("FlowSchema", name, spec)


# --- the fixed ones may not be changed -------------------------------------------------------------------------------


def flow_schema_change(name: str, spec: Obj) -> list[FieldError]:
    if spec == _schemas()[name]:
        return []
    return [invalid("spec", _shown(spec), f"spec of '{name}' must equal the fixed value")]


def priority_level_change(name: str, spec: Obj) -> list[FieldError]:
    want, have, what = _level_spec(name), spec, f"spec of '{name}' must equal the fixed value"
    if name == "exempt":
        what = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
        want, have = ({k: v for k, v in side.items() if k != "exempt"} for side in (want, spec))
    return [] if want == have else [invalid("spec", _shown(spec), what)]


def _go_name(key: str) -> str:
    name = key[0].upper() + key[1:]
    return {"ApiGroups": "APIGroups"}.get(name, name)


_SHAPES: dict[str, tuple[str, ...]] = {
    "FlowSchema": ("priorityLevelConfiguration", "matchingPrecedence", "distinguisherMethod", "rules"),
    "PriorityLevel": ("type", "limited", "exempt"),
    "rules": ("subjects", "resourceRules", "nonResourceRules"),
    "subjects": ("kind", "user", "group", "serviceAccount"),
    "resourceRules": ("verbs", "apiGroups", "resources", "clusterScope", "namespaces"),
    "nonResourceRules": ("verbs", "nonResourceURLs"),
    "serviceAccount": ("namespace", "name"),
    "user": ("name",),
    "group": ("name",),
    "priorityLevelConfiguration": ("name",),
    "distinguisherMethod": ("type",),
    "limited": ("nominalConcurrencyShares", "limitResponse", "lendablePercent", "borrowingLimitPercent"),
    "limitResponse": ("type", "queuing"),
    "queuing": ("queues", "handSize", "queueLengthLimit"),
    "exempt": ("nominalConcurrencyShares", "lendablePercent"),
}
_ZERO = {"name": "", "kind": "", "type": "", "namespace": "", "clusterScope": False, "matchingPrecedence": 0}
_ZERO |= {"nominalConcurrencyShares": 0, "queues": 0, "handSize": 0, "queueLengthLimit": 0}


def _show(shape: str, value: Obj) -> Obj:
    out: Obj = {}
    for key in _SHAPES[shape]:
        item = value.get(key)
        if isinstance(item, dict):
            item = _show(key, item)
        elif isinstance(item, list) and key in _SHAPES:
            item = [_show(key, one) for one in item]
        out[_go_name(key)] = _ZERO.get(key) if item is None else item
    return out


def _shown(spec: Obj) -> Obj:
    """The spec as the real server prints it: its internal struct, every field in Go's spelling."""
    return _show("PriorityLevel" if "type" in spec else "FlowSchema", spec)
