"""Quantities as Kubernetes writes them: `500m`, `1Gi`, `12e6`.

Follows k8s.io/apimachinery/pkg/api/resource: the same texts are accepted, the same canonical text comes out, sums and
comparisons are exact. A quantity is value * 10**scale with one of three formats; it is immutable here. Values that fit
an int64 keep their text when it is canonical already (upstream's cached string); all others pass through a decimal that
is rounded up to nano, and capped at the largest int64 when the suffix is binary.
"""

from __future__ import annotations

from functools import lru_cache

DECIMAL_SI = "DecimalSI"
BINARY_SI = "BinarySI"
DECIMAL_EXPONENT = "DecimalExponent"

FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC = "unable to parse numeric part of quantity"
SUFFIX = "unable to parse quantity's suffix"

MAX_INT64 = (1 << 63) - 1
MIN_INT64 = -(1 << 63)
_NANO = -9
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_BACK = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_BACK = {0: "", **{exponent: suffix for suffix, exponent in _BINARY.items()}}
_SUFFIX_CHARS = frozenset("eEinumkKMGTP")
_DIGITS = frozenset("0123456789")


class QuantityError(ValueError):
    """A text that is no quantity; the message is upstream's."""


def _wrap(value: int) -> int:
    """What Go's int64 conversion leaves of an integer."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _divide_up(value: int, digits: int) -> tuple[int, bool]:
    """value / 10**digits rounded away from zero, and whether it was exact."""
    if value == 0:
        return 0, True
    magnitude = abs(value)
    # A shift by far more digits than there are leaves the smallest step; 10**digits could be astronomically large.
    if digits > magnitude.bit_length():
        return (1 if value > 0 else -1), False
    quotient, rest = divmod(magnitude, 10**digits)
    if rest:
        quotient += 1
    return (quotient if value > 0 else -quotient), not rest


class Quantity:
    """An amount: `value` * 10**`scale`, written in `format`. `big` tells that it does not live in an int64."""

    __slots__ = ("_text", "big", "format", "scale", "value")

    def __init__(self, value: int, scale: int = 0, format: str = DECIMAL_SI, *, big: bool = False, text: str = ""):
        self.value, self.scale, self.format, self.big, self._text = value, scale, format, big, text

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"

    # --- text --------------------------------------------------------------------------------------------------------
    def __str__(self) -> str:
        if not self._text:
            self._text = self._canonical()
        return self._text

    def _canonical(self) -> str:
        if self.value == 0:
            return "0"
        if self.format == BINARY_SI and not self > -1024:
            return self._canonical_binary() or self._canonical_decimal(DECIMAL_SI)
        if self.format == BINARY_SI and not self < 1024:
            return self._canonical_binary() or self._canonical_decimal(DECIMAL_SI)
        return self._canonical_decimal(DECIMAL_SI if self.format == BINARY_SI else self.format)

    def _canonical_binary(self) -> str:
        value, exact = self._rescaled(0)
        if not exact:
            return ""  # rounding would lose precision: the decimal form is shown instead
        exponent = 0
        while value % 1024 == 0:
            value //= 1024
            exponent += 10
        return f"{value}{_BINARY_BACK.get(exponent, '')}"

    def _canonical_decimal(self, format: str) -> str:
        value, exponent = self.value, self.scale
        while value % 10 == 0:
            value //= 10
            exponent += 1
        while exponent % 3:
            value *= 10
            exponent -= 1
        if format == DECIMAL_SI:
            return f"{value}{_DECIMAL_BACK.get(exponent, '')}"
        return f"{value}e{exponent}" if exponent else str(value)

    def _rescaled(self, scale: int) -> tuple[int, bool]:
        """The value in steps of 10**scale, rounded away from zero, and whether that was exact."""
        if self.scale >= scale:
            return self.value * 10 ** (self.scale - scale), True
        return _divide_up(self.value, scale - self.scale)

    # --- reading -----------------------------------------------------------------------------------------------------
    def is_zero(self) -> bool:
        return self.value == 0

    def sign(self) -> int:
        return (self.value > 0) - (self.value < 0)

    def as_int64(self) -> int | None:
        """The amount if it is a whole number that upstream can read fast (AsInt64), else None."""
        if self.big or self.scale < 0:
            return None
        value = self.scaled_exact(0)
        return value if value is not None and MIN_INT64 <= value <= MAX_INT64 else None

    def scaled_exact(self, scale: int) -> int | None:
        """The amount in steps of 10**scale, None if it is no whole number of them or absurdly large."""
        if self.scale - scale > 400:
            return None
        value, exact = self._rescaled(scale)
        return value if exact else None

    def scaled_value(self, scale: int) -> int:
        """ScaledValue: rounded up to steps of 10**scale, with upstream's results for negatives and overflows."""
        shift = self.scale - scale
        if self.big:
            if shift >= 0:
                return _wrap(_wrap(self.value) * int(10**shift)) if shift < 19 else 0
            # Negatives of any size count as small, and Go's division rounds towards nought.
            value = _wrap(self.value) if self.value < MAX_INT64 and shift > -19 else self.value
            quotient, rest = divmod(abs(value), int(10**-shift))
            return _wrap((quotient if value > 0 else -quotient) + int(rest != 0))
        value, _ = self._rescaled(scale) if shift < 40 else (0, True)
        if MIN_INT64 <= value <= MAX_INT64:
            return value
        return _wrap(value) if shift in (1, 2, 3, 6, 9) else 0

    def whole(self) -> int:
        """Value(): rounded up to a whole number."""
        return self.scaled_value(0)

    def milli(self) -> int:
        """MilliValue(): rounded up to thousandths."""
        return self.scaled_value(-3)

    def approximate_float(self) -> float:
        try:
            return float(self.value) * 10.0**self.scale
        except OverflowError:
            return float("inf") if self.value > 0 else float("-inf")

    # --- comparing ---------------------------------------------------------------------------------------------------
    def compare(self, other: Quantity | int) -> int:
        """-1, 0 or 1, exact."""
        if isinstance(other, int):
            other = Quantity(other)
        if self.scale == other.scale:
            return (self.value > other.value) - (self.value < other.value)
        if self.sign() != other.sign():
            return 1 if self.sign() > other.sign() else -1
        if self.value == 0:
            return 0
        # Orders of magnitude first: exponents may be too large to multiply out.
        mine, theirs = len(str(abs(self.value))) + self.scale, len(str(abs(other.value))) + other.scale
        if mine != theirs:
            return self.sign() if mine > theirs else -self.sign()
        low = min(self.scale, other.scale)
        left, right = self.value * int(10 ** (self.scale - low)), other.value * int(10 ** (other.scale - low))
        return (left > right) - (left < right)

    def __eq__(self, other: object) -> bool:
        return self.compare(other) == 0 if isinstance(other, Quantity | int) else NotImplemented

    def __hash__(self) -> int:
        value, scale = self.value, self.scale
        if value == 0:
            return 0
        while value % 10 == 0:
            value //= 10
            scale += 1
        return hash((value, scale))

    def __lt__(self, other: Quantity | int) -> bool:
        return self.compare(other) < 0

    def __le__(self, other: Quantity | int) -> bool:
        return self.compare(other) <= 0

    def __gt__(self, other: Quantity | int) -> bool:
        return self.compare(other) > 0

    def __ge__(self, other: Quantity | int) -> bool:
        return self.compare(other) >= 0

    # --- arithmetic --------------------------------------------------------------------------------------------------
    def add(self, other: Quantity) -> Quantity:
        """The sum; a zero takes the format of what is added to it."""
        format = other.format if self.value == 0 else self.format
        if other.value == 0:
            return Quantity(self.value, self.scale, format, big=self.big or other.big)
        if self.value == 0:
            return Quantity(other.value, other.scale, format, big=self.big or other.big)
        if abs(self.scale - other.scale) > 4000:
            raise QuantityError("quantities are too far apart to be added")
        low = min(self.scale, other.scale)
        value = self.value * 10 ** (self.scale - low) + other.value * 10 ** (other.scale - low)
        return Quantity(value, low, format, big=self.big or other.big or not MIN_INT64 <= value <= MAX_INT64)

    def negate(self) -> Quantity:
        return Quantity(-self.value, self.scale, self.format, big=self.big)

    def subtract(self, other: Quantity) -> Quantity:
        return self.add(other.negate())

    def multiply(self, factor: int) -> Quantity:
        value = self.value * factor
        scale = self.scale if value else 0
        return Quantity(value, scale, self.format, big=self.big or not MIN_INT64 <= value <= MAX_INT64)

    def round_up(self, scale: int) -> Quantity:
        """Rounded away from zero to steps of 10**scale; itself when that changes nothing."""
        if self.scale >= scale:
            return self
        value, _ = _divide_up(self.value, scale - self.scale)
        return Quantity(value, scale, self.format, big=self.big)


