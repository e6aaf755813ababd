"""Conditions as kcp's kinds carry them (sdk/apis/third_party/conditions)."""

from __future__ import annotations

from wherry.machinery.kinds import Obj


def set_condition(status: Obj, kind: str, ok: bool, now: str, reason: str = "", message: str = "") -> None:
    """Set one condition; the time changes only with its status. Failures carry a severity."""
    conditions: list[Obj] = [c for c in status.get("conditions") or [] if c["type"] != kind]
    old = next((c for c in status.get("conditions") or [] if c["type"] == kind), None)
    value = "True" if ok else "False"
    changed = old is None or old["status"] != value
    found: Obj = {"type": kind, "status": value, "lastTransitionTime": now if changed else old["lastTransitionTime"]}  # type: ignore[index]
    if not ok:
        found["severity"] = "Error"
        found["reason"] = reason or "Unknown"
        if message:
            found["message"] = message
    conditions.append(found)
    status["conditions"] = sorted(conditions, key=lambda c: str(c["type"]))
