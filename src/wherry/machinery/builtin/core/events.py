"""Events, the same objects under two groups: core/v1 (stored) and events.k8s.io/v1, which asks for more.

Follows pkg/apis/core/validation/events.go and the conversions of pkg/apis/events/v1.
"""

from __future__ import annotations

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.common.names import (
    byte_length,
    dns1123_subdomain,
    label_key,
    name_is_dns_subdomain,
    name_is_path_segment,
)
from wherry.machinery.builtin.core.shared.fields import checked, immutable
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

NO_MATCH = "does not match event.namespace"
_SHAPES = {
    "involvedObject": {
        "Kind": "kind",
        "Namespace": "namespace",
        "Name": "name",
        "UID": "uid",
        "APIVersion": "apiVersion",
        "ResourceVersion": "resourceVersion",
        "FieldPath": "fieldPath",
    },
    "source": {"Component": "component", "Host": "host"},
}
_SHAPES["related"] = _SHAPES["involvedObject"]
# in the order in which upstream compares them, the reason twice
_FIXED = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
]


def _limit(value: str, limit: int, field: str) -> list[FieldError]:
    return [invalid(field, "", f"can have at most {limit} characters")] if byte_length(value) > limit else []


def _timed(obj: Obj, controller_field: str) -> list[FieldError]:
    """What an event with an eventTime must have."""
    controller, instance = obj.get("reportingComponent") or "", obj.get("reportingInstance") or ""
    action, reason = obj.get("action") or "", obj.get("reason") or ""
    out = [] if controller else [required(controller_field)]
    out += checked(controller_field, controller, label_key(controller))
    for field, value in (("reportingInstance", instance), ("action", action), ("reason", reason)):
        if not value:
            out.append(required(field))
        out += _limit(value, 128, field)
    return out + _limit(obj.get("message") or "", 1024, "message")


def _legacy(obj: Obj, controller_field: str) -> list[FieldError]:
    """legacyValidateEvent, for both groups."""
    namespace = obj["metadata"].get("namespace") or ""
    involved = (obj.get("involvedObject") or {}).get("namespace") or ""
    out: list[FieldError] = []
    if obj.get("eventTime"):
        if not involved and namespace not in ("default", "kube-system"):
            out.append(invalid("involvedObject.namespace", involved, NO_MATCH))
        out += _timed(obj, controller_field)
    elif (not involved and namespace not in ("", "default")) or (involved and involved != namespace):
        out.append(invalid("involvedObject.namespace", involved, NO_MATCH))
    return out + checked("namespace", namespace, dns1123_subdomain(namespace))


class EventStrategy(Strategy):
    """core/v1."""

    create_on_update = True
    meta_first = False
    meta_again = False
    standard_finalizers = False
    validate_name = staticmethod(name_is_path_segment)
    default_gc_policy = "Unsupported"
    controller_field = "reportingComponent"

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _legacy(obj, self.controller_field)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return _legacy(new, self.controller_field)


def _series(obj: Obj) -> list[FieldError]:
    series = obj.get("series")
    if series is None:
        return []
    out: list[FieldError] = []
    if (series.get("count") or 0) < 2:
        out.append(invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        out.append(required("series.lastObservedTime"))
    return out


def _shown(key: str, value: object) -> object:
    shape = _SHAPES.get(key)
    if shape is None:
        return value
    if value is None and key == "related":
        return None
    return {go: (value or {}).get(name, "") for go, name in shape.items()}  # type: ignore[attr-defined]


class EventsEventStrategy(EventStrategy):
    """events.k8s.io/v1: the rules of core/v1 and more."""

    validate_name = staticmethod(name_is_dns_subdomain)
    controller_field = "reportingController"
    standard_finalizers = True

    def validate_create(self, obj: Obj) -> list[FieldError]:
        out = _legacy(obj, self.controller_field) + as_new(self, obj, True) + _series(obj)
        if not obj.get("eventTime"):
            out.append(required("eventTime"))
        kind = obj.get("type") or ""
        if kind not in ("Normal", "Warning"):
            out.append(invalid("type", "", f"has invalid value: {kind}"))
        source = obj.get("source") or {}
        unset = {"firstTimestamp": obj.get("firstTimestamp"), "lastTimestamp": obj.get("lastTimestamp")}
        unset |= {"count": obj.get("count"), "source": source.get("component") or source.get("host")}
        return out + [invalid(key, "", "needs to be unset") for key, value in unset.items() if value]

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = _legacy(new, self.controller_field) + as_change(self, new, old)
        if new.get("series") != old.get("series"):
            out += _series(new)
        for key in _FIXED:
            field = "reportingController" if key == "reportingComponent" else key
            now, was = new.get(key) or None, old.get(key) or None
            zero = 0 if key == "count" else None if key.endswith(("stamp", "Time")) else ""
            out += immutable(now, was, field, _shown(key, now if now is not None else zero))
        return out
