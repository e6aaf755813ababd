"""The bindings that a workspace has because of its type: made before it is ready, kept in order where the type says so.

Names, conditions, reasons and words are those of kcp's controllers of default APIBindings. All claims of an export are
accepted, by their `defaultSelector` where they have one. A binding that somebody has made to the same export counts, so
a fork goes on with those of its source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import orjson

from wherry.machinery.kinds import Obj
from wherry.storage.api import Storage
from wherry.workspaces.conditions import condition, set_condition
from wherry.workspaces.objects import change, create, read
from wherry.workspaces.sharing import BINDINGS, EXPORTS, FINALIZER, STORED, Ref
from wherry.workspaces.sharing.bindings import COMPLETED
from wherry.workspaces.tree import LOGICAL_CLUSTER, Tree
from wherry.workspaces.types import BINDINGS_INITIALIZER, Reference, Resolved, TypeRefused

INITIALIZED, KEPT = "APIBindingsInitialized", "APIBindingsReconciled"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MOST_OF_NAME = 253 - 6

TypeOf = Callable[[str], Resolved]  # of a logical cluster. Raises TypeRefused


def waits(value: bytes) -> bool:
    """Whether a stored LogicalCluster may wait for its bindings; without reading it, as most do not."""
    return BINDINGS_INITIALIZER.encode() in value


class Defaults:
    """`space` gives the storage of a logical cluster."""

    def __init__(self, space: Callable[[str], Storage | None], tree: Tree, type_of: TypeOf, now: Callable[[], str]):
        self._space = space
        self._tree = tree
        self._type_of = type_of
        self._now = now
        self.waiting: set[str] = set()  # logical clusters that are not ready before their bindings are complete

    async def bring(self, space: Storage) -> None:
        """Make what is missing, and tell how far it is."""
        initializers = ((read(space, LOGICAL_CLUSTER) or {}).get("status") or {}).get("initializers") or ()
        first = BINDINGS_INITIALIZER in initializers
        (self.waiting.add if first else self.waiting.discard)(space.name)
        try:
            resolved = self._type_of(space.name)
        except TypeRefused as refused:
            if first:
                await self._tell(space, INITIALIZED, "WorkspaceTypesInvalid", f"error getting WorkspaceType: {refused}")
            return
        wanted = [ref for ref, maintained in resolved.bindings.items() if first or maintained]
        if not wanted:
            return
        kind, done = (INITIALIZED, "bound") if first else (KEPT, "reconciled")
        exports = {ref: export for ref in wanted if (export := self._export(ref)) is not None}
        made = self._made(space)
        incomplete = []
        for ref, export in exports.items():
            live = made.get((self._tree.resolve(ref[0]), ref[1]))
            await self._ensure(space, ref, export, live, maintained=resolved.bindings[ref])
            if live is None:
                incomplete.append(f"for APIExport {'|'.join(ref)}")
            elif condition(live.get("status") or {}, COMPLETED) != "True":
                incomplete.append(live["metadata"]["name"])
        if len(exports) < len(wanted):
            step = "initialization" if first else "reconciliation"
            text = f"encountered errors: unable to complete {step}: unable to find at least 1 APIExport"
            await self._tell(space, kind, "APIBindingErrors", text)
        elif incomplete:
            text = f"APIBinding(s) not yet fully {done}: {', '.join(sorted(incomplete))}"
            await self._tell(space, kind, "WaitingOnAPIBindings", text, "Info")
        else:
            await self._tell(space, kind)

    def _made(self, space: Storage) -> dict[Ref, Obj]:
        """The bindings of a workspace by the cluster and name of what they bind."""
        found = {}
        for record in space.range(BINDINGS).records:
            binding: Obj = orjson.loads(record.value)
            export = (binding["spec"].get("reference") or {}).get("export") or {}
            cluster = self._tree.resolve(export["path"]) if export.get("path") else space.name
            found[cluster, export.get("name", "")] = binding
        return found

    def _export(self, ref: Reference) -> Obj | None:
        cluster = self._tree.resolve(ref[0])
        space = self._space(cluster) if cluster else None
        return read(space, EXPORTS + ref[1]) if space is not None else None

    async def _ensure(self, space: Storage, ref: Reference, export: Obj, live: Obj | None, *, maintained: bool) -> None:
        spec: Obj = {"reference": {"export": {"path": ref[0], "name": ref[1]}}}
        if claims := [_accepted(claim) for claim in (export.get("spec") or {}).get("permissionClaims") or ()]:
            spec["permissionClaims"] = claims
        if live is None:
            name = _name(space.name, ref)
            meta = {"name": name, "finalizers": [FINALIZER]}
            obj: Obj = {"kind": "APIBinding", "apiVersion": STORED, "metadata": meta, "spec": spec}
            await create(space, BINDINGS + name, obj, self._now())
        elif maintained and "deletionTimestamp" not in live["metadata"]:
            await change(space, BINDINGS + live["metadata"]["name"], lambda obj: {**obj, "spec": spec})

    async def _tell(self, space: Storage, kind: str, reason: str = "", text: str = "", severity: str = "Error") -> None:
        """A condition; without a reason all is done, and the workspace waits no more."""
        now = self._now()

        def edit(live: Obj) -> Obj:
            status = live["status"] = dict(live.get("status") or {})
            set_condition(status, kind, not reason, now, reason, text, severity)
            if not reason and "initializers" in status:
                status["initializers"] = [each for each in status["initializers"] if each != BINDINGS_INITIALIZER]
            return live

        await change(space, LOGICAL_CLUSTER, edit)


def _accepted(claim: Obj) -> Obj:
    asked = {field: value for field, value in claim.items() if field != "defaultSelector"}
    return {**asked, "selector": claim.get("defaultSelector") or {"matchAll": True}, "state": "Accepted"}


def _name(cluster: str, ref: Reference) -> str:
    """What the binding of a workspace to an export is called."""
    number = int.from_bytes(hashlib.sha224("|".join((cluster, *ref)).encode()).digest(), "big")
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return f"{ref[1][:_MOST_OF_NAME]}-{digits[:5].lower()}"
