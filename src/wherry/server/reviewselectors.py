"""Selectors in access reviews: no authorizer here looks at them, but a review says which ones nobody could read.

Follows pkg/registry/authorization/util (ResourceAttributesFrom, BuildEvaluationError). Requirements that cannot be
understood are left out one by one: what remains asks for more, never for less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from wherry.errors import BadRequest
from wherry.machinery.fieldselectors import parse_field_selector
from wherry.machinery.kinds import Obj
from wherry.machinery.selectors import from_label_selector, parse_label_selector


def unread(attributes: Obj) -> str:
    """The evaluation error of a review's `resourceAttributes`, empty if all their selectors can be read."""
    return "; ".join(_errors(attributes))


def _errors(attributes: Obj) -> Iterator[str]:
    for what, readable, parse in (
        ("fieldSelector", _field_requirement, parse_field_selector),
        ("labelSelector", _label_requirement, parse_label_selector),
    ):
        selector = attributes.get(what)
        if selector is None:
            continue
        requirements: Sequence[Obj] = selector.get("requirements") or ()
        read = [readable(requirement) for requirement in requirements]
        if requirements:
            failed = not all(read)
        else:
            failed = not _parses(parse, selector.get("rawSelector", ""))
        if failed:
            partially = "partially ignored" if any(read) else "ignored"
            yield f"spec.resourceAttributes.{what} {partially} due to parse error"


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except BadRequest:
        return False
    return True


def _field_requirement(requirement: Obj) -> bool:
    return requirement.get("operator") in ("In", "NotIn") and len(requirement.get("values") or ()) == 1


def _label_requirement(requirement: Obj) -> bool:
    try:
        from_label_selector({"matchExpressions": [requirement]})
    except BadRequest:
        return False
    return True
