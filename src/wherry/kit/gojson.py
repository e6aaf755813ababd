"""How Go's encoding/json names and prints things: needed for the exact texts of decoding errors.

`Literal` is a float that remembers how the document wrote it; the slow readers of request bodies make them, so that an
error can quote `8e1` and a quantity can be read from the digits that were sent.
"""

from __future__ import annotations

from typing import Any


class Literal(float):
    """A JSON number that is no integer, with its text."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Literal:
        try:
            self = super().__new__(cls, text)
        except OverflowError:  # pragma: no cover - float() gives inf instead
            self = super().__new__(cls, "inf")
        self.text = text
        return self


class Pairs(dict[str, Any]):
    """A JSON object that names a key twice: the mapping has the last values, `pairs` all of them in order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]):
        super().__init__(pairs)
        self.pairs = pairs


def kind_name(value: Any) -> str:
    """The word in `cannot unmarshal <word> into ...`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array"


def format_float(value: float) -> str:
    """A float64 as encoding/json writes it: shortest digits, exponents only below 1e-6 and from 1e21 on."""
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    magnitude = abs(value)
    digits, _, exponent_text = format_shortest(magnitude)
    sign = "-" if value < 0 else ""
    exponent = exponent_text
    if magnitude < 1e-6 or magnitude >= 1e21:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        # Go pads exponents to two digits, encoding/json takes the zero of small negative ones away again.
        shown = f"e-{-exponent}" if exponent < 0 else f"e+{exponent:02d}"
        return f"{sign}{mantissa}{shown}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return f"{sign}{digits}{'0' * (exponent + 1 - len(digits))}"
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def format_shortest(magnitude: float) -> tuple[str, int, int]:
    """(significant digits, their number, exponent of the first digit) of a positive float."""
    mantissa, _, exponent = f"{magnitude!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    position = len(whole) - 1 + int(exponent or 0)
    stripped = digits.lstrip("0")
    position -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0") or "0"
    return stripped, len(stripped), position


def number_text(value: int | float) -> str:
    """A number as the document wrote it, or as Go would write it where that is not known."""
    if isinstance(value, Literal):
        return value.text
    return str(value) if isinstance(value, int) else format_float(value)
