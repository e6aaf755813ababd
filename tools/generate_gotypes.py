"""Read Go struct declarations of the published Kubernetes modules: the facts that OpenAPI leaves out.

A tokenizer for the small part of Go that `types.go` files use: type declarations, struct fields, tags, imports. Used by
`generate_kinds.py`; nothing of it is needed at run time. The result is a table

    "<package>.<Type>" -> "=<go type>"                          a named type that is not a struct
                        | "<field>|<field>|..."                 a struct, fields in their order
    field = "<json name> <Go name> <go type> <flags><proto number>"

Flags: `o` omitempty, `z` omitzero, `i` inlined (json name is `-`). Packages are shortened to two segments (`core/v1`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# Types with a JSON form of their own; the decoder knows them by name, so their insides are of no interest.
OPAQUE = {
    "resource.Quantity", "intstr.IntOrString", "runtime.RawExtension", "runtime.Object", "meta/v1.Time",
    "meta/v1.MicroTime",
    "meta/v1.Duration", "meta/v1.FieldsV1", "apiextensions/v1.JSON", "apiextensions/v1.JSONSchemaPropsOrArray",
    "apiextensions/v1.JSONSchemaPropsOrBool", "apiextensions/v1.JSONSchemaPropsOrStringArray",
}  # fmt: skip

ROOTS = {
    "k8s.io/api/": "",
    "k8s.io/apimachinery/pkg/apis/": "",
    "k8s.io/apimachinery/pkg/api/": "",
    "k8s.io/apimachinery/pkg/util/": "",
    "k8s.io/apimachinery/pkg/": "",
    "k8s.io/apiextensions-apiserver/pkg/apis/": "",
    "k8s.io/kube-aggregator/pkg/apis/": "",
}
SCALARS = {
    "string", "bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "byte",
    "float32", "float64", "any", "error",
}  # fmt: skip


def short(path: str) -> str:
    """`k8s.io/api/core/v1` -> `core/v1`; unknown import paths keep their last segment."""
    for root in ROOTS:
        if path.startswith(root):
            return path[len(root) :]
    return path.rsplit("/", 1)[-1]


def without_comments(text: str) -> str:
    """Comments out, strings and tags kept."""
    pattern = re.compile(r"`[^`]*`|\"(?:\\.|[^\"\\\n])*\"|//[^\n]*|/\*.*?\*/", re.S)
    return pattern.sub(lambda m: m.group(0) if m.group(0)[0] in '`"' else " ", text)


def imports(text: str) -> dict[str, str]:
    """Alias -> short package of one file."""
    out: dict[str, str] = {}
    for block in re.findall(r"^import\s*\((.*?)\)|^import\s+([^\n(]+)$", text, re.S | re.M):
        for alias, path in re.findall(r"(?:([\w.]+)\s+)?\"([^\"]+)\"", "\n".join(block)):
            out[alias or path.rsplit("/", 1)[-1]] = short(path)
    return out


def go_type(text: str, package: str, names: dict[str, str]) -> str:
    """A Go type expression with every name qualified by its short package."""
    text = text.strip()
    if text.startswith("*"):
        return "*" + go_type(text[1:], package, names)
    if text.startswith("[]"):
        return "[]" + go_type(text[2:], package, names)
    if match := re.match(r"map\[([^\]]+)\](.*)$", text):
        return f"map[{go_type(match[1], package, names)}]{go_type(match[2], package, names)}"
    if text in SCALARS or text == "interface{}":
        return {"byte": "uint8", "interface{}": "any"}.get(text, text)
    if "." in text:
        alias, name = text.split(".", 1)
        return f"{names.get(alias, alias)}.{name}"
    return f"{package}.{text}"


def declarations(text: str) -> Iterator[tuple[str, str]]:
    """(name, body) of every `type` declaration at top level, grouped ones included."""
    for match in re.finditer(r"^type\s+\(\n(.*?)^\)", text, re.S | re.M):
        inner = re.sub(r"^\t", "", match[1], flags=re.M)
        yield from declarations(re.sub(r"^(\w+\s)", r"type \1", inner, flags=re.M))
    single = r"^type\s+(\w+)\s+(=\s*)?(struct\s*\{\s*\}|struct\s*\{\n(.*?)^\}|[^\n]+)"
    for match in re.finditer(single, text, re.S | re.M):
        yield match[1], match[3].strip()


def known_kinds(text: str) -> list[str]:
    """Kinds that a package's register.go adds to its own group and version."""
    call = r"AddKnownTypes\(SchemeGroupVersion,(.*?)\n\t\)|AddKnownTypes\(SchemeGroupVersion, (.*?)\)\n"
    calls = re.findall(call, text, re.S)
    return [kind for call in calls for kind in re.findall(r"&(?:\w+\.)?(\w+)\{\}", "".join(call))]


def struct_fields(body: str, package: str, names: dict[str, str]) -> Iterator[str]:
    for line in body.splitlines():
        match = re.match(r"^\s*(?:([\w.*]+)\s+)?([\w.*\[\]{}]+)\s*(?:`([^`]*)`)?\s*$", line)
        if not match:
            if line.strip():
                raise ValueError(f"unread struct field in {package}: {line!r}")
            continue
        name, declared, tags = match[1], match[2], match[3] or ""
        tag = dict(re.findall(r"(\w+):\"([^\"]*)\"", tags))
        resolved = go_type(declared, package, names)
        go_name = name or declared.lstrip("*").rsplit(".", 1)[-1]
        if not go_name[0].isupper() or ("json" not in tag and name):
            continue
        json_name, *options = tag.get("json", "").split(",")
        if json_name == "-" and not options:
            continue
        inline = name is None and not json_name
        flags = "".join(
            letter
            for letter, given in (("o", "omitempty" in options), ("z", "omitzero" in options), ("i", inline))
            if given
        )
        proto = tag.get("protobuf", "").split(",")
        number = proto[1] if len(proto) > 1 else ""
        yield f"{'-' if inline else json_name or go_name} {go_name} {resolved} {flags}{number}"


def read_package(directory: Path, package: str) -> dict[str, str]:
    """Every type of one package directory."""
    out: dict[str, str] = {}
    for file in sorted(directory.glob("*.go")):
        if file.name.endswith("_test.go") or file.name.startswith("zz_generated") or "generated" in file.name:
            continue
        text = file.read_text(encoding="utf-8")
        if "//go:build" in text and re.search(r"^//go:build .*fieldsv1", text, re.M):
            continue
        text = without_comments(text)
        names = imports(text)
        for name, body in declarations(text):
            key = f"{package}.{name}"
            if key in OPAQUE or not name[0].isupper():
                continue
            if body.startswith("struct"):
                inner = body[body.index("{") + 1 :].rstrip().removesuffix("}")
                try:
                    out[key] = "|".join(struct_fields(inner, package, names))
                except ValueError:
                    continue  # a helper type with functions or channels inside: nothing that travels
            elif not body.startswith(("interface", "func")):
                out[key] = "=" + go_type(body, package, names)
    return out


def reachable(table: dict[str, str], roots: list[str]) -> dict[str, str]:
    """The part of the table that the roots need, in sorted order."""
    seen: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in seen or name not in table:
            continue
        seen.add(name)
        todo += re.findall(r"[\w/]+\.\w+", table[name])
    return {name: table[name] for name in sorted(seen)}
