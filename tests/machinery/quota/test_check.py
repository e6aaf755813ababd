"""Whether there is room, what is charged, and the words of a refusal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.quota.amounts import growth, parsed, written
from wherry.machinery.quota.check import Limited, Refused, Request, Uncovered, charge
from wherry.machinery.quota.evaluators import Scope, counted, evaluator
from wherry.machinery.quota.usage import status

Obj = dict[str, Any]


class Nothing:
    now = 0.0

    def __init__(self, *objects: Obj):
        self._objects = objects

    def get(self, resource: Any, namespace: str, name: str) -> None:
        return None

    def objects(self, resource: tuple[str, str], namespace: str) -> tuple[Obj, ...]:
        return tuple(each for each in self._objects if each["kind"] == resource[1])


def quota(hard: Obj, used: Obj | None = None, name: str = "q", **spec: Any) -> Obj:
    zeros = dict.fromkeys(hard, "0")
    return {
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": {**zeros, **(used or {})}},
    }


def request(group: str, resource: str, obj: Obj | None = None, old: Obj | None = None, sub: str = "") -> Request:
    operation = "UPDATE" if old is not None else "CREATE"
    return Request(evaluator(group, resource), operation, sub, obj or {"metadata": {}}, old)


def service(kind: str, ports: int, revision: str = "") -> Obj:
    meta = {"resourceVersion": revision} if revision else {}
    return {"metadata": meta, "spec": {"type": kind, "ports": [{"port": p} for p in range(ports)]}}


def test_an_object_is_charged_to_every_quota_that_counts_it() -> None:
    quotas = [
        quota({"configmaps": "2"}),
        quota({"count/configmaps": "9", "pods": "1"}, {"count/configmaps": "3"}, "r"),
        quota({"secrets": "0"}, name="s"),
    ]
    found = charge(quotas, request("", "configmaps"), Nothing())
    assert {name: written(used) for name, used in found.items()} == {
        "q": {"configmaps": "1"},
        "r": {"count/configmaps": "4", "pods": "0"},
    }


def test_custom_kinds_count_by_their_group() -> None:
    with pytest.raises(Refused) as refused:
        charge([quota({"count/w.example.com": "0"})], request("example.com", "w"), Nothing())
    assert str(refused.value) == (
        "exceeded quota: q, requested: count/w.example.com=1, used: count/w.example.com=0, "
        "limited: count/w.example.com=0"
    )
    assert counted("count/w.example.com") == ("example.com", "w")
    assert counted("secrets") == ("", "secrets")
    assert counted("count/events") is None
    assert counted("requests.cpu") is None


def test_without_figures_nothing_may_be_made() -> None:
    unknown = quota({"configmaps": "2"})
    unknown["status"]["used"] = {}
    with pytest.raises(Refused, match=r"^status unknown for quota: q, resources: configmaps$"):
        charge([unknown], request("", "configmaps"), Nothing())
    unknown["status"] = {}  # nobody has said what is bounded
    assert charge([unknown], request("", "configmaps"), Nothing()) == {}


def test_an_update_is_charged_with_what_it_adds_and_gives_nothing_back() -> None:
    bound = [quota({"services.nodeports": "3"}, {"services.nodeports": "2"})]
    two = service("NodePort", 2, "5")
    assert charge(bound, request("", "services", service("NodePort", 2), two), Nothing()) == {}
    assert charge(bound, request("", "services", service("ClusterIP", 2), two), Nothing()) == {}
    found = charge(bound, request("", "services", service("NodePort", 3), two), Nothing())
    assert written(found["q"]) == {"services.nodeports": "3"}
    with pytest.raises(Refused, match=r"requested: services\.nodeports=2, used: services\.nodeports=2"):
        charge(bound, request("", "services", service("NodePort", 4), two), Nothing())


def test_an_update_that_brings_a_pod_under_a_quota_is_charged_in_full() -> None:
    def pod(**spec: Any) -> Obj:
        return {"metadata": {"resourceVersion": "1"}, "spec": {"containers": [{"name": "c"}], **spec}}

    bound = [quota({"pods": "1"}, scopes=["Terminating"])]
    change = request("", "pods", pod(activeDeadlineSeconds=5), pod())
    assert written(charge(bound, change, Nothing())["q"]) == {"pods": "1"}
    bound[0]["status"]["used"]["pods"] = "1"
    with pytest.raises(Refused, match="exceeded quota"):
        charge(bound, change, Nothing())


def test_a_status_is_charged_even_where_there_is_no_room() -> None:
    def claim(allocated: str) -> Obj:
        spec = {"resources": {"requests": {"storage": "1"}}}
        status = {"allocatedResources": {"storage": allocated}}
        return {"metadata": {"resourceVersion": "1"}, "spec": spec, "status": status}

    bound = [quota({"requests.storage": "1"}, {"requests.storage": "1"})]
    found = charge(bound, request("", "persistentvolumeclaims", claim("5"), claim("1"), "status"), Nothing())
    assert written(found["q"]) == {"requests.storage": "5"}


def test_negative_amounts_are_refused() -> None:
    claim = {"metadata": {}, "spec": {"resources": {"requests": {"storage": "-1"}}}}
    with pytest.raises(Refused, match=r"^quota usage is negative for resource\(s\): requests\.storage$"):
        charge([], request("", "persistentvolumeclaims", claim), Nothing())


def test_what_is_limited_needs_a_quota() -> None:
    limited = [Limited(("", "services"), ("loadbalancers",))]
    balancer = request("", "services", service("LoadBalancer", 1))
    with pytest.raises(Refused, match=r"^insufficient quota to consume: services\.loadbalancers$"):
        charge([], balancer, Nothing(), limited)
    assert charge([], request("", "services", service("ClusterIP", 1)), Nothing(), limited) == {}
    assert charge([quota({"services.loadbalancers": "1"})], balancer, Nothing(), limited)


def test_so_does_a_limited_scope() -> None:
    scope = Scope("PriorityClass", "In", ("high",))
    limited = [Limited(("", "pods"), scopes=(scope,))]
    pod = {"metadata": {}, "spec": {"containers": [], "priorityClassName": "high"}}
    with pytest.raises(Uncovered) as refused:
        charge([], request("", "pods", pod), Nothing(), limited)
    assert str(refused.value) == "insufficient quota to match these scopes: [{PriorityClass In [high]}]"
    selector = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
    assert charge([quota({"pods": "1"}, scopeSelector=selector)], request("", "pods", pod), Nothing(), limited)


def test_the_status_says_what_there_is() -> None:
    def there(kind: str, **spec: Any) -> Obj:
        return {"kind": kind, "metadata": {}, "spec": {"containers": [], **spec}}

    around = Nothing(there("pods"), there("pods", priorityClassName="p"), there("secrets"))
    known = [evaluator("", "pods"), evaluator("", "secrets")]
    fresh: Obj = {"metadata": {"namespace": "n"}, "spec": {"hard": {"pods": "5", "secrets": "2", "made.up/x": "1"}}}
    wanted = status(fresh, known, around)
    assert wanted == {
        "hard": {"made.up/x": "1", "pods": "5", "secrets": "2"},
        "used": {"pods": "2", "secrets": "1"},
    }
    assert status({**fresh, "status": wanted}, known, around) is None
    fresh["spec"]["scopes"] = ["PriorityClass"]
    scoped = status(fresh, known, around)
    assert scoped is not None
    assert scoped["used"] == {"pods": "1", "secrets": "0"}  # scopes mean nothing for Secrets: none is in one


_amounts = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50).map(str), max_size=4)


@given(_amounts, _amounts)
def test_growth_is_never_negative_and_covers_what_is_new(new: Obj, old: Obj) -> None:
    change = growth(parsed(new), parsed(old))
    assert change.keys() == new.keys() | old.keys()
    for name, amount in change.items():
        assert amount.value == max(0, int(new.get(name, 0)) - int(old.get(name, 0)))
