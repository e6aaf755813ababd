"""What an export has without being told: an identity, and the addresses at which its provider sees its consumers.

The identity is the hash of a secret in the provider's workspace. Who has the secret can offer the same kinds from
somewhere else; who does not can offer kinds of the same names, and they are others (kcp's apiexport controllers).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

from wherry.machinery.kinds import Obj
from wherry.storage.api import Storage
from wherry.workspaces.conditions import set_condition
from wherry.workspaces.objects import create, key, read
from wherry.workspaces.sharing import SLICES
from wherry.workspaces.sharing.index import Export

NAMESPACE = "kcp-system"
SKIP = "apiexports.apis.kcp.io/skip-endpointslice"
PREFIX = "/services/apiexport/"


async def ensure_secret(space: Storage, export: str, now: str) -> None:
    """The secret that an export gets when it names none."""
    namespace: Obj = {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": NAMESPACE, "labels": {"kubernetes.io/metadata.name": NAMESPACE}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
    await create(space, key("", "namespaces", NAMESPACE), namespace, now)
    random = secrets.token_hex(32).encode()
    secret: Obj = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": export, "namespace": NAMESPACE},
        "data": {"key": base64.b64encode(random).decode()},
        "type": "Opaque",
    }
    await create(space, key("", "secrets", export, NAMESPACE), secret, now)


def identify(space: Storage, obj: Obj, now: str) -> Obj:
    """An export with the identity that its secret gives it."""
    name = obj["metadata"]["name"]
    spec = obj["spec"] = dict(obj.get("spec") or {})
    identity = spec["identity"] = dict(spec.get("identity") or {})
    wanted: dict[str, Any] = identity.setdefault("secretRef", {"namespace": NAMESPACE, "name": name})
    status = obj["status"] = dict(obj.get("status") or {})
    where, called = wanted.get("namespace", ""), wanted.get("name", "")
    secret = read(space, key("", "secrets", called, where))
    wrong, found = "", ""
    if secret is None:
        wrong = f'secrets "{called}" not found'
    elif not (secret.get("data") or {}).get("key"):
        wrong = "secret is missing data.key"
    else:
        found = hashlib.sha256(base64.b64decode(secret["data"]["key"])).hexdigest()
        known = status.setdefault("identityHash", found)
        if known != found:
            wrong = f'hash mismatch: identity secret hash "{found}" must match status.identityHash "{known}"'
    set_condition(status, "IdentityValid", not wrong, now, "IdentityVerificationFailed", wrong)
    return obj


async def ensure_slice(space: Storage, obj: Obj, path: str, now: str) -> None:
    """The list of addresses that belongs to every export, unless its owner does without."""
    meta = obj["metadata"]
    if SKIP in (meta.get("annotations") or {}):
        return
    owner = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "name": meta["name"], "uid": meta["uid"]}
    found: Obj = {
        "kind": "APIExportEndpointSlice",
        "apiVersion": "apis.kcp.io/v1alpha1",
        "metadata": {"name": meta["name"], "ownerReferences": [owner]},
        "spec": {"export": {"name": meta["name"], "path": path}},
    }
    await create(space, SLICES + meta["name"], found, now)


def list_endpoints(obj: Obj, export: Export | None, shown: str, consumed: bool, base: str, now: str) -> Obj:
    """A slice with the address of its export; there is one while somebody binds it."""
    status = obj["status"] = dict(obj.get("status") or {})
    if export is None:
        status.pop("endpoints", None)
        text = f"Error getting APIExport {shown}"
        set_condition(status, "APIExportValid", False, now, "APIExportNotFound", text)
        return obj
    set_condition(status, "APIExportValid", True, now)
    if (obj.get("spec") or {}).get("partition"):
        text = f'partitions.topology.kcp.io "{obj["spec"]["partition"]}" not found'
        status.pop("endpoints", None)
        set_condition(status, "PartitionValid", False, now, "PartitionInvalidReference", text)
        return obj
    set_condition(status, "PartitionValid", True, now)
    if consumed:
        status["endpoints"] = [{"url": f"{base}{PREFIX}{export.cluster}/{export.name}"}]
    else:
        status.pop("endpoints", None)
    return obj
