"""Controllers that people take for granted, and the admission that goes with them."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import Api, config_map, made, ok, pod, refused, service, unique
from tests.conformance.behaviours import Area, row

area = Area("controllers", "Controllers that people take for granted")

NAMESPACE = "kubernetes/pkg/controller/namespace/deletion/namespaced_resources_deleter.go"
GC = "kubernetes/pkg/controller/garbagecollector/garbagecollector.go"
QUOTA = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"
LIMITS = "https://kubernetes.io/docs/concepts/policy/limit-range/"


@area(
    "A new namespace gets the service account default.",
    "kubernetes/pkg/controller/serviceaccount/serviceaccounts_controller.go",
    controllers=True,
)
def test_default_account(api: Api) -> None:
    assert api.eventually(lambda: api.get("serviceaccounts/default").status == 200)


@area(
    "A deleted service account default comes back.",
    "kubernetes/pkg/controller/serviceaccount/serviceaccounts_controller.go",
    controllers=True,
)
def test_account_returns(api: Api) -> None:
    assert api.eventually(lambda: api.get("serviceaccounts/default").status == 200)
    uid = ok(api.get("serviceaccounts/default"))["metadata"]["uid"]
    ok(api.delete("serviceaccounts/default"))
    assert api.eventually(lambda: api.get("serviceaccounts/default").doc["metadata"].get("uid", uid) != uid)


@area("A namespace is labelled with its name.", "kubernetes/pkg/apis/core/v1/defaults.go SetDefaults_Namespace")
def test_namespace_label(api: Api) -> None:
    assert ok(api.get(f"/api/v1/namespaces/{api.namespace}"))["metadata"]["labels"] == {
        "kubernetes.io/metadata.name": api.namespace
    }


@area("A deleted namespace terminates and takes its objects along.", NAMESPACE, controllers=True)
def test_namespace_deletion(api: Api) -> None:
    api.config_map()
    path = f"/api/v1/namespaces/{api.namespace}"
    assert ok(api.delete(path))["status"]["phase"] == "Terminating"
    assert api.eventually(lambda: api.get(path).status == 404, 60)
    refused(api.get("configmaps/a"), 404, "NotFound")


@area(
    "Nothing is created in a namespace that terminates.",
    "apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go",
)
def test_terminating(api: Api) -> None:
    api.config_map("held", metadata={"finalizers": ["example.com/f"]})
    ok(api.delete(f"/api/v1/namespaces/{api.namespace}"))
    status = refused(api.post("configmaps", config_map("new")), 403, "Forbidden", "because it is being terminated")
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    ok(api.merge("configmaps/held", {"metadata": {"finalizers": None}}))


@area("The conditions of a namespace say what holds it.", NAMESPACE, controllers=True)
def test_namespace_conditions(api: Api) -> None:
    api.config_map("held", metadata={"finalizers": ["example.com/f"]})
    path = f"/api/v1/namespaces/{api.namespace}"
    ok(api.delete(path))

    def held() -> bool:
        found = {c["type"]: c["status"] for c in ok(api.get(path))["status"].get("conditions", [])}
        return found.get("NamespaceFinalizersRemaining") == "True"

    assert api.eventually(held, 60)
    ok(api.merge("configmaps/held", {"metadata": {"finalizers": None}}))


@area("default cannot be deleted.", "apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go")
def test_default_namespace(api: Api) -> None:
    refused(api.delete("/api/v1/namespaces/default"), 403, "Forbidden", "this namespace may not be deleted")


def owned(api: Api, name: str, owner: Any, **more: Any) -> Any:
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **more,
    }
    return api.config_map(name, metadata={"ownerReferences": [reference]})


@area("What belongs to a deleted object goes after it.", GC, controllers=True)
def test_background(api: Api) -> None:
    owned(api, "child", api.config_map("owner"))
    ok(api.delete("configmaps/owner"))
    assert api.eventually(lambda: api.get("configmaps/child").status == 404, 60)


@area("What belongs to an orphaning object stays and forgets its owner.", GC, controllers=True)
def test_orphan(api: Api) -> None:
    owned(api, "child", api.config_map("owner"))
    ok(api.delete("configmaps/owner", {"propagationPolicy": "Orphan"}))
    assert api.eventually(lambda: api.get("configmaps/owner").status == 404, 60)
    assert "ownerReferences" not in ok(api.get("configmaps/child"))["metadata"]


@area("Foreground deletion removes the dependents first.", GC, controllers=True)
def test_foreground(api: Api) -> None:
    owned(api, "child", api.config_map("owner"), blockOwnerDeletion=True)
    ok(api.delete("configmaps/owner", {"propagationPolicy": "Foreground"}))
    assert api.eventually(lambda: api.get("configmaps/owner").status == 404, 60)
    refused(api.get("configmaps/child"), 404, "NotFound")


@area("An owner that never was is absent: what names it goes.", GC, controllers=True)
def test_absent_owner(api: Api) -> None:
    owned(api, "child", {"metadata": {"name": "none", "uid": "00000000-0000-0000-0000-000000000000"}})
    assert api.eventually(lambda: api.get("configmaps/child").status == 404, 60)


@area("An owner is known by its uid, not by its name.", GC, controllers=True)
def test_owner_uid(api: Api) -> None:
    api.config_map("owner")
    owned(api, "child", {"metadata": {"name": "owner", "uid": "00000000-0000-0000-0000-000000000000"}})
    assert api.eventually(lambda: api.get("configmaps/child").status == 404, 60)


@area("With two owners, one that is left keeps an object.", GC, controllers=True)
def test_two_owners(api: Api) -> None:
    references = []
    for name in ("one", "two"):
        owner = api.config_map(name)
        references.append({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner["metadata"]["uid"]})
    api.config_map("child", metadata={"ownerReferences": references})
    ok(api.delete("configmaps/one"))

    def one_left() -> bool:
        return len(ok(api.get("configmaps/child"))["metadata"]["ownerReferences"]) == 1

    assert api.eventually(one_left, 60)


@area("What goes beyond a quota is refused with the counts.", QUOTA, controllers=True)
def test_quota_refuses(api: Api) -> None:
    made(api.post("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"secrets": "1"}}}))
    assert api.eventually(lambda: "used" in ok(api.get("resourcequotas/q")).get("status", {}), 60)
    made(api.post("secrets", {"metadata": {"name": "s"}}))
    refused(
        api.post("secrets", {"metadata": {"name": "t"}}),
        403,
        "Forbidden",
        "exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1",
    )


@area("A quota of compute wants pods that say what they need.", QUOTA, controllers=True)
def test_quota_compute(api: Api) -> None:
    made(api.post("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "1"}}}))
    assert api.eventually(lambda: "used" in ok(api.get("resourcequotas/q")).get("status", {}), 60)
    refused(api.post("pods", pod()), 403, "Forbidden", "failed quota: q: must specify requests.cpu for: c")


def limit(api: Api, **rules: Any) -> None:
    made(api.post("limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", **rules}]}}))


@area("A limit range gives containers their defaults.", LIMITS)
def test_limit_defaults(api: Api) -> None:
    limit(api, default={"cpu": "2"}, defaultRequest={"cpu": "1"})

    def defaulted() -> bool:
        resources = made(api.post("pods?dryRun=All", pod()))["spec"]["containers"][0]["resources"]
        return bool(resources == {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}})

    assert api.eventually(defaulted, 5)


@area("A limit range refuses what asks for too much.", LIMITS)
def test_limit_refuses(api: Api) -> None:
    limit(api, max={"cpu": "1"})
    body = pod(containers=[{"name": "c", "image": "i", "resources": {"limits": {"cpu": "2"}}}])
    assert api.eventually(lambda: api.post("pods?dryRun=All", body).status == 403, 5)
    refused(api.post("pods", body), 403, "Forbidden", "maximum cpu usage per Container is 1, but limit is 2")


@area(
    "A claim is protected by a finalizer from the start.",
    "kubernetes/plugin/pkg/admission/storage/storageobjectinuseprotection/admission.go",
)
def test_claim_protection(api: Api) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = made(api.post("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec}))
    assert claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


@area(
    "A claim that no pod uses goes when it is deleted.",
    "kubernetes/pkg/controller/volume/pvcprotection/pvc_protection_controller.go",
    controllers=True,
)
def test_claim_goes(api: Api) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made(api.post("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec}))
    ok(api.delete("persistentvolumeclaims/c"))
    assert api.eventually(lambda: api.get("persistentvolumeclaims/c").status == 404)


@area(
    "A Service with a selector gets Endpoints and an EndpointSlice.",
    "kubernetes/pkg/controller/endpointslice/endpointslice_controller.go",
    controllers=True,
)
def test_endpoints(api: Api) -> None:
    made(api.post("services", service(selector={"app": "x"})))
    assert api.eventually(lambda: api.get("endpoints/s").status == 200)
    path = "discovery/endpointslices?labelSelector=kubernetes.io/service-name%3Ds"
    assert api.eventually(lambda: len(ok(api.get(path))["items"]) == 1)


@area(
    "A ready pod is an endpoint of its Service.",
    "kubernetes/pkg/controller/endpointslice/endpointslice_controller.go",
    controllers=True,
)
def test_ready_endpoint(api: Api) -> None:
    made(api.post("services", service(selector={"app": "x"})))
    made(api.post("pods", pod(metadata={"labels": {"app": "x"}}, nodeName=unique("n"))))
    status = {
        "phase": "Running",
        "podIP": "10.9.8.7",
        "podIPs": [{"ip": "10.9.8.7"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    ok(api.merge("pods/p/status", {"status": status}))

    def listed() -> bool:
        subsets = api.get("endpoints/s").doc.get("subsets") or [{}]
        return [a["ip"] for a in subsets[0].get("addresses", [])] == ["10.9.8.7"]

    assert api.eventually(listed)
    ok(api.delete("pods/p?gracePeriodSeconds=0"))


@area.table(
    "https://kubernetes.io/docs/concepts/security/pod-security-admission/",
    row("security-enforce", "A namespace may enforce a level of pod security.", "enforce", 403),
    row("security-warn", "A namespace may warn of it.", "warn", 201),
)
def test_pod_security(api: Api, mode: str, code: int) -> None:
    label = {"metadata": {"labels": {f"pod-security.kubernetes.io/{mode}": "baseline"}}}
    ok(api.merge(f"/api/v1/namespaces/{api.namespace}", label))

    def judged() -> bool:
        answer = api.post("pods?dryRun=All", pod(hostNetwork=True))
        return answer.status == code and (
            code == 403 or any('would violate PodSecurity "baseline:latest"' in w for w in answer.warnings)
        )

    assert api.eventually(judged, 5)


@area(
    "A budget that allows no disruption makes an eviction 429.",
    "kubernetes/pkg/registry/core/pod/storage/eviction.go",
    controllers=True,
)
def test_budget(api: Api) -> None:
    made(
        api.post(
            "policy/poddisruptionbudgets",
            {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}},
        )
    )
    made(api.post("pods", pod(metadata={"labels": {"app": "x"}}, nodeName=unique("n"))))
    ok(
        api.merge(
            "pods/p/status", {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        )
    )

    def refused_() -> bool:
        answer = api.post("pods/p/eviction", {"metadata": {"name": "p"}})
        return answer.status == 429 and "it would violate the pod's disruption budget" in answer.doc["message"]

    assert api.eventually(
        lambda: ok(api.get("policy/poddisruptionbudgets/b")).get("status", {}).get("observedGeneration") == 1
    )
    assert api.eventually(refused_, 10)
    ok(api.delete("pods/p?gracePeriodSeconds=0"))
