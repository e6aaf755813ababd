"""Requests that are answered, not stored: access reviews and token requests.

Follows pkg/apis/authorization/validation and pkg/apis/authentication/validation.
"""

from __future__ import annotations

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.common.labels import validate_requirement
from wherry.machinery.builtin.core.shared.fields import field_requirement, make, spec_of
from wherry.machinery.builtin.policy.review_shapes import shown_meta, shown_non_resource
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj


def _selector(selector: Obj | None, labels: bool, field: str) -> list[FieldError]:
    if selector is None:
        return []
    raw, requirements = selector.get("rawSelector") or "", selector.get("requirements") or []
    out: list[FieldError] = []
    if raw and requirements:
        why = "may not specified at the same time as requirements"
        out.append(invalid(field + ".rawSelector", raw, why))
    if not raw and not requirements:
        why = f"when {field} is specified, requirements or rawSelector is required"
        out.append(required(field + ".requirements", why))
    for i, item in enumerate(requirements):
        where = f"{field}.requirements[{i}]"
        if labels:
            out += validate_requirement(item, where, allow_unknown_operator=True)
        else:
            out += field_requirement(item, where, any_operator=True)
    return out


def _spec(spec: Obj, with_user: bool) -> list[FieldError]:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    out: list[FieldError] = []
    if resource is not None and other is not None:
        why = "cannot be specified in combination with resourceAttributes"
        out.append(invalid("spec.nonResourceAttributes", shown_non_resource(other), why))
    if resource is None and other is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        out.append(invalid("spec.resourceAttributes", None, why))
    if with_user and not spec.get("user") and not spec.get("groups"):
        out.append(invalid("spec.user", "", "at least one of user or group must be specified"))
    if resource is not None:
        field = "spec.resourceAttributes"
        out += _selector(resource.get("fieldSelector"), False, field + ".fieldSelector")
        out += _selector(resource.get("labelSelector"), True, field + ".labelSelector")
    return out


def _meta(obj: Obj, allowed: tuple[str, ...], why: str) -> list[FieldError]:
    meta = obj.get("metadata") or {}
    # creationTimestamp is stamped before the check upstream only where the object is stored: reviews are not
    rest = {key: value for key, value in meta.items() if value and key not in ("managedFields", *allowed)}
    return [invalid("metadata", shown_meta(meta), why)] if rest else []


class SubjectAccessReviewStrategy(Strategy):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _spec(spec_of(obj), True) + _meta(obj, (), "must be empty")


class SelfSubjectAccessReviewStrategy(Strategy):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _spec(spec_of(obj), False) + _meta(obj, (), "must be empty")


class LocalSubjectAccessReviewStrategy(Strategy):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec, namespace = spec_of(obj), (obj.get("metadata") or {}).get("namespace") or ""
        out = _spec(spec, True) + _meta(obj, ("namespace",), "must be empty except for namespace")
        resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if resource is not None and (resource.get("namespace") or "") != namespace:
            asked = resource.get("namespace") or ""
            out.append(invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace"))
        if other is not None:
            why = "disallowed on this kind of request"
            out.append(invalid("spec.nonResourceAttributes", shown_non_resource(other), why))
        return out


class TokenRequestStrategy(Strategy):
    """The `token` subresource of ServiceAccounts."""

    def default(self, obj: Obj) -> None:
        spec = make(obj, "spec")
        if spec.get("expirationSeconds") is None:
            spec["expirationSeconds"] = 3600

    def validate_create(self, obj: Obj) -> list[FieldError]:
        seconds = spec_of(obj).get("expirationSeconds") or 0
        field = "spec.expirationSeconds"
        if seconds < 600:
            return [invalid(field, seconds, "may not specify a duration less than 10 minutes")]
        if seconds > 1 << 32:
            return [invalid(field, seconds, "may not specify a duration larger than 2^32 seconds")]
        return []
