"""Make `machinery/openapi/words.json`: descriptions of query parameters and of the types that all documents repeat.

    python tools/generate_openapi_words.py API_OPENAPI_SPEC

API_OPENAPI_SPEC is the folder `api/openapi-spec` of a Kubernetes source tree (Apache-2.0).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent.parent / "src/wherry/machinery/openapi/words.json"
# Groups that only a server registers; a document of custom kinds, made with a client's registry, does not name them.
SERVER_ONLY = ("admission.k8s.io/", "apiextensions.k8s.io/", "apiregistration.k8s.io/", "imagepolicy.k8s.io/")
COMMON = ("io.k8s.apimachinery.", "io.k8s.api.autoscaling.v1.Scale")
OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
IN_CONTEXT = ("container", "stderr", "stdin", "stdout", "tty")  # texts differ between attach, exec and log


def texts(schema: dict[str, Any]) -> dict[str, str]:
    out = {"": schema["description"]} if schema.get("description") else {}
    for name, member in (schema.get("properties") or {}).items():
        if member.get("description"):
            out[name] = member["description"]
    return out


def query_parameters(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, action, parameter) of every query parameter, in v3 form."""
    for path, item in document["paths"].items():
        for method, found in item.items():
            shared = method == "parameters"
            for parameter in found if shared else found.get("parameters", ()):
                if parameter["in"] == "query":
                    yield path, "" if shared else found.get("x-kubernetes-action", ""), parameter


def key(path: str, action: str, name: str) -> str:
    """The name of a parameter, with its context where its text depends on that."""
    if name == "fieldManager" and action == "patch":
        return "fieldManager@patch"
    if name in IN_CONTEXT:
        return f"{name}@{path.rsplit('/', 1)[1]}"
    if name == "path":
        return f"path@{next(plural for plural in ('nodes', 'services', 'pods') if f'/{plural}/' in path)}"
    return name


def main(folder: Path) -> None:
    parameters: dict[str, list[str]] = {}
    schemas: dict[str, dict[str, str]] = {}
    for file in sorted((folder / "v3").glob("*.json")):
        document = json.loads(file.read_text())
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            if name.startswith(COMMON):
                schemas[name] = texts(schema)
        for path, action, parameter in query_parameters(document):
            value = [parameter["schema"]["type"], parameter["description"]]
            if parameters.setdefault(key(path, action, parameter["name"]), value) != value:
                raise SystemExit(f"{parameter['name']} of {path} has another text elsewhere: give it a context")
    swagger = json.loads((folder / "swagger.json").read_text())["definitions"]
    for name, schema in swagger.items():
        if name.startswith(COMMON) and name not in schemas:
            schemas[name] = texts(schema)
    kinds = swagger[OPTIONS]["x-kubernetes-group-version-kind"]
    versions = [f"{kind['group']}/{kind['version']}" for kind in kinds]
    lines = ["{"]
    for name, table in (("parameters", parameters), ("schemas", schemas)):
        rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in sorted(table.items()))
        lines.append(f"{json.dumps(name)}: {{\n{rows}\n}},")
    lines.append(f'"option_versions": {json.dumps(versions)},')
    lines.append(f'"server_only": {json.dumps([v for v in versions if v.startswith(SERVER_ONLY)])}')
    OUT.write_text("\n".join([*lines, "}", ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
