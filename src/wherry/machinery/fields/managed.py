"""managedFields after a create, an update or a patch that is no apply.

On the path of a write: body -> decode and default -> (here) -> admission -> strategy -> storage; admission's changes
are nobody's. Mirrors FieldManager.Update of k8s.io/apimachinery/pkg/util/managedfields with all its layers: fields that
changed go to the writer, are taken from everybody else, fields that went are nobody's any more; what cannot be owned
is stripped; more than ten updaters are merged into `ancient-changes`.

Nothing here fails a request: where upstream cannot reckon ownership, the object ends with no managedFields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.errors import TOO_LONG, FieldError, invalid
from wherry.machinery.fields import entries as book
from wherry.machinery.fields.comparison import Comparison, compare
from wherry.machinery.fields.creation import UNOWNED_METADATA, UNOWNED_ROOT, created
from wherry.machinery.fields.entries import UPDATE, Entry, Managed, Manager, Owned
from wherry.machinery.fields.nodes import Node
from wherry.machinery.fields.reconcile import reconcile
from wherry.machinery.fields.reset import Reset, keep
from wherry.machinery.fields.sets import LEAF, FieldSet, difference, intersection, of_fields, union
from wherry.machinery.fields.typed import check
from wherry.machinery.fields.values import TypedError, doing
from wherry.machinery.kinds import Obj

# (object, apiVersion) -> the object in that version and its type, or None when there is no such version. Raises
# TypedError where there is no way to it.
Convert = Callable[[Obj, str], tuple[Obj, Node] | None]

MAX_UPDATERS = 10
ANCIENT = "ancient-changes"
MAX_NAME = 128

UNOWNED = of_fields(*UNOWNED_ROOT, "metadata", *(f"metadata.{name}" for name in UNOWNED_METADATA))


def manager_name(user_agent: str, field_manager: str = "") -> str:
    """The `fieldManager` parameter, or the User-Agent up to the first slash, printable and at most 128 bytes."""
    if field_manager:
        return field_manager
    name = user_agent.partition("/")[0]
    if name.isascii() and name.isprintable() and len(name) <= MAX_NAME:
        return name
    out, length = [], 0
    for char in name:
        if not char.isprintable():
            continue
        length += len(char.encode())
        if length > MAX_NAME:
            break
        out.append(char)
    return "".join(out)


def create(
    obj: Obj, manager: str, api_version: str, now: str, node: Node, reset: Reset = LEAF, subresource: str = ""
) -> list[Entry]:
    """managedFields of a new object; `now` in RFC 3339 with seconds."""
    given = book.entries_of(obj)
    if given and not book.is_reset(given):
        return update(None, obj, manager, api_version, now, node, reset, subresource)
    try:
        fields = created(obj, node, reset)
    except TypedError:
        return []
    if not fields:
        return []
    entry: Entry = {
        "manager": manager or "unknown",
        "operation": UPDATE,
        "apiVersion": api_version,
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    if subresource:
        entry["subresource"] = subresource
    return [entry]


def update(
    old: Obj | None,
    new: Obj,
    manager: str,
    api_version: str,
    now: str,
    node: Node,
    reset: Reset = LEAF,
    subresource: str = "",
    convert: Convert | None = None,
) -> list[Entry]:
    """managedFields after `old` (None: it is created) was made `new`; neither is changed.

    `new` may carry managedFields of the request, which are taken over as upstream does (`[]` and `[{}]` forget all)."""
    managed = _before(old, new, subresource)
    if not managed and old is not None:
        return []  # nobody was tracked before, so nobody is now
    writer = Manager(manager or "unknown", UPDATE, api_version, subresource)
    try:
        managed = update_managed(old, new, managed, writer, now, node, reset, convert)
    except TypedError:
        return []
    return book.encode(cap_updaters(managed))


def _before(old: Obj | None, new: Obj, subresource: str) -> Managed:
    """The managers to start from: those of the request unless it is for a subresource, gives none or bad ones."""
    live, given = book.entries_of(old), book.entries_of(new)
    if not subresource and given is not live and given is not None:
        if book.is_reset(given):
            return {}
        if given != live:
            try:
                managed = book.decode(given)
                if managed:
                    return managed
            except book.BadManagedFields:
                pass
    try:
        return book.decode(live, trusted=True)
    except book.BadManagedFields:
        return {}


def update_managed(
    old: Obj | None,
    new: Obj,
    managed: Managed,
    writer: Manager,
    now: str,
    node: Node,
    reset: Reset,
    convert: Convert | None,
) -> Managed:
    """The managers after a write; TypedError when the objects do not fit their type."""
    version = writer.api_version
    before = old if old is not None else empty_object(new, node)
    managed = reconciled(managed, before, node, version, convert)
    changes = filtered(compare(before, new, node), reset)
    managed = without_changes(managed, None, before, new, version, changes, reset, convert, force=True)[0]
    taken = difference(keep(union(changes.modified, changes.added), reset), UNOWNED)
    if taken:
        previous = managed.get(writer)
        fields = union(taken, previous.fields) if previous is not None else taken
        managed[writer] = Owned(fields, version, now)
    return managed


def empty_object(new: Obj, node: Node) -> Obj:
    """What a create is compared with: an empty Go struct, or for a custom resource an object with nothing but its
    kind."""
    zero = node.map.zero if node.map is not None else {}
    return {"apiVersion": new.get("apiVersion"), "kind": new.get("kind"), **zero}


def filtered(changes: Comparison, reset: Reset) -> Comparison:
    return changes if not reset else Comparison(*(keep(fields, reset) for fields in changes))


def reconciled(managed: Managed, live: Obj, node: Node, version: str, convert: Convert | None) -> Managed:
    """Owned fields fitted to a schema that has changed since (atomic to granular and back)."""
    out: Managed = {}
    for manager, owned in managed.items():
        type_ = node
        if owned.api_version != version:
            if convert is None:
                out[manager] = owned
                continue
            converted = in_version(convert, live, owned.api_version)
            if converted is None:
                continue  # a version that is served no more
            type_ = converted[1]
        fields = reconcile(owned.fields, type_)
        out[manager] = owned if fields is owned.fields else owned._replace(fields=fields)
    return out


def in_version(convert: Convert, obj: Obj, version: str) -> tuple[Obj, Node] | None:
    """An object in another version, which must fit that version's type. Raises TypedError."""
    found = convert(obj, version)
    if found is not None:
        check(*found)
    return found


