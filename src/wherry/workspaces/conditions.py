"""Conditions as kcp's kinds carry them (sdk/apis/third_party/conditions)."""

from __future__ import annotations

from wherry.machinery.kinds import Obj


def set_condition(
    status: Obj, kind: str, ok: bool, now: str, reason: str = "", message: str = "", severity: str = "Error"
) -> None:
    """Set one condition; the time changes only with its status. Failures carry a severity."""
    others = [c for c in status.get("conditions") or [] if c["type"] != kind]
    old: Obj = next((c for c in status.get("conditions") or [] if c["type"] == kind), {})
    value = "True" if ok else "False"
    since = old["lastTransitionTime"] if old.get("status") == value else now
    found: Obj = {"type": kind, "status": value, "lastTransitionTime": since}
    if not ok:
        found.update(severity=severity, reason=reason or "Unknown")
        if message:
            found["message"] = message
    status["conditions"] = sorted([*others, found], key=lambda c: str(c["type"]))


def condition(status: Obj, kind: str) -> str:
    """The status of one condition, empty when it is not there."""
    return str(next((c["status"] for c in status.get("conditions") or () if c["type"] == kind), ""))
