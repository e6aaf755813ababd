"""Defaults of a definition (apiextensions/v1/defaults.go)."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def set_defaults(crd: Obj) -> None:
    """Names derived from the kind, conversion None, the webhook's port, and the first stored version."""
    spec = crd.setdefault("spec", {})
    names = spec.get("names")
    if names is None:
        names = spec["names"] = {"plural": "", "kind": ""}
    kind = names.get("kind") or ""
    if not names.get("singular") and kind:
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = f"{kind}List"
    conversion = spec.get("conversion")
    if conversion is None:
        spec["conversion"] = {"strategy": "None"}
    else:
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if service is not None and service.get("port") is None:
            service["port"] = 443
    status = crd.get("status")
    if status is None or not status.get("storedVersions"):
        stored = next((v.get("name") or "" for v in spec.get("versions") or () if v.get("storage")), None)
        if stored is not None:
            status = crd.setdefault("status", empty_status())
            status["storedVersions"] = [stored]


def empty_status() -> Obj:
    """The zero status as it is written."""
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}
