"""What a built-in kind does besides what its schema says: the rules that kube-apiserver writes by hand per kind.

One subclass per kind, in `machinery/builtin/<area>/<kind>.py`, found through the table in `builtin/__init__.py`
(group, resource) -> module, so that only the kinds in use are imported (law 4). All methods are pure: no clock, no I/O.
They see objects of the storage version, already decoded to canonical form (`machinery.typed`).

Order of a create: decode -> `default` -> mutating admission -> `prepare_create` -> `validate_create` -> `canonicalize`.
Order of an update: decode -> `default` -> `prepare_update` -> `validate_update` -> `canonicalize`.
Mirrors rest.RESTCreateStrategy and rest.RESTUpdateStrategy (k8s.io/apiserver/pkg/registry/rest).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from wherry.errors import FieldError
from wherry.machinery.kinds import Obj


class Strategy:
    """Defaults for a kind without rules of its own; subclasses override what they need. Methods may change `obj`."""

    # --- create and update -------------------------------------------------------------------------------------------
    create_on_update = False  # AllowCreateOnUpdate: PUT to a missing name creates it
    unconditional_update = True  # AllowUnconditionalUpdate: PUT without resourceVersion is allowed
    has_generation = False  # metadata.generation starts at 1 and follows `spec_changed`
    names_itself = False  # an object without a name gets a random one (LimitRange)
    # name rule: returns texts of what is wrong (k8s.io/apimachinery/pkg/api/validation.ValidateNameFunc); `prefix` is
    # true for a generateName. None means DNS subdomain.
    validate_name: Callable[[str, bool], list[str]] | None = None
    # How metadata is judged (see common.meta): before the rest and together with it, or only when the rest is sound;
    # a second time on update (each cause then appears twice); with the rule that finalizers be standard or qualified.
    meta_first = True
    meta_again = True
    standard_finalizers = True

    # The core resource whose object of the same name goes with this one, whoever owns it.
    takes_along = ""

    def default(self, obj: Obj) -> None:
        """Set the defaults of the storage version (pkg/apis/<group>/<version>/defaults.go), nested types included."""

    def prepare_create(self, obj: Obj) -> None:
        """Drop what a creator may not set (usually: reset status)."""

    def prepare_update(self, new: Obj, old: Obj) -> None:
        """Keep what the main endpoint may not change (usually: status of old)."""

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        """Whether generation goes up; default: anything but metadata and status differs."""
        skip = ("metadata", "status")
        return {k: v for k, v in new.items() if k not in skip} != {k: v for k, v in old.items() if k not in skip}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        """Everything but metadata, which the store validates for all kinds. Errors in upstream's order and words."""
        return []

    def validate_after(self, found: list[FieldError], obj: Obj) -> list[FieldError]:
        """What is wrong with the metadata of a new object, and with the rest."""
        return [*found, *self.validate_create(obj)]

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        """Everything but metadata; usually validate_create's rules plus immutability."""
        return []

    # What needs the time or the caller: called right after the prepare step. Most kinds have nothing to do here.
    def stamp_create(self, obj: Obj, now: str, user: Obj) -> None:
        """`user` is the caller as a `UserInfo` document (username, uid, groups, extra); empty for the server itself."""

    def stamp_update(self, new: Obj, old: Obj, now: str, subresource: str) -> None:
        """`subresource` is empty for the main endpoint."""

    def canonicalize(self, obj: Obj) -> None:
        """Last touch before an object is stored, after validation (Canonicalize)."""

    def warnings_create(self, obj: Obj) -> list[str]:
        """Texts for `Warning: 299 - "..."` headers on create (WarningsOnCreate)."""
        return []

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        """Texts for `Warning` headers on update (WarningsOnUpdate)."""
        return []

    def warnings_delete(self) -> list[str]:
        """For a delete of one object that does not say what becomes of its dependents."""
        return []

    def warnings_status_update(self, new: Obj, old: Obj) -> list[str]:
        """The same for /status."""
        return []

    # --- /status (present when discovery lists the subresource) -----------------------------------------------------
    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        """Keep all but status (and, as upstream, metadata other than managedFields unless the kind says otherwise).

        The default keeps spec and other roots of old; labels and annotations of new pass, as most built-ins do."""
        for key in [k for k in new if k not in ("kind", "apiVersion", "metadata", "status")]:
            if key not in old:
                del new[key]
        for key, value in old.items():
            if key not in ("kind", "apiVersion", "metadata", "status"):
                new[key] = value

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return []

    # --- other subresources that write the same object: name -> (prepare, validate) method names ----------------------
    # for example {"finalize": ("prepare_finalize_update", "validate_finalize_update")}, signatures as for /status
    updates: ClassVar[dict[str, tuple[str, str]]] = {"status": ("prepare_status_update", "validate_status_update")}

    # --- delete ------------------------------------------------------------------------------------------------------
    graceful = False  # pods: deletionGracePeriodSeconds is honoured
    default_gc_policy = "Background"  # "Orphan" for ReplicationController (historical)

    keeps_deleted = False  # the first delete only marks, always (definitions: their objects must go first)

    def mark_deleting(self, obj: Obj, now: str) -> None:
        """Called once when a delete does not remove the object at once (namespaces: phase; definitions: condition)."""

    # --- metadata alone ----------------------------------------------------------------------------------------------
    # Annotations that upstream's internal type keeps as fields: who asks for metadata alone does not see them.
    field_annotations: tuple[str, ...] = ()
