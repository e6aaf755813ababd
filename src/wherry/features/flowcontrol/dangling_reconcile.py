"""The Dangling condition of a FlowSchema: a pure function (flowcontrol/apf_controller.go)."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def wanted_condition(schema: Obj, exists: bool, now: str) -> Obj | None:
    """The condition that has to be written, None if it is there."""
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    about = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    wanted = {
        "type": "Dangling",
        "status": "False" if exists else "True",
        "reason": "Found" if exists else "NotFound",
        "message": f"{about} and it exists" if exists else f"{about} but there is no such object",
    }
    for condition in (schema.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Dangling" and all(condition.get(key) == wanted[key] for key in wanted):
            return None
    return {**wanted, "lastTransitionTime": now}
