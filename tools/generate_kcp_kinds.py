"""Write `src/wherry/workspaces/kinds.json`: the kinds of kcp that a workspace serves, without their descriptions.

    git clone https://github.com/kcp-dev/kcp && python tools/generate_kcp_kinds.py kcp/config/crds

The definitions are facts about kcp's API (groups, versions, fields, rules); what they mean is said in docs/.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
import yaml

KINDS = (
    "tenancy.kcp.io_workspaces",
    "tenancy.kcp.io_workspacetypes",
    "core.kcp.io_logicalclusters",
    "apis.kcp.io_apiresourceschemas",
    "apis.kcp.io_apiexports",
    "apis.kcp.io_apiexportendpointslices",
    "apis.kcp.io_apibindings",
    "apis.kcp.io_apiconversions",
)
OUT = Path(__file__).parents[1] / "src/wherry/workspaces/kinds.json"


def bare(value: Any) -> Any:
    """Without descriptions; a property may be called `description`, so only texts go."""
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items() if not (k == "description" and isinstance(v, str))}
    return [bare(item) for item in value] if isinstance(value, list) else value


def main(folder: Path) -> None:
    found = []
    for name in KINDS:
        crd = yaml.safe_load((folder / f"{name}.yaml").read_text())
        crd["metadata"] = {"name": crd["metadata"]["name"]}
        crd.pop("status", None)
        found.append(bare(crd))
    OUT.write_bytes(orjson.dumps(found))
    print(f"{OUT}: {len(found)} kinds, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
