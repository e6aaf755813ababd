"""WorkspaceTypes: which there are, what they bring with them, and which may stand below which.

Follows kcp's admission (workspacetypeexists) in rules and wording. `lookup` finds a WorkspaceType object by the cluster
path and name that a reference gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wherry.machinery.kinds import Obj

Reference = tuple[str, str]  # path of the workspace that has the type, name
Lookup = Callable[[str, str], Obj | None]

BINDINGS_INITIALIZER = "system:apibindings"  # of workspaces that must have bindings before they are ready
UNIVERSAL: Reference = ("root", "universal")
_REFERENCE = {"name": "universal", "path": "root"}
_ORGANIZATION, _TEAM, _ROOT = ({"name": n, "path": "root"} for n in ("organization", "team", "root"))


def _type(name: str, **spec: object) -> Obj:
    return {
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "kind": "WorkspaceType",
        "metadata": {"name": name},
        "spec": {"defaultChildWorkspaceType": _REFERENCE, **spec},
    }


# What the root workspace has from the beginning.
BUILT_IN: tuple[Obj, ...] = (
    _type("root", limitAllowedParents={"none": True}),
    _type("universal"),
    _type("organization", extend={"with": [_REFERENCE]}, limitAllowedParents={"types": [_ROOT]}),
    _type("team", extend={"with": [_REFERENCE]}, limitAllowedParents={"types": [_ORGANIZATION, _TEAM]}),
)


class TypeRefused(Exception):
    """A type that cannot be used here; the text says why."""


@dataclass(slots=True)
class Resolved:
    """A type with everything that it inherits; `kinds` are the references of it and of all that it extends."""

    reference: Reference
    kinds: set[Reference]
    initializers: list[str] = field(default_factory=list)
    terminators: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    bindings: dict[Reference, bool] = field(default_factory=dict)  # to exports; whether they are kept in order
    spec: Obj = field(default_factory=dict)


def reference(value: Obj, here: str) -> Reference:
    """What `{name, path}` means in the workspace `here`."""
    return value.get("path") or here, value["name"]


def find(path: str, name: str, here: str, lookup: Lookup) -> Reference:
    """Where a type comes from: where its path says, else from here or the nearest workspace above that has it.

    Raises TypeRefused."""
    if path:
        if lookup(path, name) is not None:
            return path, name
    else:
        steps = here.split(":")
        while steps:
            if lookup(":".join(steps), name) is not None:
                return ":".join(steps), name
            steps.pop()
    shown = f"{path}:{name}" if path else name
    raise TypeRefused(f"workspace type cannot be resolved: workspacetypes.tenancy.kcp.io {shown!r} not found")


def resolve(wanted: Reference, lookup: Lookup) -> Resolved:
    """A type and all that it extends; raises TypeRefused for one that is not there or extends itself."""
    found = Resolved(wanted, set())
    _extend(wanted, found, lookup, [])
    own = lookup(*wanted)
    found.spec = (own or {}).get("spec") or {}
    if found.bindings:
        found.initializers.append(BINDINGS_INITIALIZER)
    return found


def _extend(wanted: Reference, into: Resolved, lookup: Lookup, trail: list[Reference]) -> None:
    if wanted in trail:
        shown = " -> ".join(":".join(step) for step in [*trail[trail.index(wanted) :], wanted])
        raise TypeRefused(f"circular dependency detected in workspace type {':'.join(wanted)}: {shown}")
    if wanted in into.kinds:
        return
    obj = lookup(*wanted)
    if obj is None:
        raise TypeRefused(f"unable to find inherited workspace type {wanted[1]}" if trail else f"no type {wanted[1]}")
    spec = obj.get("spec") or {}
    into.kinds.add(wanted)
    for base in (spec.get("extend") or {}).get("with") or ():
        _extend(reference(base, wanted[0]), into, lookup, [*trail, wanted])
    if spec.get("initializer"):
        into.initializers.append(":".join(wanted))
    if spec.get("terminator"):
        into.terminators.append(":".join(wanted))
    into.labels.update(spec.get("additionalWorkspaceLabels") or {})
    for each in exports(spec, wanted[0]):
        into.bindings[each] = into.bindings.get(each, False) or spec.get("defaultAPIBindingLifecycle") == "Maintain"


def exports(spec: Obj, here: str) -> list[Reference]:
    """The exports that workspaces of a type bind, by the path of the workspace that has the type."""
    return [(each.get("path") or here, each["export"]) for each in spec.get("defaultAPIBindings") or ()]


def check(parent: Resolved, child: Resolved) -> None:
    """Whether a workspace of one type may stand below one of another. Raises TypeRefused."""
    above, below = ":".join(parent.reference), ":".join(child.reference)
    parents, children = child.spec.get("limitAllowedParents") or {}, parent.spec.get("limitAllowedChildren") or {}
    if parents.get("none"):
        raise TypeRefused(f"workspace type {below} cannot have any parent")
    allowed = _references(parents.get("types"), child)
    if allowed and not allowed & parent.kinds:
        text = f"workspace type {below} only allows {_shown(allowed)} parent workspaces, but parent type {above} only"
        raise TypeRefused(f"{text} implements {_shown(parent.kinds)}")
    if children.get("none"):
        raise TypeRefused(f"workspace type {above} cannot have any child")
    allowed = _references(children.get("types"), parent)
    if allowed and not allowed & child.kinds:
        text = f"workspace type {above} only allows {_shown(allowed)} child workspaces, but child type {below} only"
        raise TypeRefused(f"{text} implements {_shown(child.kinds)}")


def _references(values: Iterable[Obj] | None, of: Resolved) -> set[Reference]:
    return {reference(value, of.reference[0]) for value in values or ()}


def _shown(kinds: set[Reference]) -> str:
    return "[" + " ".join(sorted(":".join(kind) for kind in kinds)) + "]"
