"""The selectors of a request on the way to authorizers (AuthorizeWithSelectors): read only when one of them looks.

Who may only read pods of one node, or secrets with one label, asks for just these; the Node authorizer and webhooks
decide by it. What cannot be read is left out term by term: selectors narrow, so what remains asks for more, never for
less. Follows pkg/registry/authorization/util (ResourceAttributesFrom, BuildEvaluationError).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wherry.errors import BadRequest
from wherry.machinery.fieldselectors import FieldRequirement, parse_field_selector
from wherry.machinery.kinds import Obj
from wherry.machinery.selectors import (
    ABSENT,
    EXISTS,
    NOT_EQUALS,
    NOT_IN,
    Requirement,
    from_label_selector,
    parse_label_selector,
)

_SHOWN = {EXISTS: "Exists", ABSENT: "DoesNotExist", NOT_IN: "NotIn", NOT_EQUALS: "NotIn"}
_NO_EQUIVALENT = ("gt", "lt")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read; `failed` says that something could not."""

    fields: tuple[FieldRequirement, ...] = ()
    labels: tuple[Requirement, ...] = ()
    fields_failed: bool = False
    labels_failed: bool = False


@dataclass(slots=True)
class Selectors:
    """The texts of a request's parameters, or the two selectors of a review's `resourceAttributes`."""

    field_text: str = ""
    label_text: str = ""
    given: Obj = field(default_factory=dict)
    _parsed: Parsed | None = None

    @property
    def parsed(self) -> Parsed:
        if self._parsed is None:
            fields, fields_failed = self._fields()
            labels, labels_failed = self._labels()
            self._parsed = Parsed(fields, labels, fields_failed, labels_failed)
        return self._parsed

    def selects(self, name: str, value: str) -> bool:
        """Whether the field must equal the value in all that is asked for."""
        return FieldRequirement(name, "=", value) in self.parsed.fields

    def _fields(self) -> tuple[tuple[FieldRequirement, ...], bool]:
        selector = self.given.get("fieldSelector") or {}
        if selector.get("requirements"):
            read = [_field_requirement(each) for each in selector["requirements"]]
            kept = tuple(each for each in read if each is not None)
            return kept, len(kept) < len(read)
        try:
            return parse_field_selector(selector.get("rawSelector") or self.field_text).requirements, False
        except BadRequest:
            return (), True

    def _labels(self) -> tuple[tuple[Requirement, ...], bool]:
        selector = self.given.get("labelSelector") or {}
        if selector.get("requirements"):
            read = [_label_requirement(each) for each in selector["requirements"]]
            kept = tuple(each for each in read if each is not None)
            return kept, len(kept) < len(read)
        try:
            return parse_label_selector(selector.get("rawSelector") or self.label_text).requirements, False
        except BadRequest:
            return (), True

    def unread(self) -> str:
        """The evaluation error of a review, empty if all its selectors can be read."""
        return "; ".join(self._errors())

    def _errors(self) -> Iterator[str]:
        parsed = self.parsed
        for what, failed, kept in (
            ("fieldSelector", parsed.fields_failed, parsed.fields),
            ("labelSelector", parsed.labels_failed, parsed.labels),
        ):
            if failed:
                partially = "partially ignored" if kept else "ignored"
                yield f"spec.resourceAttributes.{what} {partially} due to parse error"

    def as_api(self) -> Obj:
        """The selectors as `resourceAttributes` has them: requirements, and only where there are any."""
        found: Obj = {}
        fields = [
            {"key": each.field, "operator": "In" if each.operator == "=" else "NotIn", "values": [each.value]}
            for each in self.parsed.fields
        ]
        if fields:
            found["fieldSelector"] = {"requirements": fields}
        labels = [_label_api(each) for each in self.parsed.labels if each.operator not in _NO_EQUIVALENT]
        if labels:
            found["labelSelector"] = {"requirements": labels}
        return found


def _label_api(requirement: Requirement) -> Obj:
    shown: Obj = {"key": requirement.key, "operator": _SHOWN.get(requirement.operator, "In")}
    if requirement.values:
        shown["values"] = list(requirement.values)
    return shown


def _field_requirement(given: Obj) -> FieldRequirement | None:
    values: list[str] = given.get("values") or []
    operator = {"In": "=", "NotIn": "!="}.get(given.get("operator", ""))
    if operator is None or len(values) != 1:
        return None
    return FieldRequirement(given.get("key", ""), operator, values[0])


def _label_requirement(given: Obj) -> Requirement | None:
    try:
        read: tuple[Requirement, ...] = from_label_selector({"matchExpressions": [given]}).requirements
    except BadRequest:
        return None
    return read[0]
