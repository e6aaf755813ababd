"""Who may approve and sign certificate requests, and what none may ask for
(plugin/pkg/admission/certificates/{approval,signing,subjectrestriction,ctbattest})."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable

from wherry.access.admission import UPDATE, Ask, Plugin
from wherry.access.plugins.refusals import forbidden
from wherry.access.user import Attributes
from wherry.errors import go_quote

GROUP = "certificates.k8s.io"
REQUESTS = (GROUP, "certificatesigningrequests")
BUNDLES = (GROUP, "clustertrustbundles")
CLIENTS = "kubernetes.io/kube-apiserver-client"
Allowed = Callable[[Attributes], Awaitable[bool]]


def approval(allowed: Allowed) -> Plugin:
    """The right to approve is one for each signer."""

    async def plugin(ask: Ask) -> None:
        if ask.subresource != "approval" or ask.old is None:
            return
        signer = _signer(ask.old)
        if not await _may(allowed, ask, "approve", signer):
            raise forbidden(ask, f"user not permitted to approve requests with signerName {go_quote(signer)}")

    return plugin


def signing(allowed: Allowed) -> Plugin:
    """So is the right to sign; other changes of the status need none."""

    async def plugin(ask: Ask) -> None:
        if ask.subresource != "status" or ask.old is None or ask.obj is None:
            return
        before, after = ask.old.get("status") or {}, ask.obj.get("status") or {}
        if all((before.get(key) or None) == (after.get(key) or None) for key in ("certificate", "conditions")):
            return
        signer = _signer(ask.old)
        if not await _may(allowed, ask, "sign", signer):
            raise forbidden(ask, f"user not permitted to sign requests with signerName {go_quote(signer)}")

    return plugin


def attestation(allowed: Allowed) -> Plugin:
    """Whoever publishes the trust of a signer must be entitled to attest for it."""

    async def plugin(ask: Ask) -> None:
        if ask.obj is None or not (signer := _signer(ask.obj)):
            return
        if ask.operation == UPDATE and ask.old is not None and ask.old.get("spec") == ask.obj.get("spec"):
            return
        if not await _may(allowed, ask, "attest", signer):
            raise forbidden(ask, f"user not permitted to attest for signerName {go_quote(signer)}")

    return plugin


async def subject_restriction(ask: Ask) -> None:
    """No certificate of a client is for the group that may do everything."""
    if ask.subresource or ask.obj is None or _signer(ask.obj) != CLIENTS:
        return
    from wherry.machinery.builtin.policy.x509 import organizations

    try:
        found = organizations(base64.b64decode(ask.obj["spec"].get("request") or ""))
    except (binascii.Error, ValueError) as bad:
        raise forbidden(ask, f"failed to parse CSR: {bad}") from None
    if "system:masters" in found:
        raise forbidden(ask, f"use of {CLIENTS} signer with system:masters group is not allowed")


def _signer(obj: dict[str, object]) -> str:
    spec = obj.get("spec")
    return str(spec.get("signerName") or "") if isinstance(spec, dict) else ""


async def _may(allowed: Allowed, ask: Ask, verb: str, signer: str) -> bool:
    """By the name of the signer, or for all signers of its domain."""
    workspace = ask.definition.workspace
    for name in (signer, signer.split("/", maxsplit=1)[0] + "/*"):
        if await allowed(Attributes(ask.user, verb, "", True, GROUP, "*", "signers", "", "", name, workspace)):
            return True
    return False
