"""Make `src/wherry/machinery/data/*.json` from the published facts of a Kubernetes release.

    python tools/generate_kinds.py --facts DIR --modules DIR --release 0.36.0

`--facts` holds schemas.json, discovery.json and protobuf.json (OpenAPI schemas, discovery answers, field numbers);
`--modules` is a Go module cache (or any directory) with k8s.io/{api,apimachinery,apiextensions-apiserver,
kube-aggregator}@vRELEASE, of which only the type declarations are read. Three files come out:

    resources.json   what start-up needs: groups, versions, resources, verbs (a few milliseconds to load)
    types.json       Go struct facts by type, and the kinds each group and version registers (lazy)
    schemas.json     OpenAPI schemas by full name (lazy)

The field numbers in the struct tags are held against protobuf.json; a difference stops the run.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from generate_gotypes import OPAQUE, known_kinds, reachable, read_package

# Groups whose beta and alpha versions a default server leaves off: only versions named v<number> are served.
STABLE = re.compile(r"^v\d+$")
# Group -> package directory where the first segment of the group is not the directory.
AGGREGATOR, EXTENSIONS = "apiregistration.k8s.io", "apiextensions.k8s.io"
# Resources that upstream stores in another version than the one it prefers (default_storage_factory_builder.go), and
# events, which share their storage with core. It shows only in the hash that discovery gives of the storage version.
STORED_AS = {
    ("events.k8s.io", "events"): "/v1",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "apiextensions.k8s.io/v1beta1",
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): "admissionregistration.k8s.io/v1beta1",
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): "admissionregistration.k8s.io/v1beta1",
}
# Kinds of request and answer bodies in every group and version (metav1.AddToGroupVersion).
OPTION_KINDS = [
    "CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "WatchEvent",
]  # fmt: skip
UNVERSIONED = ["Status", "APIVersions", "APIGroup", "APIGroupList", "APIResourceList"]
META_ROOTS = [
    *OPTION_KINDS, *UNVERSIONED, "Table", "TableOptions", "PartialObjectMetadata", "PartialObjectMetadataList",
    "LabelSelector",
]  # fmt: skip


def storage_hash(group: str, version: str, resource: str, kind: str) -> str:
    """discovery.StorageVersionHash: the first eight bytes of a digest of group/version/kind."""
    stored = STORED_AS.get((group, resource), f"{group}/{version}")
    return base64.b64encode(hashlib.sha256(f"{stored}/{kind}".encode()).digest()[:8]).decode()


def core_group(document: dict[str, Any]) -> dict[str, Any]:
    """The APIResourceList of /api/v1 in the shape of an aggregated discovery group."""
    resources: dict[str, dict[str, Any]] = {}
    for entry in document["resources"]:
        name, _, sub = entry["name"].partition("/")
        kind = {"group": entry.get("group", ""), "version": entry.get("version", ""), "kind": entry["kind"]}
        if sub:
            # A subresource without a parent resource cannot occur in core.
            found = {"subresource": sub, "responseKind": kind, "verbs": entry["verbs"]}
            resources[name].setdefault("subresources", []).append(found)
            continue
        resources[name] = {
            "resource": name, "responseKind": kind, "scope": "Namespaced" if entry["namespaced"] else "Cluster",
            "singularResource": entry["singularName"], "verbs": entry["verbs"],
            "shortNames": entry.get("shortNames", []), "categories": entry.get("categories", []),
        }  # fmt: skip
    return {"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": list(resources.values())}]}


def compact_resource(group: str, version: str, preferred: str, entry: dict[str, Any]) -> list[Any]:
    """[plural, singular, kind, namespaced, verbs, short names, categories, subresources, hash, list kind]."""

    def kind_of(owner: dict[str, Any]) -> list[str]:
        found = owner["responseKind"]
        # Core is the group with the empty name: only a given version tells it from "same as mine".
        return [found["group"] or ("" if found["version"] else group), found["version"] or version, found["kind"]]

    name, kind = entry["resource"], entry["responseKind"]["kind"]
    verbs = sorted(entry["verbs"])
    subs = [[s["subresource"], *kind_of(s), " ".join(sorted(s["verbs"]))] for s in entry.get("subresources", [])]
    stored = "watch" in verbs
    return [
        name, entry["singularResource"], kind, int(entry["scope"] == "Namespaced"), " ".join(verbs),
        " ".join(entry.get("shortNames", [])), " ".join(entry.get("categories", [])), subs,
        storage_hash(group, preferred, name, kind) if stored else "", kind + "List" if "list" in verbs else "",
    ]  # fmt: skip


def make_resources(discovery: dict[str, Any]) -> dict[str, Any]:
    groups = []
    for group in [core_group(discovery["core"]), *discovery["groups"]]:
        name = group["metadata"]["name"]
        served = [v for v in group["versions"] if STABLE.match(v["version"])]
        if not served:
            continue
        preferred = served[0]["version"]
        versions = [
            [v["version"], [compact_resource(name, v["version"], preferred, r) for r in v["resources"]]] for v in served
        ]
        groups.append([name, versions])
    return {"groups": groups}


def package_directories(modules: Path, release: str) -> dict[str, tuple[str, Path]]:
    """Short package -> (group, directory) of every package that registers kinds."""
    out: dict[str, tuple[str, Path]] = {}
    for register in sorted((modules / f"api@v{release}").glob("*/v*/register.go")):
        match = re.search(r'GroupName = "([^"]*)"', register.read_text(encoding="utf-8"))
        if match:
            out[f"{register.parent.parent.name}/{register.parent.name}"] = (match[1], register.parent)
    extensions, aggregator = modules / f"apiextensions-apiserver@v{release}", modules / f"kube-aggregator@v{release}"
    for version in ("v1", "v1beta1"):
        out[f"apiextensions/{version}"] = (EXTENSIONS, extensions / "pkg/apis/apiextensions" / version)
        out[f"apiregistration/{version}"] = (AGGREGATOR, aggregator / "pkg/apis/apiregistration" / version)
    return out


def make_types(modules: Path, release: str, resources: dict[str, Any]) -> dict[str, Any]:
    machinery = modules / f"apimachinery@v{release}" / "pkg"
    table: dict[str, str] = {}
    for package, folder in (("meta/v1", "apis/meta/v1"), ("runtime", "runtime"), ("types", "types")):
        table |= read_package(machinery / folder, package)
    packages = package_directories(modules, release)
    kinds: dict[str, str] = {}
    served = {(group, version) for group, versions in resources["groups"] for version, _ in versions}
    roots = [f"meta/v1.{kind}" for kind in META_ROOTS]
    names: dict[str, str] = {}
    for package, (group, folder) in packages.items():
        version = folder.name
        table |= read_package(folder, package)
        registered = known_kinds((folder / "register.go").read_text(encoding="utf-8"))
        kinds[f"{group}/{version}"] = " ".join(dict.fromkeys(registered))
        names[f"{group}/{version}"] = package
        if (group, version) in served:
            roots += [f"{package}.{kind}" for kind in registered]
    wanted = reachable(table, roots)
    for name, text in wanted.items():
        for used in re.findall(r"[\w/]+\.\w+", text):
            if used not in table and used not in OPAQUE:
                raise SystemExit(f"{name} needs {used}, which was not found")
    return {
        "kinds": kinds, "packages": names, "options": " ".join(OPTION_KINDS), "unversioned": " ".join(UNVERSIONED),
        "types": wanted,
    }  # fmt: skip


def check_numbers(types: dict[str, str], protobuf: dict[str, Any]) -> None:
    """Field numbers in the tags and in the published proto files must be the same."""
    published = {}
    for package, messages in protobuf.items():
        short = package.removeprefix("k8s.io.").replace("apimachinery.pkg.apis.", "").replace("api.", "", 1)
        for name, fields in messages.items():
            published[f"{short.replace('.', '/')}.{name}"] = {field[0]: number for number, field in fields.items()}
    for name, text in types.items():
        if text.startswith("=") or name not in published:
            continue
        for field in filter(None, text.split("|")):
            json_name, _, _, flags = (field + " ").split(" ")[:4]
            number = flags.lstrip("ozi")
            if number and json_name in published[name] and published[name][json_name] != number:
                raise SystemExit(f"{name}.{json_name}: number {number} in Go, {published[name][json_name]} in proto")


def complete(schemas: dict[str, Any]) -> dict[str, Any]:
    """With the types of any shape (apiextensions.v1.JSON), which the facts leave out: their schemas are empty."""
    referred = re.findall(r'"\$ref": "([^"]+)"', json.dumps(schemas))
    return {**schemas, **{name: {} for name in sorted(set(referred) - set(schemas))}}


def write(path: Path, document: Any) -> None:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path.name}: {len(text):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--modules", type=Path, required=True)
    parser.add_argument("--release", default="0.36.0")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src/wherry/machinery/data")
    options = parser.parse_args()
    names = ("schemas", "discovery", "protobuf")
    facts = {name: json.loads((options.facts / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    resources = make_resources(facts["discovery"])
    types = make_types(options.modules, options.release, resources)
    check_numbers(types["types"], facts["protobuf"])
    write(options.out / "resources.json", resources)
    write(options.out / "types.json", types)
    write(options.out / "schemas.json", complete(facts["schemas"]))


if __name__ == "__main__":
    main()
