"""What pods use of a quota, what they must say, and which scopes they are in."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery.quota import pods
from wherry.machinery.quota.amounts import written
from wherry.machinery.quota.evaluators import Scope, evaluator

Obj = dict[str, Any]


class Nothing:
    now = 1_000_000.0

    def get(self, resource: Any, namespace: str, name: str) -> None:
        return None

    def objects(self, resource: Any, namespace: str) -> tuple[()]:
        return ()


def container(name: str = "c", requests: Obj | None = None, limits: Obj | None = None, **more: Any) -> Obj:
    resources = {key: part for key, part in (("requests", requests), ("limits", limits)) if part}
    return {"name": name, "resources": resources, **more}


def pod(*containers: Obj, status: Obj | None = None, meta: Obj | None = None, **spec: Any) -> Obj:
    return {"metadata": meta or {}, "spec": {"containers": list(containers), **spec}, "status": status or {}}


def usage(obj: Obj) -> dict[str, str]:
    return written(evaluator("", "pods").usage(obj, Nothing()))


def test_every_resource_goes_by_the_names_that_quotas_use() -> None:
    requests = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1G", "hugepages-2Mi": "4Mi", "example.com/gpu": "2"}
    assert usage(pod(container(requests=requests, limits={"cpu": "2"}))) == {
        "count/pods": "1",
        "cpu": "1",
        "ephemeral-storage": "1G",
        "hugepages-2Mi": "4Mi",
        "limits.cpu": "2",
        "memory": "1Gi",
        "pods": "1",
        "requests.cpu": "1",
        "requests.ephemeral-storage": "1G",
        "requests.example.com/gpu": "2",
        "requests.hugepages-2Mi": "4Mi",
        "requests.memory": "1Gi",
    }


def test_starting_up_counts_where_it_takes_more_and_sidecars_stay() -> None:
    sidecar = container("s", {"cpu": "1"}, restartPolicy="Always")
    small, large = container("i", {"cpu": "1"}), container("j", {"cpu": "5"})
    assert usage(pod(container(requests={"cpu": "2"}), initContainers=[sidecar, small]))["cpu"] == "3"
    assert usage(pod(container(requests={"cpu": "2"}), initContainers=[sidecar, large]))["cpu"] == "6"
    assert usage(pod(container(requests={"cpu": "2"}), initContainers=[large, sidecar]))["cpu"] == "5"


def test_overhead_adds_to_requests_and_to_what_is_limited() -> None:
    used = usage(pod(container(requests={"cpu": "1"}, limits={"cpu": "2"}), overhead={"cpu": "250m", "memory": "1Mi"}))
    assert (used["requests.cpu"], used["limits.cpu"], used["memory"]) == ("1250m", "2250m", "1Mi")
    assert "limits.memory" not in used


def test_what_the_pod_says_counts_instead_of_its_containers() -> None:
    used = usage(pod(container(requests={"cpu": "1", "ephemeral-storage": "1"}), resources={"requests": {"cpu": "3"}}))
    assert (used["cpu"], used["ephemeral-storage"]) == ("3", "1")


def test_a_resize_counts_as_the_most_of_what_is_wanted_and_what_there_is() -> None:
    state = {"name": "c", "resources": {"requests": {"cpu": "3"}}, "allocatedResources": {"cpu": "2"}}
    wanted = container(requests={"cpu": "1"})
    assert usage(pod(wanted, status={"containerStatuses": [state]}))["cpu"] == "3"
    wanted = container(requests={"cpu": "9"})
    assert usage(pod(wanted, status={"containerStatuses": [state]}))["cpu"] == "9"
    never = [{"type": "PodResizePending", "reason": "Infeasible"}]
    assert usage(pod(wanted, status={"containerStatuses": [state], "conditions": never}))["cpu"] == "3"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_through_is_only_an_object(phase: str) -> None:
    assert usage(pod(container(requests={"cpu": "1"}), status={"phase": phase})) == {"count/pods": "1"}


def test_so_is_one_that_should_have_been_gone() -> None:
    meta = {"deletionTimestamp": "1970-01-12T13:46:00Z", "deletionGracePeriodSeconds": 30}  # 40 s ago
    assert usage(pod(container(), meta=meta)) == {"count/pods": "1"}
    assert "pods" in usage(pod(container(), meta={**meta, "deletionGracePeriodSeconds": 60}))


def test_who_must_say_what() -> None:
    two = pod(container("b", {"cpu": "1"}), container("a"), initContainers=[container("z", limits={"memory": "1"})])
    missing = evaluator("", "pods").missing
    assert missing(["cpu", "limits.memory", "pods", "ephemeral-storage"], two) == (
        "must specify cpu for: a,z; limits.memory for: a,b"
    )
    assert missing(["requests.example.com/gpu", "hugepages-2Mi"], two) == ""
    two["spec"]["resources"] = {"limits": {"cpu": "1"}}
    assert missing(["cpu", "limits.memory"], two) == ""


def test_names_of_a_quota_that_concern_pods() -> None:
    names = ["requests.cpu", "requests.example.com/x", "example.com/x", "hugepages-1Gi", "requests.storage", "secrets"]
    assert evaluator("", "pods").matching(names, Nothing()) == [
        "requests.cpu",
        "requests.example.com/x",
        "hugepages-1Gi",
    ]


_TERM = {"topologyKey": "k", "namespaces": ["other"]}


@pytest.mark.parametrize(
    ("scope", "spec", "inside"),
    [
        (Scope("Terminating"), {"activeDeadlineSeconds": 0}, True),
        (Scope("Terminating"), {}, False),
        (Scope("NotTerminating"), {}, True),
        (Scope("BestEffort"), {}, True),
        (Scope("NotBestEffort"), {"containers": [container(requests={"cpu": "1"})]}, True),
        (Scope("PriorityClass"), {"priorityClassName": "p"}, True),
        (Scope("PriorityClass"), {}, False),
        (Scope("PriorityClass", "DoesNotExist"), {}, True),
        (Scope("PriorityClass", "In", ("p", "q")), {"priorityClassName": "q"}, True),
        (Scope("PriorityClass", "In", ("p",)), {}, False),
        (Scope("PriorityClass", "NotIn", ("p",)), {"priorityClassName": "q"}, True),
        (Scope("PriorityClass", "NotIn", ("p",)), {}, True),
        (Scope("CrossNamespacePodAffinity"), {}, False),
        (
            Scope("CrossNamespacePodAffinity"),
            {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_TERM]}}},
            True,
        ),
        (
            Scope("CrossNamespacePodAffinity"),
            {
                "affinity": {
                    "podAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 1, "podAffinityTerm": {"topologyKey": "k", "namespaceSelector": {}}}
                        ]
                    }
                }
            },
            True,
        ),
        (Scope("VolumeAttributesClass"), {}, False),
    ],
)
def test_scopes(scope: Scope, spec: Obj, inside: bool) -> None:
    obj = pod(*(spec.pop("containers", None) or [container()]), **spec)
    assert pods.pod_in_scope(scope, obj) is inside
