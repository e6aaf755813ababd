"""Make `core/shared/shapes.json`: the internal Go shapes that kinds beside workloads print in their messages.

The same table as `generate_internal_shapes.py` makes for workloads, with other roots; what that table has is left out.
Usage: generate_more_shapes.py KUBERNETES_DIR API_DIR
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import generate_internal_shapes as shapes

SOURCE = Path(__file__).parent.parent / "src/wherry/machinery/builtin"
ROOTS = ("core.PersistentVolumeSpec", "core.PersistentVolumeSource", "resource.ResourceClaimSpec")
ROOTS += ("resource.ResourceClaimTemplateSpec", "resource.AllocationResult", "resource.DeviceAttribute")


def main(kubernetes: Path, api: Path) -> None:
    shapes.ROOTS = ROOTS
    shapes.GROUPS = (("core", "core/v1"), ("resource", "resource/v1"))
    shapes.FOREIGN |= {"runtime.RawExtension": "*", "metav1.Condition": "null", "metav1.MicroTime": "null"}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        shapes.main(kubernetes, api)
    known = json.loads((SOURCE / "workloads/internal_shapes.json").read_bytes())
    table = {key: rows for key, rows in json.loads(out.getvalue()).items() if known.get(key) != rows}
    target = SOURCE / "core/shared/shapes.json"
    target.write_text(json.dumps(table, separators=(",", ":")) + "\n")
    print(len(table), "shapes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
