"""The answer to an apply that would change what others manage.

Mirrors conflict.go of k8s.io/apimachinery/pkg/util/managedfields/internal; clients parse these texts.
"""

from __future__ import annotations

from wherry.errors import Conflict, go_quote
from wherry.machinery.fields.entries import UPDATE, Manager
from wherry.machinery.fields.sets import FieldSet, Path, path_text, paths

Conflicts = list[tuple[Manager, Path]]


def listed(sets: dict[Manager, FieldSet]) -> Conflicts:
    """Every conflicting field; upstream's order of managers is random, here it is that of the message."""
    managers = sorted(sets, key=lambda manager: manager.identifier())
    return [(manager, path) for manager in managers for path in paths(sets[manager])]


def conflict_error(conflicts: Conflicts) -> Conflict:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_printed(manager)}",
            "field": path_text(path),
        }
        for manager, path in conflicts
    ]
    return Conflict(_message(conflicts), details={"causes": causes})


def _message(conflicts: Conflicts) -> str:
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {_printed(manager)}: {path_text(path)}"
    grouped: dict[Manager, list[Path]] = {}
    for manager, path in conflicts:
        grouped.setdefault(manager, []).append(path)
    lines: list[str] = []
    for manager, fields in sorted(grouped.items(), key=lambda pair: pair[0].identifier()):
        lines.append(f"conflicts with {_printed(manager)}:")
        lines += [f"- {path_text(path)}" for path in fields]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def _printed(manager: Manager) -> str:
    text = go_quote(manager.name)
    if manager.subresource:
        text += f" with subresource {go_quote(manager.subresource)}"
    return f"{text} using {manager.api_version}" if manager.operation == UPDATE else text
