"""Make `policy/bootstrap.json`: the RBAC objects that a fresh Kubernetes API server creates by itself.

Reads the expected objects of upstream's own test of its bootstrap policy (testdata of
plugin/pkg/auth/authorizer/rbac/bootstrappolicy) from a Kubernetes source tree:

    python tools/generate_bootstrap.py PATH_TO_KUBERNETES_SOURCE

What all objects share (API version, the autoupdate annotation, the bootstrapping label) is left out; `bootstrap.py`
puts it back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path("plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata")
SOURCES = {
    "clusterroles": ("cluster-roles.yaml", "controller-roles.yaml"),
    "clusterrolebindings": ("cluster-role-bindings.yaml", "controller-role-bindings.yaml"),
    "roles": ("namespace-roles.yaml",),
    "rolebindings": ("namespace-role-bindings.yaml",),
}
LABEL = "kubernetes.io/bootstrapping"
RULE = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
TARGET = Path(__file__).parent.parent / "src/wherry/machinery/builtin/policy/bootstrap.json"


def shorten(obj: dict[str, Any]) -> dict[str, Any]:
    meta = obj.pop("metadata")
    if meta.pop("annotations") != {"rbac.authorization.kubernetes.io/autoupdate": "true"}:
        raise SystemExit(f"unexpected annotations on {meta['name']}")
    if meta["labels"].pop(LABEL) != "rbac-defaults":
        raise SystemExit(f"unexpected labels on {meta['name']}")
    out = {key: meta[key] for key in ("name", "namespace", "labels") if meta.get(key)}
    out.update({key: value for key, value in obj.items() if key not in ("apiVersion", "kind")})
    if out.get("rules"):  # in the order of the Go struct, which is that of the wire
        out["rules"] = [{key: rule[key] for key in RULE if key in rule} for rule in out["rules"]]
    return out


def main() -> None:
    folder = Path(sys.argv[1]) / FOLDER
    out: dict[str, list[dict[str, Any]]] = {}
    for resource, files in SOURCES.items():
        items = [item for name in files for item in yaml.safe_load((folder / name).read_text())["items"]]
        out[resource] = [shorten(item) for item in items]
    TARGET.write_text(json.dumps(out, separators=(",", ":"), sort_keys=False) + "\n")
    print({resource: len(items) for resource, items in out.items()})


if __name__ == "__main__":
    main()
