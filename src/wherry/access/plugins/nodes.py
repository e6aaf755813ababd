"""A new node takes no pods before somebody has said that it is ready (plugin/pkg/admission/nodetaint)."""

from __future__ import annotations

from wherry.access.admission import Ask

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


async def not_ready_taint(ask: Ask) -> None:
    """Add the taint on create, once; whoever watches over nodes takes it off."""
    res = ask.definition.resource
    if ask.operation != "CREATE" or ask.subresource or ask.obj is None or (res.group, res.name) != ("", "nodes"):
        return
    spec = ask.obj.setdefault("spec", {})
    present = spec.get("taints") or []
    if not any(t.get("key") == NOT_READY["key"] and t.get("effect") == NOT_READY["effect"] for t in present):
        spec["taints"] = [*present, dict(NOT_READY)]
