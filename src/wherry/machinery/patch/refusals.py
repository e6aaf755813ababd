"""The refusals that all kinds of patch share, and the two ways in which a patch is printed inside them.

Mirrors k8s.io/apiserver/pkg/endpoints/handlers/patch.go: a JSON patch that does not apply is a bare 422, a result that
is no object of its kind is an Invalid of the pseudo-field `patch`, a strategic patch that breaks a rule of its format
is either a 400 or an unclassified 500.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from wherry.errors import InternalError, Invalid, StatusError, invalid
from wherry.kit import gojson

NO_META = (
    "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct "
    '{{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }}'
)


def unprocessable() -> StatusError:
    """A well-formed patch that cannot be applied; the server keeps its reason to itself."""
    text = "the server rejected our request due to an error in our request"
    return StatusError(text, details={}, reason="Invalid", code=422)


def unclassified(text: str) -> StatusError:
    """An error that the server has no class for: 500 without a reason."""
    return StatusError(text, reason="", code=500)


def invalid_patch(printed: str, why: str) -> Invalid:
    """The patched document is no object of its kind. `printed` is `go_json(document)` for JSON and merge patches and
    `go_format(patch)` for strategic ones."""
    return Invalid.of("", "", "", [invalid("patch", printed, why)])


def check_meta(document: Any, printed: Callable[[], str], *, custom: bool) -> None:
    """What a patched document says that it is, before anyone reads more of it. Raises Invalid, InternalError."""
    for field in ("apiVersion", "kind"):
        value = document.get(field)
        if value is not None and not isinstance(value, str):
            why = f"json: cannot unmarshal {gojson.kind_name(value)} into Go struct field .{field} of type string"
            raise invalid_patch(printed(), f"couldn't get version/kind; json parse error: {why}")
    if custom and "apiVersion" in document and document["apiVersion"] is None:
        raise invalid_patch(printed(), ".apiVersion accessor error: <nil> is of the type <nil>, expected string")
    if custom and not document.get("apiVersion"):
        why = "Object 'apiVersion' is missing in 'object has no apiVersion field'"
        raise InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})


def sorted_keys(value: Any) -> Any:
    """As Go's maps are printed."""
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


def go_json(document: Any) -> str:
    """As Go's json.Marshal writes it: keys in the order given, the characters of HTML escaped, and what was never taken
    apart (`gojson.Pairs`) with its repeated keys."""
    text = orjson.dumps(document, default=_as_sent, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    for char in "<>&\u2028\u2029":
        if char in text:
            text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _as_sent(value: Any) -> Any:
    if isinstance(value, gojson.Pairs):
        members = (f"{go_json(key)}:{go_json(item)}" for key, item in value.pairs)
        return orjson.Fragment("{" + ",".join(members) + "}")
    raise TypeError


def go_format(value: Any) -> str:
    """As Go's %v prints a decoded JSON value: `map[a:1 b:[x y]]`, keys sorted."""
    if value is None:
        return "<nil>"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_format(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_format, value)) + "]"
    if isinstance(value, float):
        return go_float(value)
    return str(value)


def go_float(value: float) -> str:
    """As Go's %v prints a float64: shortest form, with an exponent when that is below -4 not within -4..5."""
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + ("" if fraction == "0" else fraction)).lstrip("0")
    if not digits:
        return sign + "0"
    if whole == "0":
        point = -(len(fraction) - len(fraction.lstrip("0")))
    else:
        point = len(whole)
    point += int(exponent or 0)
    digits = digits.rstrip("0") or "0"
    if not -4 < point <= 6:
        power = point - 1
        head = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{head}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return sign + "0." + "0" * -point + digits
    if len(digits) <= point:
        return sign + digits + "0" * (point - len(digits))
    return sign + digits[:point] + "." + digits[point:]