def without_changes(
    managed: Managed,
    writer: Manager | None,
    old: Obj,
    new: Obj,
    version: str,
    changes: Comparison,
    reset: Reset,
    convert: Convert | None,
    force: bool,
) -> tuple[Managed, dict[Manager, FieldSet]]:
    """The managers without what others than `writer` lose to this change, and what each of them would lose
    (its conflicts). Without `force` conflicts leave everything as it is."""
    per_version: dict[str, tuple[FieldSet, FieldSet]] = {
        version: (union(changes.modified, changes.added), changes.removed)
    }
    kept: Managed = {}
    conflicts: dict[Manager, FieldSet] = {}
    removed: dict[Manager, FieldSet] = {}
    for manager, owned in managed.items():
        if manager != writer:
            theirs = per_version.get(owned.api_version)
            if theirs is None:
                theirs = _converted(old, new, owned.api_version, per_version[version], reset, convert)
                if theirs is None:
                    continue
                per_version[owned.api_version] = theirs
            lost = intersection(owned.fields, theirs[0])
            if lost:
                conflicts[manager] = lost
            if theirs[1]:
                removed[manager] = theirs[1]
        kept[manager] = owned
    if conflicts and not force:
        return managed, conflicts
    out: Managed = {}
    for manager, owned in kept.items():
        fields = owned.fields
        if manager in conflicts:
            fields = difference(fields, conflicts[manager])
        if manager in removed:
            fields = difference(fields, removed[manager])
        if fields:
            out[manager] = owned if fields is owned.fields else owned._replace(fields=fields)
    return out, conflicts


def _converted(
    old: Obj, new: Obj, version: str, same: tuple[FieldSet, FieldSet], reset: Reset, convert: Convert | None
) -> tuple[FieldSet, FieldSet] | None:
    """(changed, removed) as another version sees it, None when that version is gone."""
    if convert is None:
        return same
    with doing("failed to convert old object"):
        before = in_version(convert, old, version)
    with doing("failed to convert new object"):
        after = in_version(convert, new, version)
    if before is None or after is None:
        return None
    with doing("failed to compare objects"):
        changes = filtered(compare(before[0], after[0], after[1]), reset)
    return union(changes.modified, changes.added), changes.removed


def cap_updaters(managed: Managed) -> Managed:
    """Merge the oldest updaters, per version, until there are at most ten."""
    updaters = [manager for manager in managed if manager.operation == UPDATE]
    count = len(updaters)
    if count <= MAX_UPDATERS:
        return managed
    out = dict(managed)
    updaters.sort(key=lambda manager: (managed[manager].time or "", manager.identifier()))
    first: dict[str, Manager] = {}
    for manager in updaters:
        if count <= MAX_UPDATERS:
            break
        owned = managed[manager]
        version = owned.api_version
        bucket = Manager(ANCIENT, UPDATE, version, "")
        if version not in first:
            first[version] = manager
            continue
        if bucket not in out:
            out[bucket] = out.pop(first[version])
        out[bucket] = Owned(union(owned.fields, out[bucket].fields), version, owned.time)
        if manager != bucket:
            del out[manager]
        count -= 1
    return out


def validate(entries: Any, field: str = "metadata.managedFields") -> list[FieldError]:
    """What is wrong with the entries of a body (metav1 validation.ValidateManagedFields)."""
    errors: list[FieldError] = []
    for index, entry in enumerate(entries or ()):
        at = f"{field}[{index}]"
        operation, kind = entry.get("operation", ""), entry.get("fieldsType", "")
        if operation not in (book.APPLY, UPDATE):
            errors.append(invalid(f"{at}.operation", operation, "must be `Apply` or `Update`"))
        if kind and kind != "FieldsV1":
            errors.append(invalid(f"{at}.fieldsType", kind, "must be `FieldsV1`"))
        errors += validate_manager(entry.get("manager", ""), f"{at}.manager")
        if len(entry.get("subresource", "").encode()) > 256:
            errors.append(FieldError(f"{at}.subresource", TOO_LONG[0], "Too long: may not be more than 256 bytes"))
    return errors


def validate_manager(name: str, field: str = "fieldManager") -> list[FieldError]:
    """What is wrong with a field manager's name (metav1 validation.ValidateFieldManager)."""
    errors: list[FieldError] = []
    if len(name.encode()) > MAX_NAME:
        errors.append(FieldError(field, TOO_LONG[0], f"Too long: may not be more than {MAX_NAME} bytes"))
    at = 0
    for char in name:
        if not char.isprintable():
            shown = f"U+{ord(char):04X}"
            errors.append(invalid(field, name, f"invalid character {shown} (at position {at})"))
        at += len(char.encode())
    return errors
