"""What claims for storage and for devices use, and what Services do."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery.quota.amounts import written
from wherry.machinery.quota.claims import CLASSES, DEVICE_CLAIMS, PODS
from wherry.machinery.quota.evaluators import Scope, evaluator

Obj = dict[str, Any]


class Fixed:
    now = 0.0

    def __init__(self, **kinds: list[Obj]):
        self._kinds = kinds

    def get(self, resource: tuple[str, str], namespace: str, name: str) -> Obj | None:
        return next((obj for obj in self.objects(resource, namespace) if obj["metadata"]["name"] == name), None)

    def objects(self, resource: tuple[str, str], namespace: str) -> list[Obj]:
        return self._kinds.get(resource[1], [])


def claim(size: str = "1Gi", allocated: str = "", annotations: Obj | None = None, **spec: Any) -> Obj:
    status = {"allocatedResources": {"storage": allocated}} if allocated else {}
    meta = {"name": "c", "annotations": annotations or {}}
    return {"metadata": meta, "spec": {"resources": {"requests": {"storage": size}}, **spec}, "status": status}


def used(group: str, resource: str, obj: Obj, around: Fixed | None = None) -> dict[str, str]:
    return written(evaluator(group, resource).usage(obj, around or Fixed()))


def test_storage_counts_in_all_and_by_class() -> None:
    assert used("", "persistentvolumeclaims", claim(storageClassName="gold")) == {
        "count/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
        "persistentvolumeclaims": "1",
        "requests.storage": "1Gi",
    }
    beta = claim(annotations={"volume.beta.kubernetes.io/storage-class": ""}, storageClassName="gold")
    assert not any("gold" in name for name in used("", "persistentvolumeclaims", beta))


@pytest.mark.parametrize(
    ("size", "allocated", "counted"), [("1", "2", "2"), ("3", "2", "3"), ("1500m", "", "2"), ("1", "2500m", "3")]
)
def test_storage_is_what_is_asked_for_or_more_that_is_set_aside(size: str, allocated: str, counted: str) -> None:
    assert used("", "persistentvolumeclaims", claim(size, allocated))["requests.storage"] == counted


def test_names_and_scopes_of_storage() -> None:
    found = evaluator("", "persistentvolumeclaims")
    names = ["requests.storage", "a.storageclass.storage.k8s.io/requests.storage", "x/requests.storage", "pods"]
    assert found.matching(names, Fixed()) == names[:2]
    scope = Scope("VolumeAttributesClass", "In", ("fast",))
    assert not found.in_scope(scope, claim())
    assert found.in_scope(scope, claim(volumeAttributesClassName="fast"))
    current = {**claim(), "status": {"currentVolumeAttributesClassName": "fast"}}
    assert found.in_scope(scope, current)
    assert not found.in_scope(Scope("VolumeAttributesClass", "DoesNotExist"), current)
    assert found.in_scope(Scope("VolumeAttributesClass", "DoesNotExist"), claim())


@pytest.mark.parametrize(
    ("spec", "node_ports", "balancers"),
    [
        ({"type": "ClusterIP"}, "0", "0"),
        ({"type": "NodePort"}, "2", "0"),
        ({"type": "LoadBalancer"}, "2", "1"),
        ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, "1", "1"),
    ],
)
def test_services(spec: Obj, node_ports: str, balancers: str) -> None:
    service = {"metadata": {}, "spec": {"ports": [{"port": 1, "nodePort": 30000}, {"port": 2}], **spec}}
    assert used("", "services", service) == {
        "count/services": "1",
        "services": "1",
        "services.loadbalancers": balancers,
        "services.nodeports": node_ports,
    }


def devices(*requests: Obj, meta: Obj | None = None) -> Obj:
    base = {"name": "c", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": {**base, **(meta or {})}, "spec": {"devices": {"requests": list(requests)}}}


def exactly(count: int, device_class: str = "gpu", **more: Any) -> Obj:
    return {"exactly": {"deviceClassName": device_class, "allocationMode": "ExactCount", "count": count, **more}}


GPU = {"metadata": {"name": "gpu"}, "spec": {"extendedResourceName": "example.com/gpu"}}
BY_CLASS = "gpu.deviceclass.resource.k8s.io/devices"
IMPLICIT = "requests.deviceclass.resource.kubernetes.io/gpu"


def test_devices_count_by_class_and_as_extended_resources() -> None:
    around = Fixed(deviceclasses=[GPU])
    assert used(*DEVICE_CLAIMS, devices(exactly(2), exactly(1)), around) == {
        "count/resourceclaims.resource.k8s.io": "1",
        BY_CLASS: "3",
        IMPLICIT: "3",
        "requests.example.com/gpu": "3",
    }
    names = [IMPLICIT, "requests.example.com/gpu", "requests.example.com/other", BY_CLASS, "requests.cpu"]
    found = evaluator(*DEVICE_CLAIMS)
    assert found.matching(names, around) == [IMPLICIT, "requests.example.com/gpu", BY_CLASS]
    assert found.matching(names, Fixed()) == [BY_CLASS]
    assert found.needs == (CLASSES, PODS)


def test_all_devices_are_as_many_as_there_may_be_and_of_alternatives_the_most_counts() -> None:
    every = {"exactly": {"deviceClassName": "gpu", "allocationMode": "All"}}
    assert used(*DEVICE_CLAIMS, devices(every))[BY_CLASS] == "32"
    either = {"firstAvailable": [exactly(2)["exactly"], exactly(5)["exactly"], exactly(1, "tpu")["exactly"]]}
    found = used(*DEVICE_CLAIMS, devices(either))
    assert (found[BY_CLASS], found["tpu.deviceclass.resource.k8s.io/devices"]) == ("5", "1")


def test_what_the_pod_was_charged_for_is_not_charged_again() -> None:
    owner = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "u", "controller": True}
    special = {"annotations": {"resource.kubernetes.io/extended-resource-claim": "true"}, "ownerReferences": [owner]}
    asks = {"requests": {"example.com/gpu": "2"}}
    pod = {"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{"name": "c", "resources": asks}]}}
    mine = devices(exactly(3), meta=special)
    around = Fixed(deviceclasses=[GPU], pods=[pod], resourceclaims=[mine])
    assert used(*DEVICE_CLAIMS, mine, around)["requests.example.com/gpu"] == "1"
    older = devices(exactly(1), meta={**special, "name": "b"})
    around = Fixed(deviceclasses=[GPU], pods=[pod], resourceclaims=[mine, older])
    assert used(*DEVICE_CLAIMS, mine, around)["requests.example.com/gpu"] == "3"  # the older one is the pod's
    known = {**pod, "status": {"extendedResourceClaimStatus": {"resourceClaimName": "c"}}}
    around = Fixed(deviceclasses=[GPU], pods=[known], resourceclaims=[mine, older])
    assert used(*DEVICE_CLAIMS, mine, around)["requests.example.com/gpu"] == "1"
