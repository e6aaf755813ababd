"""Server-side apply: an object and its managers after somebody declared the fields they want.

On the path of an apply PATCH: body -> (here) -> typed decoding and defaults -> admission -> strategy -> storage.
Mirrors FieldManager.Apply of k8s.io/apimachinery/pkg/util/managedfields with all its layers, and Updater.Apply of
sigs.k8s.io/structured-merge-diff/merge: what the applier sets is merged in, what it set before and sets no longer is
taken out unless somebody else owns it, what others own and it would change is a conflict.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import BadRequest, StatusError
from wherry.machinery.fields import entries as book
from wherry.machinery.fields import lastapplied
from wherry.machinery.fields.comparison import compare
from wherry.machinery.fields.conflicts import Conflicts, conflict_error, listed
from wherry.machinery.fields.entries import APPLY, UPDATE, Entry, Managed, Manager, Owned
from wherry.machinery.fields.managed import (
    UNOWNED,
    Convert,
    cap_updaters,
    empty_object,
    filtered,
    in_version,
    reconciled,
    update_managed,
    without_changes,
)
from wherry.machinery.fields.merging import merge, remove
from wherry.machinery.fields.nodes import Node
from wherry.machinery.fields.reset import Reset, keep
from wherry.machinery.fields.sets import LEAF, FieldSet, difference, has, intersection, of_paths, union
from wherry.machinery.fields.typed import check, ensure_named, to_set
from wherry.machinery.fields.values import ABSENT, TypedError, doing, equal
from wherry.machinery.kinds import GroupVersionKind, Obj
from wherry.machinery.patch.refusals import unclassified

BEFORE_FIRST = "before-first-apply"


class Applied(NamedTuple):
    """`obj` has no managedFields of its own; put `managed_fields` there. Unchanged: `obj` is the live one."""

    obj: Obj
    managed_fields: list[Entry]
    changed: bool


class _Conflicting(Exception):
    def __init__(self, conflicts: Conflicts):
        self.conflicts = conflicts


def apply(
    live: Obj | None,
    patch: Obj,
    manager: str,
    force: bool,
    kind: GroupVersionKind,
    now: str,
    node: Node,
    reset: Reset = LEAF,
    subresource: str = "",
    convert: Convert | None = None,
) -> Applied:
    """Apply `patch` to `live` (None or without a uid: it does not exist yet, which is for the caller to allow).

    `live` is in the version of the endpoint, in canonical JSON. Raises BadRequest, Conflict, or an unclassified error
    for a patch that does not fit its type. Neither argument is changed."""
    try:
        managed = book.decode(book.entries_of(live), trusted=True)
    except book.BadManagedFields as error:
        raise unclassified(f"failed to decode managed fields: {error}") from None
    if _kind_of(patch) != kind:
        raise BadRequest(f"invalid object type: {_kind_of(patch)}")
    work = _Work(live, patch, manager, kind, now, node, reset, subresource, convert)
    try:
        applied = work.run(managed, force)
    except _Conflicting as refused:
        if manager != lastapplied.MANAGER or live is None:
            raise conflict_error(refused.conflicts) from None
        applied = work.again_as_kubectl(managed, refused.conflicts)
    if manager == lastapplied.MANAGER and lastapplied.annotation(applied.obj):
        applied = applied._replace(obj=lastapplied.with_annotation(applied.obj, patch), changed=True)
    return applied


def _kind_of(obj: Obj) -> GroupVersionKind:
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    text = api_version if isinstance(api_version, str) else ""
    group, slash, version = text.rpartition("/")
    if slash and "/" in group:  # no group/version at all
        group, version = "", ""
    return GroupVersionKind(group, version, kind if isinstance(kind, str) else "")


def conversion_error(patch: Obj, kind: GroupVersionKind, why: str) -> StatusError:
    """For a result that is no object of its kind: `why` is what decoding says."""
    named = _named(patch, kind)
    return unclassified(
        f"failed to convert new object ({named}) to proper version: "
        f"unable to convert unstructured object to {kind}: {why}"
    )


def _named(obj: Obj, kind: GroupVersionKind) -> str:
    meta = obj.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    namespace, name = meta.get("namespace"), meta.get("name")
    return f"{namespace if isinstance(namespace, str) else ''}/{name if isinstance(name, str) else ''}; {kind}"


class _Work:
    def __init__(
        self,
        live: Obj | None,
        patch: Obj,
        manager: str,
        kind: GroupVersionKind,
        now: str,
        node: Node,
        reset: Reset,
        subresource: str,
        convert: Convert | None,
    ):
        self.exists = live is not None and bool((live.get("metadata") or {}).get("uid"))
        self.live: Obj = _without_managed_fields(live) if live and self.exists else empty_object(patch, node)
        self.patch = patch
        self.manager = Manager(manager or "unknown", APPLY, "", subresource)
        self.kind = kind
        self.version = kind.api_version
        self.now = now
        self.node = node
        self.reset = reset
        self.subresource = subresource
        self.convert = convert

    # --- the layers -------------------------------------------------------------------------------------------------

    def run(self, managed: Managed, force: bool) -> Applied:
        if not managed and self.exists:
            managed = self.before_first()
        self.check_patch()
        try:
            obj, managed = self.updated(managed, force)
        except TypedError as error:
            raise unclassified(str(error)) from None
        managed = self.stripped(managed)
        if obj is None:
            return Applied(self.live, book.encode(managed), False)
        if self.manager in managed:
            managed[self.manager] = managed[self.manager]._replace(time=self.now)
        return Applied(obj, book.encode(managed), True)

    def before_first(self) -> Managed:
        """Nobody was tracked so far: what is there belongs to a made-up updater."""
        writer = Manager(BEFORE_FIRST, UPDATE, self.version, self.subresource)
        try:
            managed = update_managed(None, self.live, {}, writer, self.now, self.node, self.reset, self.convert)
        except TypedError as error:
            raise unclassified(f"failed to create manager for existing fields: {error}") from None
        return cap_updaters(managed)

    def check_patch(self) -> None:
        if isinstance(book.entries_of(self.patch), list):
            raise BadRequest("metadata.managedFields must be nil")
        try:
            check(self.patch, self.node)
        except TypedError as error:
            named = _named(self.patch, self.kind)
            raise unclassified(f"failed to create typed patch object ({named}): {error}") from None
        if self.exists:
            try:
                check(self.live, self.node, allow_duplicates=True)
            except TypedError as error:
                named = _named(self.live, self.kind)
                raise unclassified(f"failed to create typed live object ({named}): {error}") from None

    def stripped(self, managed: Managed) -> Managed:
        owned = managed.get(self.manager)
        if owned is None:
            return managed
        fields = difference(owned.fields, UNOWNED)
        out = {manager: entry for manager, entry in managed.items() if manager != self.manager}
        if fields:
            out[self.manager] = owned._replace(fields=fields)
        return out

    def again_as_kubectl(self, managed: Managed, conflicts: Conflicts) -> Applied:
        """Conflicts about fields that kubectl itself applied from the client are none."""
        allowed = lastapplied.allowed_conflicts(self.live, self.version, self.node)
        if allowed is None:
            raise conflict_error(conflicts)
        if difference(of_paths(*(path for _, path in conflicts)), allowed):
            raise conflict_error([(manager, path) for manager, path in conflicts if not has(allowed, path)])
        return self.run(managed, True)

    # --- Updater.Apply ----------------------------------------------------------------------------------------------

    def updated(self, managed: Managed, force: bool) -> tuple[Obj | None, Managed]:
        """Raises TypedError."""
        managed = reconciled(managed, self.live, self.node, self.version, self.convert)
        with doing("failed to merge config"):
            obj: Obj = merge(self.live if self.exists else ABSENT, self.patch, self.node)
        last = managed.get(self.manager)
        fields = keep(to_set(self.patch, self.node), self.reset)
        time = last.time if last is not None else None
        managed = {**managed, self.manager: Owned(fields, self.version, time)}
        with doing("failed to prune fields"):
            obj = self.pruned(obj, managed, last)
        changes = filtered(compare(self.live, obj, self.node), self.reset)
        managed, conflicts = without_changes(
            managed, self.manager, self.live, obj, self.version, changes, self.reset, self.convert, force
        )
        if conflicts and not force:
            raise _Conflicting(listed(conflicts))
        return (None if self.exists and equal(self.live, obj) else obj), managed

    def converted(self, obj: Obj, version: str) -> tuple[Obj, Node] | None:
        same = version == obj.get("apiVersion")
        if self.convert is None or (same and version == self.version):
            return obj, self.node
        return self.convert(obj, version) if same else in_version(self.convert, obj, version)

    def pruned(self, merged: Obj, managed: Managed, last: Owned | None) -> Obj:
        """Without what the applier set last time, sets no longer, and nobody else owns."""
        if last is None or last.empty:
            return merged
        if last.api_version == self.version and not difference(last.fields, managed[self.manager].fields):
            return merged  # everything is set again
        with doing("failed to convert merged object to last applied version"):
            there = self.converted(merged, last.api_version)
        if there is None:
            return merged
        obj, node = there
        kept: Obj = remove(obj, ensure_named(last.fields, node), node) or {}
        with doing("failed add back owned items"):
            kept = self.with_owned(obj, kept, last.api_version, managed)
        with doing("failed add back dangling items"):
            kept = self.with_dangling(obj, kept, last, node)
        back = self.converted(kept, self.version)
        return merged if back is None else back[0]

    def with_owned(self, merged: Obj, kept: Obj, version: str, managed: Managed) -> Obj:
        """Put back what anybody owns, first in the version that was pruned."""
        per_version: dict[str, FieldSet] = {}
        for owned in managed.values():
            per_version[owned.api_version] = union(per_version.get(owned.api_version, LEAF), owned.fields)
        order = [version] if version in per_version else []
        order += [other for other in per_version if other != version]
        for other in order:
            with doing(f"failed to convert merged object at version {other}"):
                before = self.converted(merged, other)
            with doing(f"failed to convert pruned object at version {other}"):
                after = self.converted(kept, other)
            if before is None or after is None:
                continue
            merged, node = before
            all_fields = ensure_named(to_set(merged, node), node)
            kept_fields = ensure_named(to_set(after[0], node), node)
            owned_fields = ensure_named(per_version[other], node)
            kept = remove(merged, difference(all_fields, union(kept_fields, owned_fields)), node) or {}
        return kept

    def with_dangling(self, merged: Obj, kept: Obj, last: Owned, node: Node) -> Obj:
        """Put back what the applier never owned: items that nobody owns are nobody's to remove."""
        with doing("failed to convert pruned object to last applied version"):
            there = self.converted(kept, last.api_version)
        if there is None:
            return merged
        kept_fields = ensure_named(to_set(there[0], node), node)
        all_fields = ensure_named(to_set(merged, node), node)
        gone = intersection(difference(all_fields, kept_fields), ensure_named(last.fields, node))
        result: Obj = remove(merged, gone, node) or {}
        return result


def _without_managed_fields(obj: Obj) -> Obj:
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or "managedFields" not in meta:
        return obj
    return {**obj, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}
