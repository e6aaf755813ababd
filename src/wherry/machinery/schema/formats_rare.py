"""The string formats that few schemas use: network addresses, URIs, e-mail, book and card numbers.

Second half of `formats` (which see); follows strfmt, govalidator, and Go's net, net/url and net/mail parsers.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import cache

from wherry.machinery.schema.formats import Check
from wherry.machinery.schema.formats_uri import is_uri

_BYTE = r"(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])"
_GAP = r"[\t\n\f\r ]*"
_RGB = re.compile(rf"rgb\({_GAP}{_BYTE}{_GAP},{_GAP}{_BYTE}{_GAP},{_GAP}{_BYTE}{_GAP}\)\Z")
_CARD = re.compile(
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})\Z"
)
_SSN = re.compile(r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}\Z")
_SEPARATORS = re.compile(r"[\t\n\f\r -]+")
_HOST = re.compile(r"(?:[aA1](?:-?[aA1]{0,62})?|(?:[aA1](?:[aA1-]{0,61}[aA1])?\.)+[aA]{2,63})\Z")


def is_isbn10(text: str) -> bool:
    digits = _SEPARATORS.sub("", text)
    if re.match(r"(?:[0-9]{9}X|[0-9]{10})\Z", digits) is None:
        return False
    total = sum((i + 1) * int(digits[i]) for i in range(9))
    return (total + 10 * (10 if digits[9] == "X" else int(digits[9]))) % 11 == 0


def is_isbn13(text: str) -> bool:
    digits = _SEPARATORS.sub("", text)
    if re.match(r"[0-9]{13}\Z", digits) is None:
        return False
    total = sum((1, 3)[i % 2] * int(digits[i]) for i in range(12))
    return int(digits[12]) == (10 - total % 10) % 10


def is_creditcard(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if _CARD.match(digits) is None:
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value >= 10 else value
    return total % 10 == 0


def is_hostname(text: str) -> bool:
    """Letters stand for `a`, symbols and digits for `1`: upstream's pattern in classes that `re` has."""
    mapped = "".join(_host_class(c) for c in text)
    if _HOST.match(mapped) is None or len(text.encode("utf-8", "surrogatepass")) > 255:
        return False
    return all(len(part.encode("utf-8", "surrogatepass")) <= 63 for part in text.split("."))


def _host_class(char: str) -> str:
    if char in "-.":
        return char
    if char < "\x80":
        return "a" if char.isalpha() else "1" if char.isdigit() or unicodedata.category(char)[0] == "S" else "\0"
    family = unicodedata.category(char)[0]
    return "a" if family == "L" else "1" if family == "S" else "\0"


def _sloppy_v4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(re.match(r"[0-9]+\Z", p) is not None and int(p) <= 255 for p in parts)


def _v6(text: str, sloppy: bool) -> bool:
    if "%" in text or ":" not in text:
        return False
    head, _, tail = text.rpartition(":")
    if sloppy and _sloppy_v4(tail):
        text = f"{head}:" + ".".join(str(int(p)) for p in tail.split("."))
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def is_ipv4(text: str) -> bool:
    """An address that holds a dot; leading zeros are tolerated, and so is an IPv6 address with an IPv4 tail."""
    return "." in text and (_v6(text, True) if ":" in text else _sloppy_v4(text))


def is_ipv6(text: str) -> bool:
    return _v6(text, False)


def is_cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not slash or re.match(r"[0-9]+\Z", length) is None:
        return False
    if ":" in address:
        return _v6(address, True) and int(length) <= 128
    return _sloppy_v4(address) and int(length) <= 32


def is_mac(text: str) -> bool:
    if re.match(r"(?:[0-9a-fA-F]{12}|[0-9a-fA-F]{16}|[0-9a-fA-F]{40})\Z", text):
        return True
    if len(text) < 14:
        return False
    if text[2] in ":-":
        parts = text.split(text[2])
        return len(parts) in (6, 8, 20) and all(re.match(r"[0-9a-fA-F]{2}\Z", p) for p in parts)
    if text[4] == ".":
        parts = text.split(".")
        return len(parts) in (3, 4, 10) and all(re.match(r"[0-9a-fA-F]{4}\Z", p) for p in parts)
    return False


_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\U0010ffff])*"'
_DOTTED = rf"{_ATEXT}(?:\.{_ATEXT})*"
_SPEC = rf"(?:{_DOTTED}|{_QUOTED})[ \t]*@[ \t]*(?:{_DOTTED}|\[[^\[\]\\\x00-\x1f]*\])"
_WORD = rf"(?:{_DOTTED}\.?|{_QUOTED})"
_PHRASE = rf"(?:{_WORD}(?:[ \t]+{_WORD})*)?"  # words apart, so that matching stays linear
_ADDRESS = rf"[ \t]*(?:{_SPEC}|{_PHRASE}[ \t]*<[ \t]*{_SPEC}[ \t]*>)[ \t]*(?:\([^()]*\)[ \t]*)*\Z"


@cache
def _address() -> re.Pattern[str]:
    """Compiled on first use: it takes 30 ms, and `email` is the rarest of formats."""
    return re.compile(_ADDRESS)


def is_email(text: str) -> bool:
    """net/mail.ParseAddress: `user@host` or `Name <user@host>`; an empty quoted local part is refused."""
    return _address().match(text) is not None and '""' not in text.rpartition("@")[0].rpartition("<")[2]


RARE: dict[str, Check] = {
    "uri": is_uri,
    "email": is_email,
    "hostname": is_hostname,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
    "cidr": is_cidr,
    "mac": is_mac,
    "isbn": lambda text: is_isbn10(text) or is_isbn13(text),
    "isbn10": is_isbn10,
    "isbn13": is_isbn13,
    "creditcard": is_creditcard,
    "ssn": lambda text: len(text) == 11 and _SSN.match(text) is not None,
    "rgbcolor": lambda text: _RGB.match(text) is not None,
}
