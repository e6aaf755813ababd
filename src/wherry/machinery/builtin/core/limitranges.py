"""LimitRanges: defaults from bounds, and bounds that do not contradict each other (ValidateLimitRange)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from wherry.errors import FieldError, duplicate, forbidden, invalid, required
from wherry.machinery.builtin.common.names import label_key
from wherry.machinery.builtin.common.quantities import milli_value, parse, round_to_milli, whole_value
from wherry.machinery.builtin.core.shared.fields import spec_of
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.core.shared.resources import allows_overcommit, container_resource_name, resource_name
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

TYPES = ("Pod", "Container", "PersistentVolumeClaim")
LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
MAX_MILLI = ((1 << 63) - 1) // 1000


def _default_item(item: Obj) -> None:
    """The bounds of a container stand in for what it may leave out (SetDefaults_LimitRangeItem)."""
    limits = dict(item.get("default") or {})
    requests = dict(item.get("defaultRequest") or {})
    for name, value in (item.get("max") or {}).items():
        limits.setdefault(name, value)
    for source in (limits, item.get("min") or {}):
        for name, value in source.items():
            requests.setdefault(name, value)
    for key, values in (("default", limits), ("defaultRequest", requests)):
        if values:
            item[key] = values


def _type_name(kind: str, field: str) -> list[FieldError]:
    if texts := label_key(kind):
        return [invalid(field, kind, text) for text in texts]
    if "/" not in kind and kind not in TYPES:
        return [invalid(field, kind, "must be a standard limit type or fully qualified")]
    return []


def _names(item: Obj, key: str, field: str) -> list[FieldError]:
    rule = container_resource_name if item.get("type") in ("Pod", "Container") else resource_name
    return [e for name in item.get(key) or {} for e in rule(name, f"{field}.{key}[{name}]")]


# (upper, lower, where it is reported, whose value is shown, text): upper may not be below lower
_ORDER = (
    ("max", "min", "min", "min", "min value {low} is greater than max value {high}"),
    (
        "defaultRequest",
        "min",
        "defaultRequest",
        "defaultRequest",
        "min value {low} is greater than default request value {high}",
    ),
    (
        "max",
        "defaultRequest",
        "defaultRequest",
        "defaultRequest",
        "default request value {low} is greater than max value {high}",
    ),
    (
        "default",
        "defaultRequest",
        "defaultRequest",
        "defaultRequest",
        "default request value {low} is greater than default limit value {high}",
    ),
    ("default", "min", "default", "min", "min value {low} is greater than default value {high}"),
    ("max", "default", "default", "max", "default value {low} is greater than max value {high}"),
)


def _ratio(values: dict[str, str], name: str, field: str) -> Iterator[FieldError]:
    ratio = values.get("maxLimitRequestRatio")
    if ratio is None:
        return
    where = f"{field}.maxLimitRequestRatio[{name}]"
    if parse(ratio) < 1:
        yield invalid(where, ratio, f"ratio {ratio} is less than 1")
    if "min" not in values or "max" not in values:
        return
    low, high, limit = whole_value(values["min"]), whole_value(values["max"]), float(whole_value(ratio))
    if whole_value(ratio) < MAX_MILLI and low < MAX_MILLI and high < MAX_MILLI:
        low, high, limit = milli_value(values["min"]), milli_value(values["max"]), milli_value(ratio) / 1000
    most = high / low if low else float("inf") if high else float("nan")
    if limit > most:
        yield invalid(where, ratio, f"ratio {ratio} is greater than max/min = {most:f}")


def _one_resource(values: dict[str, str], name: str, field: str) -> Iterator[FieldError]:
    amounts: dict[str, Fraction] = {key: parse(text) for key, text in values.items()}
    for upper, lower, place, shown, text in _ORDER:
        if upper in values and lower in values and amounts[lower] > amounts[upper]:
            why = text.format(low=values[lower], high=values[upper])
            yield invalid(f"{field}.{place}[{name}]", values[shown], why)
    yield from _ratio(values, name, field)
    if allows_overcommit(name) or "default" not in values or "defaultRequest" not in values:
        return
    limit, request = values["default"], values["defaultRequest"]
    if amounts["default"] != amounts["defaultRequest"]:
        why = f"default value {limit} must equal to defaultRequest value {request} in {name}"
        yield invalid(f"{field}.defaultRequest[{name}]", request, why)


def _item(item: Obj, field: str) -> list[FieldError]:
    kind = item.get("type") or ""
    out = _names(item, "max", field) + _names(item, "min", field)
    lists: tuple[str, ...] = LISTS
    if kind == "Pod":
        lists = ("max", "min", "maxLimitRequestRatio")
        for key in ("default", "defaultRequest"):
            if item.get(key):
                out.append(forbidden(f"{field}.{key}", "may not be specified when `type` is 'Pod'"))
    else:
        out += _names(item, "default", field) + _names(item, "defaultRequest", field)
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(key) or {}) for key in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        out.append(required(field + ".limits", why))
    out += _names(item, "maxLimitRequestRatio", field)
    for name in sorted({name for key in lists for name in item.get(key) or {}}):
        values = {key: item[key][name] for key in lists if name in (item.get(key) or {})}
        out += _one_resource(values, name, field)
    return out


class LimitRangeStrategy(Strategy):
    names_itself = True
    create_on_update = True
    meta_again = False

    def default(self, obj: Obj) -> None:
        for item in spec_of(obj).get("limits") or []:
            if item.get("type") == "Container":
                _default_item(item)
            for key in LISTS:
                if item.get(key):
                    item[key] = {name: round_to_milli(text) for name, text in item[key].items()}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        out: list[FieldError] = []
        seen: set[str] = set()
        for i, item in enumerate(spec_of(obj).get("limits") or []):
            field, kind = f"spec.limits[{i}]", item.get("type") or ""
            out += _type_name(kind, field + ".type")
            if kind in seen:
                out.append(duplicate(field + ".type", kind))
            seen.add(kind)
            out += _item(item, field)
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, True) + self.validate_create(new)
