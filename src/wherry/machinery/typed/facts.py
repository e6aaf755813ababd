"""What Go knows of the built-in types: fields in their order, names, types and tags.

The table is generated (`data/types.json`, see `tools/generate_gotypes.py` for its form) and read one type at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from wherry.machinery.builtins import AGGREGATION, EXTENSIONS, type_facts

SCALARS = frozenset(("string", "bool", "int32", "int64", "int", "uint8", "float64", "any"))


@dataclass(frozen=True, slots=True)
class Field:
    """One field as JSON sees it; fields of embedded structs are listed in place."""

    json: str
    go_path: str  # as error texts name it: the JSON name, after the names of the structs it is embedded through
    type: str
    omitempty: bool
    omitzero: bool
    number: int  # in protobuf, 0 if it has none
    embedded: tuple[int, ...]  # field numbers of the embedded structs around it, outermost first


@cache
def definition(name: str) -> str | None:
    """The raw text of a type: `=<type>` for named types, else a struct. None if it is opaque or unknown."""
    found: str | None = type_facts()["types"].get(name)
    return found


def underlying(go_type: str) -> str:
    """The type behind a name: `core/v1.ResourceList` -> `map[core/v1.ResourceName]resource.Quantity`."""
    while (text := definition(go_type)) is not None and text.startswith("="):
        go_type = text[1:]
    return go_type


def is_struct(go_type: str) -> bool:
    """Whether a type (not a pointer to it) is a struct of the table."""
    return definition(underlying(go_type)) is not None


@cache
def fields(name: str) -> tuple[Field, ...]:
    """The fields of a struct, embedded ones in place."""
    text = definition(underlying(name))
    if text is None:
        raise KeyError(f"{name} is not a struct")
    out: list[Field] = []
    for row in filter(None, text.split("|")):
        json_name, go_name, go_type, flags = row.split(" ")
        number = int(flags.lstrip("ozi") or 0)
        if "i" not in flags:
            out.append(Field(json_name, json_name, go_type, "o" in flags, "z" in flags, number, ()))
            continue
        for inner in fields(go_type.lstrip("*")):
            out.append(
                Field(
                    inner.json,
                    f"{go_name}.{inner.go_path}",
                    inner.type,
                    inner.omitempty,
                    inner.omitzero,
                    inner.number,
                    (number, *inner.embedded),
                )
            )
    return tuple(out)


@cache
def shown(go_type: str) -> str:
    """A type as Go's reflection prints it in error texts: `[]v1.Container`, without the pointer."""
    text = re.sub(r"\w+/(?=\w+\.)", "", go_type.lstrip("*"))
    return "interface {}" if text == "any" else text


# The three servers inside kube-apiserver know different kinds; most are known to the first alone.
_APART = (EXTENSIONS, AGGREGATION)


@cache
def registered_kinds(group: str, version: str, home: str = "") -> frozenset[str]:
    """Kinds of a group and version that a server knows, served or not; empty for an unknown version.

    `home` is the endpoint's group: definitions and API services belong to servers of their own.
    """
    found = type_facts()
    if home == EXTENSIONS and (group, version) == ("", "v1"):
        return frozenset(found["options"].split())
    if (group != home) if home in _APART else group in (*_APART, "apidiscovery.k8s.io"):
        return frozenset()
    own = found["kinds"].get(f"{group}/{version}")
    return frozenset((*own.split(), *found["options"].split())) if own is not None else frozenset()
