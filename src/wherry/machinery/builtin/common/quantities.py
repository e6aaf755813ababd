"""Quantities inside objects, compared and added: they arrive in canonical text, so reading them is arithmetic only.

Follows k8s.io/apimachinery/pkg/api/resource; parsing what users write belongs to the typed decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_BY_POWER = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_BY_POWER = {power: suffix for suffix, power in _BINARY.items()}


@lru_cache(maxsize=4096)
def parse(text: str) -> Fraction:
    """The exact value; `ValueError` when the text is no quantity."""
    end = len(text)
    while end and not (text[end - 1].isdigit() or text[end - 1] == "."):
        end -= 1
    number, suffix = text[:end], text[end:]
    if suffix in _BINARY:
        return Fraction(number) * Fraction(1024) ** _BINARY[suffix]
    if suffix in _DECIMAL:  # Fraction reads "1e3" and "1E3" itself
        return Fraction(number) * Fraction(10) ** _DECIMAL[suffix]
    raise ValueError(f"not a quantity: {text}")


def family(text: str) -> str:
    """`BinarySI`, `DecimalExponent` or `DecimalSI`: sums keep the family of their first term."""
    if text[-1:] == "i":
        return "BinarySI"
    return "DecimalExponent" if "e" in text or "E" in text[:-1] else "DecimalSI"


def text_of(value: Fraction, form: str = "DecimalSI") -> str:
    """Canonical text (Quantity.CanonicalizeBytes): fractions and what is below 1024 are never written as binary."""
    if value == 0:
        return "0"
    if form == "BinarySI" and abs(value) >= 1024 and value.denominator == 1:
        whole, power = value.numerator, 0
        while whole % 1024 == 0 and power < 6:
            whole, power = whole // 1024, power + 1
        return f"{whole}{_BINARY_BY_POWER.get(power, '')}"
    power = -9
    whole = _outward(value * 10**9)  # nothing finer than nano
    top = 18 if form != "DecimalExponent" else 1 << 20
    while whole % 1000 == 0 and power < top:
        whole, power = whole // 1000, power + 3
    if form == "DecimalExponent":
        return f"{whole}e{power}" if power else str(whole)
    return f"{whole}{_DECIMAL_BY_POWER[power]}"


def round_to_milli(text: str) -> str:
    """Quantities in resource lists have no parts below a thousandth: rounded up (SetDefaults_ResourceList)."""
    if text[-1:] not in ("n", "u") and not ("e-" in text or "E-" in text):
        return text
    return text_of(Fraction(milli_value(text), 1000), family(text))


def whole_value(text: str) -> int:
    """Quantity.Value: rounded away from zero to an integer, clamped to int64."""
    return max(-(1 << 63), min((1 << 63) - 1, _outward(parse(text))))


def milli_value(text: str) -> int:
    return _outward(parse(text) * 1000)


def _outward(value: Fraction) -> int:
    """The next integer away from zero, which is how quantities round."""
    whole = -(-abs(value.numerator) // value.denominator)
    return whole if value > 0 else -whole


def add_lists(total: dict[str, str], more: Mapping[str, str]) -> None:
    """Add a resource list to another in place."""
    for name, text in more.items():
        total[name] = text_of(parse(total[name]) + parse(text), family(total[name])) if name in total else text


def max_lists(total: dict[str, str], more: Mapping[str, str]) -> None:
    """Raise each entry of a resource list to at least that of another, in place."""
    for name, text in more.items():
        if name not in total or parse(text) > parse(total[name]):
            total[name] = text
