"""Approved certificate requests of users and kubelets are signed by the control plane's own authority
(k8s.io/kubernetes/pkg/controller/certificates/signer).

A controller like any other, but for the authority's key: that is why it lives here and not among the features.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from wherry.client import Client, Kind
from wherry.kit.pki import DAY, Pki
from wherry.runtime.informer import Key
from wherry.runtime.standalone import Standalone

USER = "system:serviceaccount:kube-system:certificate-controller"
SIGNER = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT, KUBELET_SERVING = "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"
SIGNERS = (SIGNER, KUBELET_CLIENT, KUBELET_SERVING)
_REQUESTS = Kind("certificates.k8s.io", "v1", "certificatesigningrequests", namespaced=False)
_SHORTEST, _LONGEST = 600, 365 * DAY

Obj = dict[str, Any]


def wanted(request: Obj) -> bool:
    """Approved, for one of these signers, and not settled yet."""
    status = request.get("status") or {}
    true = {c["type"] for c in status.get("conditions") or () if c.get("status") == "True"}
    settled = "Failed" in true or "Denied" in true or status.get("certificate")
    return request["spec"].get("signerName") in SIGNERS and "Approved" in true and not settled


def unfit(usages: Sequence[str]) -> str:
    """Why a client's certificate must not be good for this; empty when it may."""
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def problem(spec: Obj) -> str:
    """Why a request must not be signed; empty when it may. Raises ValueError for one that cannot be read."""
    usages = spec.get("usages") or ()
    if spec.get("signerName") == SIGNER:
        return unfit(usages)
    from wherry.kit.csr import facts
    from wherry.kit.nodecertificates import client_problem, serving_problem

    asked = facts(base64.b64decode(spec["request"]))
    return (client_problem if spec["signerName"] == KUBELET_CLIENT else serving_problem)(asked, usages)


def lifetime(asked: int | None) -> int:
    """Seconds that a certificate lives: as asked for, within bounds."""
    return _LONGEST if asked is None else min(max(asked, _SHORTEST), _LONGEST)


class RequestSigner(Standalone):
    """One per workspace."""

    def __init__(self, client: Client, pki: Pki):
        self._pki = pki
        super().__init__(client, "certificates")
        self._requests = self._shared.collection(_REQUESTS)
        self._requests.handlers.append(self._changed)

    def _changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None and wanted(after):
            self._workers.queue.add(("", after["metadata"]["name"]))

    def _sign(self, spec: Obj) -> bytes:
        asked, request = lifetime(spec.get("expirationSeconds")), base64.b64decode(spec["request"])
        return self._pki.sign_request(request, spec["usages"], asked, ("system:masters",))

    async def reconcile(self, key: Key) -> float | None:
        """Sign, or say why not."""
        request = self._requests.get("", key[1])
        if request is None or not wanted(request):
            return None
        spec, meta = request["spec"], request["metadata"]
        status: Obj
        why, pem = "", b""
        try:
            why = problem(spec)
            pem = b"" if why else self._sign(spec)
        except (PermissionError, ValueError) as error:
            why = str(error)
        if why:
            failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why}
            status = {"conditions": [*request["status"]["conditions"], failed]}
        else:
            status = {"certificate": base64.b64encode(pem).decode("ascii")}
        same = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        patch = {"metadata": same, "status": status}
        self._requests.put(await self._client.patch(_REQUESTS, key[1], patch, subresource="status"))
        return None
