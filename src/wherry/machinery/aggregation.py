"""APIServices: which group versions there are, in which order clients prefer them, and what others serve of them.

Pure. The APIServices of built-in group versions are among the seeds of a control plane, those of custom kinds come and
go with their definitions (`features/apiservices`), all others lead to API servers beside this one
(`server/aggregation`). Follows k8s.io/kubernetes/cmd/kube-apiserver/app/aggregator.go (priorities),
k8s.io/kube-aggregator (pkg/controllers/autoregister, pkg/apis/apiregistration/v1/helper).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from wherry.machinery.kinds import Obj

GROUP, VERSION, RESOURCE = "apiregistration.k8s.io", "v1", "apiservices"
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = (
    "onstart",
    "true",
)  # the label's values: made at a start, or kept while it is wanted

GroupVersion = tuple[str, str]
# (priority of the group, of the version in it); a greater one comes first.
PRIORITIES: dict[GroupVersion, tuple[int, int]] = {
    ("", "v1"): (18000, 1),
    ("apps", "v1"): (17800, 15),
    ("events.k8s.io", "v1"): (17750, 15),
    ("authentication.k8s.io", "v1"): (17700, 15),
    ("authorization.k8s.io", "v1"): (17600, 15),
    ("autoscaling", "v2"): (17500, 30),
    ("autoscaling", "v1"): (17500, 15),
    ("batch", "v1"): (17400, 15),
    ("certificates.k8s.io", "v1"): (17300, 15),
    ("networking.k8s.io", "v1"): (17200, 15),
    ("policy", "v1"): (17100, 15),
    ("rbac.authorization.k8s.io", "v1"): (17000, 15),
    ("storage.k8s.io", "v1"): (16800, 15),
    ("apiextensions.k8s.io", "v1"): (16700, 15),
    ("admissionregistration.k8s.io", "v1"): (16700, 15),
    ("scheduling.k8s.io", "v1"): (16600, 15),
    ("coordination.k8s.io", "v1"): (16500, 15),
    ("node.k8s.io", "v1"): (16300, 15),
    ("discovery.k8s.io", "v1"): (16200, 15),
    ("resource.k8s.io", "v1"): (16200, 21),
    ("flowcontrol.apiserver.k8s.io", "v1"): (16100, 21),
}
OWN_PRIORITY = 20000  # of the group of APIServices itself, which has no APIService
CUSTOM = (1000, 100)  # of every definition


def name_of(group: str, version: str) -> str:
    return f"{version}.{group}"


def api_service(group: str, version: str, managed: str) -> Obj:
    """The APIService of something that this server serves itself."""
    of_group, of_version = PRIORITIES.get((group, version), CUSTOM)
    spec: Obj = {"version": version, "groupPriorityMinimum": of_group, "versionPriority": of_version}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "APIService",
        "metadata": {"name": name_of(group, version), "labels": {MANAGED: managed}},
        "spec": {"group": group, **spec} if group else spec,
    }


def custom_group_versions(definitions: Iterable[Obj]) -> set[GroupVersion]:
    """What definitions say is served."""
    return {
        (each["spec"]["group"], version["name"])
        for each in definitions
        for version in each["spec"]["versions"]
        if version.get("served")
    }


class Fix(NamedTuple):
    """What has to be done about an APIService: `verb` is create, update or delete."""

    verb: str
    obj: Obj


def fix(live: Obj | None, wanted: Obj | None, *, at_start: bool, synced: bool) -> Fix | None:
    """`at_start`: it was there when the controller began; `synced`: it has been put in order once since then."""
    label = _managed(live)
    if live is None and wanted is None:
        return None
    if wanted is not None and _managed(wanted) == ON_START and synced:
        return None
    if live is None:
        assert wanted is not None
        return Fix("create", wanted)
    if label not in (ON_START, ALWAYS) or (label == ON_START and (not at_start or synced)):
        return None
    if wanted is None:
        return Fix("delete", live)
    return None if live["spec"] == wanted["spec"] else Fix("update", {**live, "spec": wanted["spec"]})


def _managed(obj: Obj | None) -> str:
    return str((obj["metadata"].get("labels") or {}).get(MANAGED, "")) if obj is not None else ""


def available(obj: Obj) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Available" and c.get("status") == "True" for c in conditions)


# --- what others serve -----------------------------------------------------------------------------------------------


class Remote(NamedTuple):
    """A group version that another API server serves. `entries` are its resources as aggregated discovery lists them;
    `fresh` says whether the server was asked with success of late."""

    group: str
    version: str
    group_priority: int
    version_priority: int
    entries: tuple[Obj, ...] = ()
    fresh: bool = False


def aggregated(document: Any) -> dict[GroupVersion, tuple[Obj, ...]]:
    """The resources in an APIGroupDiscoveryList, by group version. Raises ValueError for something else."""
    if not isinstance(document, dict) or document.get("kind") != "APIGroupDiscoveryList":
        raise ValueError("not an APIGroupDiscoveryList")
    return {
        ((group.get("metadata") or {}).get("name", ""), version["version"]): tuple(version.get("resources") or ())
        for group in document.get("items") or ()
        for version in group.get("versions") or ()
    }


def from_legacy(document: Any) -> tuple[Obj, ...]:
    """The same for an APIResourceList (endpoints.ConvertGroupVersionIntoToDiscovery). Raises ValueError."""
    if not isinstance(document, dict) or document.get("kind") != "APIResourceList":
        raise ValueError("not an APIResourceList")
    found: dict[str, Obj] = {}
    for each in document.get("resources") or ():
        name, _, sub = each["name"].partition("/")
        kind = {"group": each.get("group", ""), "version": each.get("version", ""), "kind": each.get("kind", "")}
        verbs = list(each.get("verbs") or ())
        if sub:
            holder = found.setdefault(name, _entry(name, {**kind, "kind": ""}, each, []))
            holder.setdefault("subresources", []).append({"subresource": sub, "responseKind": kind, "verbs": verbs})
            continue
        entry = _entry(name, kind, each, verbs)
        if name in found and "subresources" in found[name]:  # a subresource came before it
            entry["subresources"] = found[name]["subresources"]
        found[name] = entry
    return tuple(found.values())


def _entry(name: str, kind: Obj, each: Obj, verbs: Sequence[str]) -> Obj:
    scope = "Namespaced" if each.get("namespaced") else "Cluster"
    entry: Obj = {"resource": name, "responseKind": kind, "scope": scope}
    entry["singularResource"] = each.get("singularName", "") if "/" not in each["name"] else ""
    entry["verbs"] = list(verbs)
    for key in ("shortNames", "categories"):
        if each.get(key):
            entry[key] = list(each[key])
    return entry
