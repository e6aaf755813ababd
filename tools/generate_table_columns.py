"""Make `machinery/tables/columns.json`: the columns of `kubectl get` for each built-in kind, texts included.

    go run ./tools/table_columns > columns.json && python tools/generate_table_columns.py columns.json

Two tables are not in what the Go program prints: the default one, and kube-aggregator's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent.parent / "src/wherry/machinery/tables/columns.json"
SKIPPED = {"/Status", "apps/Scale", "storage.k8s.io/CSIStorageCapacity"}  # served with the default table, or elsewhere


def main(file: Path) -> None:
    printed: dict[str, list[dict[str, Any]]] = json.loads(file.read_text())
    descriptions: list[str] = []

    def number(text: str) -> int:
        if text not in descriptions:
            descriptions.append(text)
        return descriptions.index(text)

    pod = {column["name"]: column["description"] for column in printed["/Pod"]}
    name, created = pod["Name"], pod["Age"]
    kinds: dict[str, list[list[Any]]] = {
        "default": [["Name", "string", "name", 0, number(name)], ["Created At", "date", "", 0, number(created)]]
    }
    for kind in sorted(printed):
        if kind.endswith("List") or kind.startswith("extensions/") or kind in SKIPPED:
            continue
        kinds[kind] = [
            [c["name"], c["type"], c["format"], c["priority"], number(c["description"])] for c in printed[kind]
        ]
    kinds["apiregistration.k8s.io/APIService"] = [
        ["Name", "string", "name", 0, number(name)],
        ["Service", "string", "", 0, number("The reference to the service that hosts this API endpoint.")],
        ["Available", "string", "", 0, number("Whether this service is available.")],
        ["Age", "string", "", 0, number(created)],
    ]
    texts = ",\n".join(json.dumps(text, ensure_ascii=False) for text in descriptions)
    rows = ",\n".join(f"{json.dumps(kind)}:{json.dumps(columns)}" for kind, columns in kinds.items())
    OUT.write_text(f'{{\n"descriptions":[\n{texts}\n],\n"kinds":{{\n{rows}\n}}\n}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
