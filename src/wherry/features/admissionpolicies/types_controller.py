"""Wiring: each policy is checked once for every generation, against the kinds and schemas that are served then."""

from __future__ import annotations

from wherry.client import Client, Kind
from wherry.errors import NotFound
from wherry.features.admissionpolicies.types_reconcile import Obj, first_kinds, group_versions, params_kind
from wherry.runtime.informer import Key
from wherry.runtime.standalone import Standalone

GROUP = "admissionregistration.k8s.io"
POLICIES = Kind(GROUP, "v1", "validatingadmissionpolicies", namespaced=False)
MANAGER = "validatingadmissionpolicy-status-controller"
ACCOUNT = f"system:serviceaccount:kube-system:{MANAGER}"


class TypesController(Standalone):
    """One per workspace."""

    def __init__(self, client: Client):
        super().__init__(client, "admissionpolicies")
        self._policies = self._shared.collection(POLICIES)
        self._policies.handlers.append(self._changed)

    def _changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None:
            self._workers.queue.add(("", after["metadata"]["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """Say what is wrong with the types in one policy."""
        from wherry.machinery.cel.typecheck import expression_warnings
        from wherry.machinery.openapi.resolve import resolved

        policy = self._policies.get("", key[1])
        if policy is None:
            return None
        meta = policy["metadata"]
        if meta["generation"] <= (policy.get("status") or {}).get("observedGeneration", 0):
            return None
        served = {version: await self._served(*version) for version in group_versions(policy)}
        kinds, params = first_kinds(policy, served), params_kind(policy)
        documents = {
            version: await self._document(*version) for version in {kind[:2] for kind in (*kinds, params) if kind}
        }
        schemas = {kind: resolved(documents[kind[:2]], kind) for kind in kinds}
        warnings = expression_warnings(policy, schemas, params and resolved(documents[params[:2]], params))
        status = {"observedGeneration": meta["generation"], "typeChecking": {"expressionWarnings": warnings}}
        if not warnings:
            status["typeChecking"] = {}
        await self._write(meta, status)
        return None

    async def _served(self, group: str, version: str) -> dict[str, str]:
        """The kinds of a group version by resource."""
        try:
            found = await self._client.request("GET", Kind(group, version, "").root)
        except NotFound:
            return {}
        return {resource["name"]: resource["kind"] for resource in found["resources"]}

    async def _document(self, group: str, version: str) -> Obj:
        """The schemas of a group version (OpenAPI v3)."""
        try:
            found: Obj = await self._client.request("GET", "/openapi/v3" + Kind(group, version, "").root)
        except NotFound:
            return {}
        return found

    async def _write(self, meta: Obj, status: Obj) -> None:
        named = {"name": meta["name"], "uid": meta["uid"]}
        patch = {"apiVersion": f"{GROUP}/v1", "kind": "ValidatingAdmissionPolicy", "metadata": named, "status": status}
        written = await self._client.apply(POLICIES, patch, force=True, subresource="status", manager=MANAGER)
        self._policies.put(written)
