"""What claims use: storage, by class too, and devices, by class and by the extended resource that stands for it
(quota/v1/evaluator/core/persistent_volume_claims.go and resource_claims.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wherry.kit.quantity import Quantity, parse_quantity
from wherry.machinery.quota.amounts import ONE, ZERO, Amounts
from wherry.machinery.quota.evaluators import Around, Counter, GroupResource, Obj, Scope, selects
from wherry.machinery.quota.pods import DEVICE_CLASS, extended_in_quota

CLAIMS, STORAGE = "persistentvolumeclaims", "requests.storage"
_BY_CLASS = ".storageclass.storage.k8s.io/"
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"

PODS: GroupResource = ("", "pods")
CLASSES: GroupResource = ("resource.k8s.io", "deviceclasses")
DEVICE_CLAIMS: GroupResource = ("resource.k8s.io", "resourceclaims")
PER_CLASS = ".deviceclass.resource.k8s.io/devices"
IMPLICIT = f"requests.{DEVICE_CLASS}"
EXTENDED_CLAIM = "resource.kubernetes.io/extended-resource-claim"
_ALL_DEVICES = 32  # the most that an allocation result can hold


class StorageClaims(Counter):
    def __init__(self) -> None:
        super().__init__("", CLAIMS)
        self.names = frozenset([self.count, CLAIMS, STORAGE])

    def handles(self, operation: str, subresource: str, obj: Obj, old: Obj | None) -> bool:
        return operation in ("CREATE", "UPDATE") and subresource in ("", "status")

    def matching(self, names: Iterable[str], around: Around) -> list[str]:
        ends = (_BY_CLASS + CLAIMS, _BY_CLASS + STORAGE)
        return [name for name in names if name in self.names or name.endswith(ends)]

    def in_scope(self, scope: Scope, obj: Obj) -> bool:
        if scope.name != "VolumeAttributesClass":
            return False
        classes = attributes_classes(obj)
        return any(selects(scope, name) for name in classes) if classes else selects(scope, "")

    def scoped(self) -> bool:
        return True

    def usage(self, obj: Obj, around: Around) -> Amounts:
        annotations = obj["metadata"].get("annotations") or {}
        spec = obj.get("spec") or {}
        kind = annotations[_BETA_CLASS] if _BETA_CLASS in annotations else spec.get("storageClassName") or ""
        used: Amounts = {CLAIMS: ONE, self.count: ONE}
        if kind:
            used[kind + _BY_CLASS + CLAIMS] = ONE
        size = requested_storage(obj)
        if size is not None:
            used[STORAGE] = size
            if kind:
                used[kind + _BY_CLASS + STORAGE] = size
        return used


def requested_storage(claim: Obj) -> Quantity | None:
    """What a claim asks for, or what has been set aside for it where that is more; in whole bytes."""
    text = (((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")
    if text is None:
        return None
    size = parse_quantity(str(text)).round_up(0)
    allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")
    if allocated is not None and parse_quantity(str(allocated)) > size:
        return parse_quantity(str(allocated)).round_up(0)
    return size


def attributes_classes(claim: Obj) -> set[str]:
    """Every VolumeAttributesClass that a claim has to do with: wanted, in force, being changed to."""
    status = claim.get("status") or {}
    names = (
        (claim.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return {name for name in names if name}


class DeviceClaims(Counter):
    needs = (CLASSES, PODS)

    def __init__(self) -> None:
        super().__init__(*DEVICE_CLAIMS)

    def handles(self, operation: str, subresource: str, obj: Obj, old: Obj | None) -> bool:
        return not subresource and operation in ("CREATE", "UPDATE")

    def matching(self, names: Iterable[str], around: Around) -> list[str]:
        classes: Mapping[str, str] | None = None
        found: list[str] = []
        for name in names:
            if name == self.count or name.endswith(PER_CLASS):
                found.append(name)
            elif name.startswith(IMPLICIT) or extended_in_quota(name):
                classes = _extended(around) if classes is None else classes
                implicit = name.startswith(IMPLICIT) and name.removeprefix(IMPLICIT) in classes
                named = extended_in_quota(name) and name.removeprefix("requests.") in classes.values()
                if implicit or named:
                    found.append(name)
        return found

    def usage(self, obj: Obj, around: Around) -> Amounts:
        used: Amounts = {self.count: ONE}
        for request in ((obj.get("spec") or {}).get("devices") or {}).get("requests") or ():
            for name, count in _request(request).items():
                used[name] = used.get(name, ZERO).add(Quantity(count))
        devices = {name.removesuffix(PER_CLASS): n for name, n in used.items() if name.endswith(PER_CLASS)}
        devices.pop("", None)
        if devices:
            self._as_extended(used, devices, _owner_usage(obj, around), _extended(around))
        return used

    def _as_extended(self, used: Amounts, devices: Amounts, by_pod: Amounts, classes: Mapping[str, str]) -> None:
        """The same devices under the names by which pods ask for them, unless the pod has been charged already."""
        extended: Amounts = {}
        for name, amount in devices.items():
            extended[IMPLICIT + name] = amount
            if name in classes:
                extended[f"requests.{classes[name]}"] = amount
        for name, amount in extended.items():
            rest = amount.subtract(by_pod.get(name, ZERO))
            if rest.sign() > 0:
                used[name] = rest


def _request(request: Obj) -> dict[str, int]:
    """Devices by class that one request may get; of alternatives, the most for each class."""
    if request.get("firstAvailable"):
        found: dict[str, int] = {}
        for each in request["firstAvailable"]:
            name = each.get("deviceClassName", "") + PER_CLASS
            if (count := _devices(each)) > found.get(name, 0):
                found[name] = count
        return found
    if exactly := request.get("exactly"):
        return {exactly.get("deviceClassName", "") + PER_CLASS: _devices(exactly)}
    return {}


def _devices(request: Obj) -> int:
    mode = request.get("allocationMode")
    if mode == "ExactCount":
        return int(request.get("count") or 0)
    return _ALL_DEVICES if mode == "All" else 0


def _extended(around: Around) -> dict[str, str]:
    """Device classes that stand for an extended resource, and for which."""
    classes = around.objects(CLASSES, "")
    found = {each["metadata"]["name"]: (each.get("spec") or {}).get("extendedResourceName") for each in classes}
    return {name: extended for name, extended in found.items() if extended}


def _owner_usage(claim: Obj, around: Around) -> Amounts:
    """What the pod has been charged for which the scheduler made this claim; nothing unless it surely is its claim."""
    meta = claim["metadata"]
    if (meta.get("annotations") or {}).get(EXTENDED_CLAIM) != "true":
        return {}
    owner = _controller(claim)
    if owner is None:
        return {}
    namespace = meta.get("namespace", "")
    pod = around.get(PODS, namespace, owner["name"])
    if pod is None or pod["metadata"].get("uid") != owner.get("uid"):
        return {}
    known = (pod.get("status") or {}).get("extendedResourceClaimStatus")
    if known is not None and known.get("resourceClaimName") != meta.get("name"):
        return {}
    if known is None and any(_earlier(other, claim) for other in around.objects(DEVICE_CLAIMS, namespace)):
        return {}
    from wherry.machinery.quota.evaluators import evaluator

    return evaluator(*PODS).usage(pod, around)


def _controller(claim: Obj) -> Obj | None:
    refs = claim["metadata"].get("ownerReferences") or ()
    ref: Obj | None = next((ref for ref in refs if ref.get("controller")), None)
    return ref if ref is not None and ref.get("kind") == "Pod" and ref.get("apiVersion") == "v1" else None


def _earlier(other: Obj, claim: Obj) -> bool:
    """Whether another claim of the same pod came before."""
    a, b = other["metadata"], claim["metadata"]
    if (a.get("annotations") or {}).get(EXTENDED_CLAIM) != "true":
        return False
    mine, theirs = _controller(claim), _controller(other)
    if mine is None or theirs is None or mine.get("uid") != theirs.get("uid"):
        return False
    return bool((a["creationTimestamp"], a["name"]) < (b["creationTimestamp"], b["name"]))
