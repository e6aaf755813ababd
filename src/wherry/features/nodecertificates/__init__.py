"""Kubelets that may get a client certificate get it without anyone approving by hand
(kube-controller-manager's csrapproving controller)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from wherry.client import Client, Kind
from wherry.client.client import Obj
from wherry.feature import Feature, Runnable
from wherry.runtime import Controller

REQUESTS = Kind("certificates.k8s.io", "v1", "certificatesigningrequests", namespaced=False)
REVIEWS = Kind("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)
SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
_SELF, _OTHER = "selfnodeclient", "nodeclient"
_SAID = {
    _SELF: "Auto approving self kubelet client certificate after SubjectAccessReview.",
    _OTHER: "Auto approving kubelet client certificate after SubjectAccessReview.",
}


def open_request(request: Obj) -> bool:
    """Of this signer, and nobody has decided yet."""
    status = request.get("status") or {}
    decided = {condition["type"] for condition in status.get("conditions") or ()} & {"Approved", "Denied"}
    return request["spec"].get("signerName") == SIGNER and not status.get("certificate") and not decided


def rights(spec: Obj) -> list[str]:
    """Either of these rights suffices for the request; none for what is no kubelet's."""
    from wherry.kit.csr import facts
    from wherry.kit.nodecertificates import client_problem

    try:
        asked = facts(base64.b64decode(spec["request"]))
    except ValueError:
        return []
    if client_problem(asked, spec.get("usages") or ()):
        return []
    return [_SELF, _OTHER] if spec.get("username") == asked.name else [_OTHER]


def _controllers(client: Client) -> Sequence[Runnable]:
    async def allowed(spec: Obj, right: str) -> bool:
        attributes = {
            "group": REQUESTS.group, "resource": REQUESTS.resource, "verb": "create", "subresource": right,
            "version": "*",
        }  # fmt: skip
        asked = {"user": spec.get("username"), "resourceAttributes": attributes}
        asked.update({key: spec[key] for key in ("uid", "groups", "extra") if spec.get(key)})
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
        return bool((await client.create(REVIEWS, review))["status"].get("allowed"))

    async def reconcile(key: tuple[str, str]) -> None:
        request = controller.informer.objects.get(key)
        if request is None or not open_request(request):
            return
        for right in rights(request["spec"]):
            if await allowed(request["spec"], right):
                kept = (request.get("status") or {}).get("conditions") or []
                condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": _SAID[right]}
                version = {"resourceVersion": request["metadata"]["resourceVersion"]}
                patch = {"metadata": version, "status": {"conditions": [*kept, condition]}}
                await client.patch(REQUESTS, key[1], patch, subresource="approval")
                return

    controller = Controller("nodecertificates", client, REQUESTS, reconcile)
    return [controller]


FEATURE = Feature(
    "nodecertificates",
    "system:serviceaccount:kube-system:certificate-controller",
    _controllers,
    wakes_on=("certificatesigningrequests.certificates.k8s.io",),
)