# --- parsing ---------------------------------------------------------------------------------------------------------


def _split(text: str) -> tuple[bool, str, str, str, str]:
    """(positive, number with sign, integer digits, fraction digits, suffix); upstream's scanner, oddities included."""
    end, pos = len(text), 0
    positive = not text.startswith("-")
    if text[0] in "+-":
        pos = 1
    while pos < end and text[pos] == "0":
        pos += 1
    if pos == end:
        return positive, "0", "0", "", ""
    start = pos
    while pos < end and text[pos] in _DIGITS:
        pos += 1
    whole = text[start:pos] or "0"
    if pos == end:
        return positive, text, whole, "", ""
    fraction = ""
    if text[pos] == ".":
        pos += 1
        start = pos
        while pos < end and text[pos] in _DIGITS:
            pos += 1
        fraction = text[start:pos]
        if pos == end:
            return positive, text, whole, fraction, ""
    number, start = text[:pos], pos
    while pos < end and text[pos] in _SUFFIX_CHARS:
        pos += 1
    if pos < end and text[pos] in "+-":
        pos += 1
    while pos < end and text[pos] in _DIGITS:
        pos += 1
    if pos < end:
        raise QuantityError(FORMAT_WRONG)
    return positive, number, whole, fraction, text[start:]


def _interpret(suffix: str) -> tuple[str, int]:
    """(format, exponent) of a suffix."""
    if (decimal := _DECIMAL.get(suffix)) is not None:
        return DECIMAL_SI, decimal
    if (binary := _BINARY.get(suffix)) is not None:
        return BINARY_SI, binary
    if len(suffix) > 1 and suffix[0] in "eE":
        digits = suffix[1:]
        if digits.lstrip("+-").isdigit() and len(digits.lstrip("+-")) >= len(digits) - 1 and len(digits) < 25:
            exponent = int(digits)
            if MIN_INT64 <= exponent <= MAX_INT64:
                return DECIMAL_EXPONENT, (exponent + (1 << 31)) % (1 << 32) - (1 << 31)
    raise QuantityError(SUFFIX)


