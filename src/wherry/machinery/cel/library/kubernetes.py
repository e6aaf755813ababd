"""quantity(), semver() and format: the other types that Kubernetes adds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from wherry.kit.quantity import Quantity, QuantityError, parse_quantity
from wherry.machinery.builtin.common import names
from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.library.url import UrlError, parse_request_uri
from wherry.machinery.cel.registry import Library
from wherry.machinery.cel.values import NONE, Named, Optional
from wherry.machinery.schema import formats

QUANTITIES, SEMVER, FORMATS = Library("kubernetes.quantity"), Library("kubernetes.Semver"), Library("kubernetes.format")
QUANTITY_TYPE = t.struct("kubernetes.Quantity")
SEMVER_TYPE = t.struct("kubernetes.Semver")
FORMAT_TYPE = t.struct("kubernetes.NamedFormat")
QUANTITIES.type(QUANTITY_TYPE)
SEMVER.type(SEMVER_TYPE)
FORMATS.type(FORMAT_TYPE)


class QuantityValue(Named):
    __slots__ = ("amount",)
    cel_type: ClassVar[t.Type] = QUANTITY_TYPE

    def __init__(self, amount: Quantity):
        self.amount = amount

    def key(self) -> Any:
        return self.amount


def _quantity(text: str) -> QuantityValue:
    try:
        return QuantityValue(parse_quantity(text))
    except QuantityError as error:
        raise CelError(str(error)) from None


def _succeeds(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except CelError:
        return False
    return True


def _as_integer(value: QuantityValue) -> int:
    found = value.amount.as_int64()
    if found is None:
        raise CelError("cannot convert value to integer")
    return found


_Q, _I = QUANTITY_TYPE, t.INT
QUANTITIES.add("quantity", "string_to_quantity", [t.STRING], _Q, _quantity)
QUANTITIES.add("isQuantity", "is_quantity_string", [t.STRING], t.BOOL, lambda s: _succeeds(_quantity, s))
QUANTITIES.add("sign", "quantity_sign", [_Q], _I, lambda q: q.amount.sign())
QUANTITIES.add(
    "isGreaterThan",
    "quantity_is_greater_than",
    [_Q, _Q],
    t.BOOL,
    lambda a, b: a.amount.compare(b.amount) > 0,
    member=True,
)
QUANTITIES.add(
    "isLessThan", "quantity_is_less_than", [_Q, _Q], t.BOOL, lambda a, b: a.amount.compare(b.amount) < 0, member=True
)
QUANTITIES.add("compareTo", "quantity_compare_to", [_Q, _Q], _I, lambda a, b: a.amount.compare(b.amount), member=True)
QUANTITIES.add(
    "asApproximateFloat", "quantity_get_float", [_Q], t.DOUBLE, lambda q: q.amount.approximate_float(), member=True
)
QUANTITIES.add("asInteger", "quantity_get_int", [_Q], _I, _as_integer, member=True)
QUANTITIES.add("isInteger", "quantity_is_integer", [_Q], t.BOOL, lambda q: q.amount.as_int64() is not None, member=True)
QUANTITIES.add("add", "quantity_add", [_Q, _Q], _Q, lambda a, b: QuantityValue(a.amount.add(b.amount)), member=True)
QUANTITIES.add(
    "add", "quantity_add_int", [_Q, _I], _Q, lambda a, n: QuantityValue(a.amount.add(Quantity(n))), member=True
)
QUANTITIES.add(
    "sub", "quantity_sub", [_Q, _Q], _Q, lambda a, b: QuantityValue(a.amount.subtract(b.amount)), member=True
)
QUANTITIES.add(
    "sub", "quantity_sub_int", [_Q, _I], _Q, lambda a, n: QuantityValue(a.amount.subtract(Quantity(n))), member=True
)


# --- semver ----------------------------------------------------------------------------------------------------------
class Version(Named):
    __slots__ = ("build", "numbers", "pre")
    cel_type: ClassVar[t.Type] = SEMVER_TYPE

    def __init__(self, numbers: tuple[int, int, int], pre: tuple[str, ...], build: tuple[str, ...]):
        self.numbers, self.pre, self.build = numbers, pre, build

    def key(self) -> Any:
        return self.order()

    def order(self) -> Any:
        parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.pre)
        return self.numbers, not self.pre, parts


def _part(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise CelError(f'Invalid character(s) found in {name} number "{text}"')
    if len(text) > 1 and text[0] == "0":
        raise CelError(f'{name[0].upper()}{name[1:]} number must not contain leading zeroes "{text}"')
    if int(text) >= 1 << 64:
        raise CelError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def parse_version(text: str) -> Version:
    if not text:
        raise CelError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise CelError("No Major.Minor.Patch elements found")
    major, minor = _part(parts[0], "major"), _part(parts[1], "minor")
    rest, plus, build_text = parts[2].partition("+")
    patch_text, dash, pre_text = rest.partition("-")
    patch = _part(patch_text, "patch")
    pre = tuple(pre_text.split(".")) if dash else ()
    build = tuple(build_text.split(".")) if plus else ()
    for piece in pre:
        if not piece:
            raise CelError("Prerelease is empty")
        if piece.isdigit() and len(piece) > 1 and piece[0] == "0":
            raise CelError(f'Numeric PreRelease version must not contain leading zeroes "{piece}"')
        if not re.fullmatch(r"[0-9A-Za-z-]+", piece):
            raise CelError(f'Invalid character(s) found in prerelease "{piece}"')
    for piece in build:
        if not piece:
            raise CelError("Build meta data is empty")
        if not re.fullmatch(r"[0-9A-Za-z-]+", piece):
            raise CelError(f'Invalid character(s) found in build meta data "{piece}"')
    return Version((major, minor, patch), pre, build)


def parse_loose_version(text: str, normalize: bool = True) -> Version:
    """With a leading v, leading zeros and missing parts."""
    if not normalize:
        return parse_version(text)
    parts = text.removeprefix("v").split(".", 2)
    for i, piece in enumerate(parts):
        if len(piece) > 1:
            piece = piece.lstrip("0")
            parts[i] = piece if piece[:1].isdigit() else "0" + piece
    if len(parts) < 3:
        if any(c in parts[-1] for c in "+-"):
            raise CelError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return parse_version(".".join(parts))


def _compare(a: Version, b: Version) -> int:
    x, y = a.order(), b.order()
    return -1 if x < y else 1 if x > y else 0


_V, _S = SEMVER_TYPE, t.STRING
SEMVER.add("semver", "string_to_semver", [_S], _V, parse_version)
SEMVER.add("semver", "string_bool_to_semver", [_S, t.BOOL], _V, parse_loose_version)
SEMVER.add("isSemver", "is_semver_string", [_S], t.BOOL, lambda s: _succeeds(parse_version, s))
SEMVER.add(
    "isSemver",
    "is_semver_string_bool",
    [_S, t.BOOL],
    t.BOOL,
    lambda s, n: _succeeds(lambda x: parse_loose_version(x, n), s),
)
SEMVER.add("isGreaterThan", "semver_is_greater_than", [_V, _V], t.BOOL, lambda a, b: _compare(a, b) > 0, member=True)
SEMVER.add("isLessThan", "semver_is_less_than", [_V, _V], t.BOOL, lambda a, b: _compare(a, b) < 0, member=True)
SEMVER.add("compareTo", "semver_compare_to", [_V, _V], t.INT, _compare, member=True)
for _i, _name in enumerate(("major", "minor", "patch")):
    SEMVER.add(_name, f"semver_{_name}", [_V], t.INT, lambda v, i=_i: v.numbers[i], member=True)


# --- format ----------------------------------------------------------------------------------------------------------
class Format(Named):
    __slots__ = ("check", "name", "regex_size")
    cel_type: ClassVar[t.Type] = FORMAT_TYPE

    def __init__(self, name: str, check: Callable[[str], list[str]], regex_size: int):
        self.name, self.check, self.regex_size = name, check, regex_size

    def key(self) -> Any:
        return self.name


def _uri(text: str) -> list[str]:
    try:
        parse_request_uri(text)
    except UrlError as error:
        return [str(error)]
    return []


def _schema_format(name: str, message: str) -> Callable[[str], list[str]]:
    def check(text: str) -> list[str]:
        test = formats.checker(formats.normalize(name))
        return [] if test is None or test(text) else [message]

    return check


_FORMATS = {
    "dns1123Label": Format("DNS1123Label", names.name_is_dns_label, 30),
    "dns1123Subdomain": Format("DNS1123Subdomain", names.name_is_dns_subdomain, 60),
    "dns1035Label": Format("DNS1035Label", names.name_is_dns1035_label, 30),
    "qualifiedName": Format("QualifiedName", names.label_key, 60),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", lambda s: names.name_is_dns_label(s, True), 30),
    "dns1123SubdomainPrefix": Format("DNS1123SubdomainPrefix", lambda s: names.name_is_dns_subdomain(s, True), 60),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", lambda s: names.name_is_dns1035_label(s, True), 30),
    "labelValue": Format("LabelValue", names.label_value, 40),
    "uri": Format("URI", _uri, 1103),
    "uuid": Format("uuid", _schema_format("uuid", "does not match the UUID format"), 85),
    "byte": Format("byte", _schema_format("byte", "invalid base64"), 84),
    "date": Format("date", _schema_format("date", "invalid date"), 100),
    "datetime": Format("datetime", _schema_format("date-time", "invalid datetime"), 100),
}
for _name, _format in _FORMATS.items():
    FORMATS.add(f"format.{_name}", f"format.{_name}", [], FORMAT_TYPE, lambda f=_format: f)


@FORMATS.fn("format.named", "format-named", [t.STRING], t.optional_of(FORMAT_TYPE))
def _named(name: str) -> Optional:
    found = _FORMATS.get(name)
    return NONE if found is None else Optional(True, found)


@FORMATS.member("validate", "format-validate", [FORMAT_TYPE, t.STRING], t.optional_of(t.list_of(t.STRING)))
def _validate(format_: Format, text: str) -> Optional:
    found = format_.check(text)
    return Optional(True, list(found)) if found else NONE
