"""The strategy of the kinds that a definition makes, one per version.

The store treats custom kinds through it like built-in ones. Objects come in the version that the strategy was made for;
`canonicalize` prunes them by the schema of the storage version at the end, as upstream's storage codec does. Follows
k8s.io/apiextensions-apiserver/pkg/registry/customresource (strategy, status strategy, validator).
"""

from __future__ import annotations

from typing import Protocol

from wherry.errors import FieldError, go_quote
from wherry.machinery.builtin.common.meta import STANDARD_FINALIZERS
from wherry.machinery.builtin.common.names import label_key
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.crd.scale import ScalePaths
from wherry.machinery.fields.values import equal
from wherry.machinery.kinds import Obj
from wherry.machinery.schema import Structural
from wherry.machinery.schema.ratchet import Correlated

_BLOCKING = ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany")
_NOT_CHECKED = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation"
)


class RuleChecker(Protocol):
    """Runs the validation rules of one compiled schema; made by the CEL room."""

    def __call__(self, obj: Obj, old: Obj | None, let_pass: list[str] | None = None) -> list[FieldError]:
        """Errors of all rules; `old` is None on create. Those of values that have not changed go to `let_pass`."""


class CustomStrategy(Strategy):
    """Rules of one version of one custom kind. `schema` is None where the version has none: then anything goes."""

    unconditional_update = False
    has_generation = True
    standard_finalizers = False

    def __init__(
        self,
        schema: Structural | None,
        *,
        status: bool = False,
        scale: ScalePaths | None = None,
        storage: Structural | None = None,
        rules: RuleChecker | None = None,
    ):
        self.schema = schema
        self.status = status
        self.scale = scale
        self.storage = storage  # the storage version's schema where that is another version
        self.rules = rules
        self._parts: tuple[bool, Structural | None] | None = None
        self._let_pass: list[str] = []  # by the last validation, for the warnings that are asked for right after it

    def _schema_parts(self) -> tuple[bool, Structural | None]:
        """(whether there are validation rules, the schema of status), looked up on the first write."""
        if self._parts is None:
            node = self.schema.node if self.schema is not None else None
            status = node.properties.get("status") if node is not None else None
            rules = node is not None and node.any_structural("validations")
            self._parts = rules, Structural(status, True) if status is not None else None
        return self._parts

    # --- create and update -------------------------------------------------------------------------------------------
    def default(self, obj: Obj) -> None:
        if self.schema is not None:
            self.schema.default(obj)

    def prune(self, obj: Obj) -> list[str]:
        """Drop unknown fields; their paths."""
        return self.schema.prune(obj) if self.schema is not None else []

    def prepare_create(self, obj: Obj) -> None:
        if self.status:
            obj.pop("status", None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        if not self.status:
            return
        if "status" in old:
            new["status"] = old["status"]
        else:
            new.pop("status", None)

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        """Anything but metadata counts; status too where it is no subresource."""
        if len(new) != len(old):
            return True
        return any(not equal(value, old.get(key, _ABSENT)) for key, value in new.items() if key != "metadata")

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self.validate_after([], obj)

    def validate_after(self, found: list[FieldError], obj: Obj) -> list[FieldError]:
        """Validation rules are not for objects whose metadata lacks something either."""
        schema = self.schema
        errors = [*found, *schema.validate_schema(obj)] if schema is not None else found
        errors = errors + self._check_scale(obj, spec=True)
        if schema is not None:
            errors = errors + schema.validate_embedded(obj) + schema.validate_lists(obj)
        return self._with_rules(errors, obj, None)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        schema = self.schema
        errors = schema.validate_schema(new, old) if schema is not None else []
        errors = errors + self._check_scale(new, spec=True)
        if schema is not None:
            errors = errors + schema.validate_embedded(new) + schema.validate_lists(new, old)
        return self._with_rules(errors, new, old)

    def canonicalize(self, obj: Obj) -> None:
        if self.storage is not None:
            self.storage.prune(obj)

    def warnings_create(self, obj: Obj) -> list[str]:
        return _finalizer_warnings(obj["metadata"].get("finalizers"), None)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        finalizers = _finalizer_warnings(new["metadata"].get("finalizers"), old["metadata"].get("finalizers"))
        return self._let_pass + finalizers

    def warnings_status_update(self, new: Obj, old: Obj) -> list[str]:
        return self._let_pass

    # --- /status -----------------------------------------------------------------------------------------------------
    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        """Everything but status and managedFields is that of old."""
        managed = new["metadata"].get("managedFields")
        status = new.get("status", _ABSENT)
        new.clear()
        new.update(old)
        meta = new["metadata"] = dict(old["metadata"])
        meta.pop("managedFields", None)
        if managed:
            meta["managedFields"] = managed
        if status is _ABSENT:
            new.pop("status", None)
        else:
            new["status"] = status

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        errors: list[FieldError] = []
        schema = self._schema_parts()[1]
        if schema is not None and "status" in new:
            errors += schema.validate_schema(new["status"], prefix="status", ratchet=self._old_status(new, old))
        errors += self._check_scale(new, spec=False)
        if self.schema is not None:
            errors += self.schema.validate_lists(new, old)
        return self._with_rules(errors, new, old)

    def _old_status(self, new: Obj, old: Obj) -> Correlated | None:
        return Correlated(new, old, self.schema.node).key("status") if self.schema is not None else None

    # --- parts -------------------------------------------------------------------------------------------------------
    def _check_scale(self, obj: Obj, *, spec: bool) -> list[FieldError]:
        scale = self.scale
        if scale is None:
            return []
        return (scale.check_spec(obj) if spec else []) + scale.check_status(obj)

    def _with_rules(self, errors: list[FieldError], obj: Obj, old: Obj | None) -> list[FieldError]:
        self._let_pass = []
        if not self._schema_parts()[0]:
            return errors
        if any(error.reason in _BLOCKING or error.reason == "FieldValueTypeInvalid" for error in errors):
            return [*errors, FieldError("<nil>", "FieldValueInvalid", _NOT_CHECKED)]
        return errors + self.rules(obj, old, self._let_pass) if self.rules is not None else errors


_ABSENT = object()


def _finalizer_warnings(new: list[str] | None, old: list[str] | None) -> list[str]:
    """Advice on the names of finalizers that were added, sorted by name."""
    if not new:
        return []
    warnings: list[str] = []
    for name in sorted(set(new) - set(old or ())):
        shown = f"metadata.finalizers: {go_quote(name)}: "
        warnings += [shown + text for text in label_key(name)]
        if "/" not in name and name not in STANDARD_FINALIZERS:
            path = " including a path (/)" if "." in name else ""
            advice = f"prefer a domain-qualified finalizer name{path} to avoid accidental conflicts"
            warnings.append(f"{shown}{advice} with other finalizer writers")
    return warnings