def _parse_int64(text: str, positive: bool, whole: str, fraction: str, format: str, exponent: int) -> Quantity | None:
    """The quantity if it fits an int64 without rounding, else None."""
    factor = 1
    if format == BINARY_SI:
        if fraction:
            return None
        factor, scale = 1 << exponent, 0
        room = 15 - len(whole) - exponent * 3 // 10 - 1
    else:
        scale = exponent
        room = 18 - len(whole) - len(fraction)
    scale -= len(fraction)
    if room < 0 or scale < _NANO:
        return None
    digits = whole + fraction
    value = int(digits)
    result = value * factor
    if result > MAX_INT64:
        return None
    if format == BINARY_SI:
        keep = value & 7 != 0
    else:
        keep = scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"
    return Quantity(result if positive else -result, scale, format, text=text if keep else "")


def _parse_decimal(number: str, positive: bool, format: str, exponent: int) -> Quantity:
    """The long way: a decimal of any size, rounded up to nano."""
    unsigned = number.lstrip("+-")
    whole, _, fraction = unsigned.partition(".")
    if len(unsigned) > 4000 or not (whole + fraction).isdigit() or len(unsigned) < len(number) - 1:
        raise QuantityError(NUMERIC)
    value, scale = int(whole + fraction), -len(fraction)
    if format == BINARY_SI:
        value <<= exponent
    else:
        scale += exponent
    if value and scale < _NANO:
        value, _ = _divide_up(value, _NANO - scale)
        scale = _NANO
    elif value and scale < 400:
        value, scale = value * int(10 ** (scale - _NANO)), _NANO  # shows only where an int64 is asked for
    amount = Quantity(value, scale, format, big=True)
    if format == BINARY_SI:
        if amount > MAX_INT64:
            amount = Quantity(MAX_INT64, 0, format, big=True)
        elif 0 < amount < 1:
            amount = Quantity(value, scale, DECIMAL_SI, big=True)
    return amount if positive else Quantity(-amount.value, amount.scale, amount.format, big=True)


@lru_cache(maxsize=8192)
def parse_quantity(text: str) -> Quantity:
    """A quantity from its text; raises QuantityError with upstream's words."""
    if not text:
        raise QuantityError(FORMAT_WRONG)
    if text == "0":
        return Quantity(0, text="0")
    positive, number, whole, fraction, suffix = _split(text)
    format, exponent = _interpret(suffix)
    found = _parse_int64(text, positive, whole, fraction, format, exponent)
    return found if found is not None else _parse_decimal(number, positive, format, exponent)


@lru_cache(maxsize=8192)
def canonical(text: str) -> str:
    """The canonical text of a quantity as a request body carries it: blanks around it are dropped.

    Read twice, as a server does that stores it in between: a binary amount whose text shows no suffix is decimal then.
    """
    return str(parse_quantity(str(parse_quantity(text.strip(" \t\n\r\v\f\x85\xa0")))))
