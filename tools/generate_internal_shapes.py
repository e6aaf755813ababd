"""Make `workloads/internal_shapes.json`: how Go prints the server's internal types, which have no JSON names.

Some messages of the API server show a value of an internal type (`{"Capabilities":null,"Privileged":true,...}`, the
diff of a refused pod update). The table says, for each such struct, its fields in order: Go name, JSON name in the
versioned type, and what it holds. Usage: generate_internal_shapes.py KUBERNETES_DIR API_DIR > internal_shapes.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

GROUPS = (("core", "core/v1"), ("apps", "apps/v1"), ("batch", "batch/v1"), ("policy", "policy/v1"))
ROOTS = (
    "core.PodSpec",
    "core.EphemeralContainer",
    "core.PodTemplateSpec",
    "core.PodIP",
    "core.HostIP",
    "core.ResourceHealth",
    "apps.StatefulSetUpdateStrategy",
    "apps.DaemonSetUpdateStrategy",
    "apps.DeploymentStrategy",
    "batch.SuccessPolicy",
    "batch.PodFailurePolicy",
    "batch.UncountedTerminatedPods",
    "policy.PodDisruptionBudgetSpec",
)
ZERO = {"string": '""', "bool": "false"}
FOREIGN = {
    "resource.Quantity": '"0"',
    "metav1.Time": "null",
    "metav1.LabelSelector": "meta",
    "metav1.ObjectMeta": "meta",
    "intstr.IntOrString": "0",
    "types.UID": '""',
}


def structs(text: str) -> dict[str, list[tuple[str, str, str]]]:
    """Type name -> (Go name or "", type, tag) per field."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.S | re.M):
        fields = []
        for line in body.splitlines():
            line = re.sub(r"\s//.*$", "", line).strip()
            match = re.fullmatch(r"(?:(\w+)\s+)?([\w.\[\]*]+)(?:\s+`(.*)`)?", line)
            if line and not line.startswith("//") and match:
                fields.append((match[1] or "", match[2], match[3] or ""))
        found[name] = fields
    return found


def main(kubernetes: Path, api: Path) -> None:
    internal: dict[str, list[tuple[str, str, str]]] = {}
    names: dict[str, dict[str, str]] = {}
    basics: dict[str, str] = {}
    for group, versioned in GROUPS:
        text = (kubernetes / "pkg/apis" / group / "types.go").read_text()
        for name, fields in structs(text).items():
            internal[f"{group}.{name}"] = fields
        for name, base in re.findall(r"^type (\w+) (string|int32|int64|map\[\w+\][\w.]+)$", text, re.M):
            basics[f"{group}.{name}"] = base
        for name, fields in structs((api / versioned / "types.go").read_text()).items():
            tags = {field: re.search(r'json:"(\w*)', tag) for field, _, tag in fields}
            names[f"{group}.{name}"] = {field: tag[1] for field, tag in tags.items() if tag}
    table: dict[str, list[list[str]]] = {}
    queue = list(ROOTS)

    def holds(kind: str, group: str) -> str:
        """`null` for pointers, lists and maps with what is below; a literal for scalars; a type name for structs."""
        if kind.startswith(("*", "[]")):
            prefix = "*" if kind.startswith("*") else "[]"
            inner = holds(kind.removeprefix(prefix), group)
            return prefix + (inner if inner in internal or inner == "meta" else "")
        if kind.startswith("map["):
            return "{}"
        full = FOREIGN.get(kind) or ZERO.get(kind)
        if full:
            return full
        if re.fullmatch(r"u?int(32|64)?|float64", kind):
            return "0"
        kind = kind.replace("api.", "core.")
        name = kind if "." in kind else f"{group}.{kind}"
        if name in basics:
            return holds(basics[name], group)
        if name not in internal:
            raise SystemExit(f"what is {kind} of {group}?")
        queue.append(name)
        return name

    while queue:
        name = queue.pop()
        if name in table:
            continue
        group = name.split(".")[0]
        rows = []
        for field, kind, _ in internal[name]:
            known = names.get(name, {}).get(field) or (field[:1].lower() + field[1:])
            rows.append([field, known, holds(kind, group)])
        table[name] = rows
    print(json.dumps({key: table[key] for key in sorted(table)}, separators=(",", ":")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
