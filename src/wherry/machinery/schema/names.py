"""Name rules of k8s.io/apimachinery/pkg/util/validation that schemas and definitions need, texts included."""

from __future__ import annotations

import re

_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_1123_SUB = rf"{_1123}(\.{_1123})*"
_LABEL_1035 = re.compile(rf"{_1035}\Z")
_LABEL_1123 = re.compile(rf"{_1123}\Z")
_SUBDOMAIN = re.compile(rf"(?:{_1123_SUB})\Z")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def dns1035_label(text: str) -> list[str]:
    """IsDNS1035Label."""
    wrong = [_at_most(63)] if _size(text) > 63 else []
    if _LABEL_1035.match(text) is None:
        wrong.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            f"validation is '{_1035}')"
        )
    return wrong


def dns1123_subdomain(text: str) -> list[str]:
    """IsDNS1123Subdomain."""
    wrong = [_at_most(253)] if _size(text) > 253 else []
    if _SUBDOMAIN.match(text) is None:
        wrong.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_1123_SUB}')"
        )
    return wrong


def _at_most(limit: int) -> str:
    return f"must be no more than {limit} characters"
