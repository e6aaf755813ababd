"""The alphabets of Kubernetes names: each function returns what is wrong with a string, as texts.

Follows k8s.io/apimachinery/pkg/util/validation and pkg/api/validate/content. Lengths are counted in bytes of UTF-8, as
Go counts them; regular expressions match whole strings (Go's `$` knows no trailing newline exception).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps

NameRule = Callable[[str, bool], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_UNDERSCORE = _LABEL_UNDERSCORE + r"(\." + _LABEL_UNDERSCORE + ")*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = r"\*\." + _SUBDOMAIN
_LABEL_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_LABEL_KEY})?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_PERCENT = "[0-9]+%"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_ENV_VAR = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_label_re = re.compile(_LABEL)
_subdomain_re = re.compile(_SUBDOMAIN)
_subdomain_underscore_re = re.compile(_SUBDOMAIN_UNDERSCORE)
_dns1035_re = re.compile(_DNS1035)
_wildcard_re = re.compile(_WILDCARD)
_label_key_re = re.compile(_LABEL_KEY)
_label_value_re = re.compile(_LABEL_VALUE)
_c_identifier_re = re.compile(_C_IDENTIFIER)
_percent_re = re.compile(_PERCENT)
_http_header_re = re.compile(_HTTP_HEADER)
_env_var_re = re.compile(_ENV_VAR)
_config_key_re = re.compile(_CONFIG_KEY)
_http_path_re = re.compile(_HTTP_PATH)
_port_charset_re = re.compile("[-a-z0-9]+")
_port_letter_re = re.compile("[a-z]")

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_UNDERSCORE_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_KEY_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_TEXT = "a valid label must be an empty string or consist of" + _KEY_TEXT.removeprefix("must consist of")
_C_IDENTIFIER_TEXT = (
    "a valid C identifier must start with alphabetic character or '_', "
    "followed by a string of alphanumeric characters or '_'"
)
_ENV_TEXT = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', "
    "and must not start with a digit"
)
_RELAXED_ENV_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"


_REMEMBERED = 4096


def remembered(rule: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """The rule with a bounded memory of what passed it: the same keys come with every write of an object."""
    passed: set[str] = set()

    @wraps(rule)
    def check(value: str) -> list[str]:
        if value in passed:
            return []
        found = rule(value)
        if not found and len(value) < 512:
            if len(passed) >= _REMEMBERED:
                passed.clear()
            passed.add(value)
        return found

    return check


def byte_length(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def max_len_text(length: int) -> str:
    return f"must be no more than {length} characters"


def range_text(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def regex_text(message: str, pattern: str, *examples: str) -> str:
    """The message with its examples, with the doubled comma that the real texts have."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{e}', " for e in examples)
    return f"{message} (e.g. {listed}regex used for validation is '{pattern}')"


def dns1123_label(value: str) -> list[str]:
    if len(value) <= 63 and _label_re.fullmatch(value):
        return []
    errors = [max_len_text(63)] if byte_length(value) > 63 else []
    if not _label_re.fullmatch(value):
        if _subdomain_re.fullmatch(value):
            errors.append("must not contain dots")
        else:
            errors.append(regex_text(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return errors


def dns1123_subdomain(value: str) -> list[str]:
    if len(value) <= 253 and _subdomain_re.fullmatch(value):
        return []
    errors = [max_len_text(253)] if byte_length(value) > 253 else []
    if not _subdomain_re.fullmatch(value):
        errors.append(regex_text(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return errors


def dns1123_subdomain_underscore(value: str) -> list[str]:
    errors = [max_len_text(253)] if byte_length(value) > 253 else []
    if not _subdomain_underscore_re.fullmatch(value):
        errors.append(regex_text(_SUBDOMAIN_UNDERSCORE_TEXT, _SUBDOMAIN_UNDERSCORE, "example.com"))
    return errors


def dns1035_label(value: str) -> list[str]:
    errors = [max_len_text(63)] if byte_length(value) > 63 else []
    if not _dns1035_re.fullmatch(value):
        errors.append(regex_text(_DNS1035_TEXT, _DNS1035, "my-name", "abc-123"))
    return errors


def wildcard_subdomain(value: str) -> list[str]:
    errors = [max_len_text(253)] if byte_length(value) > 253 else []
    if not _wildcard_re.fullmatch(value):
        errors.append(regex_text(_WILDCARD_TEXT, _WILDCARD, "*.example.com"))
    return errors


@remembered
def label_key(value: str) -> list[str]:
    """A "qualified name": an optional DNS subdomain and a slash, then up to 63 letters, digits, `-`, `_` and `.`."""
    prefix, slash, name = value.partition("/")
    errors: list[str] = []
    if not slash:
        name = prefix
    elif "/" in name:
        text = regex_text(_KEY_TEXT, _LABEL_KEY, "MyName", "my.name", "123-abc")
        return [f"a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    elif not prefix:
        errors.append("prefix part must be non-empty")
    else:
        # This one rule counts in bytes, and says so.
        errors.extend("prefix part " + t.replace("253 characters", "253 bytes") for t in dns1123_subdomain(prefix))
    if not name:
        errors.append("name part must be non-empty")
    elif byte_length(name) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _label_key_re.fullmatch(name):
        errors.append("name part " + regex_text(_KEY_TEXT, _LABEL_KEY, "MyName", "my.name", "123-abc"))
    return errors


@remembered
def label_value(value: str) -> list[str]:
    errors = ["must be no more than 63 bytes"] if byte_length(value) > 63 else []
    if not _label_value_re.fullmatch(value):
        errors.append(regex_text(_VALUE_TEXT, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return errors


def c_identifier(value: str) -> list[str]:
    if _c_identifier_re.fullmatch(value):
        return []
    return [regex_text(_C_IDENTIFIER_TEXT, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else [range_text(1, 65535)]


def port_name(value: str) -> list[str]:
    errors = [max_len_text(15)] if byte_length(value) > 15 else []
    if not _port_charset_re.fullmatch(value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _port_letter_re.search(value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def id_number(value: int) -> list[str]:
    """A Unix user or group id."""
    return [] if 0 <= value <= 2147483647 else [range_text(0, 2147483647)]


def percent(value: str) -> list[str]:
    if _percent_re.fullmatch(value):
        return []
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_text(text, _PERCENT, "1%", "93%")]


def http_header_name(value: str) -> list[str]:
    if _http_header_re.fullmatch(value):
        return []
    return [
        regex_text("a valid HTTP header must consist of alphanumeric characters or '-'", _HTTP_HEADER, "X-Header-Name")
    ]


def env_var_name(value: str) -> list[str]:
    """The strict rule (before relaxed environment variable validation)."""
    errors: list[str] = []
    if not _env_var_re.fullmatch(value):
        errors.append(regex_text(_ENV_TEXT, _ENV_VAR, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    return errors + _dot_dot(value)


def relaxed_env_var_name(value: str) -> list[str]:
    errors = [] if value else ["environment variable name must be non-empty"]
    if any(not " " <= char <= "~" or char == "=" for char in value):
        errors.append(_RELAXED_ENV_TEXT)
    return errors


@remembered
def config_map_key(value: str) -> list[str]:
    errors = [max_len_text(253)] if byte_length(value) > 253 else []
    if not _config_key_re.fullmatch(value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        errors.append(regex_text(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return errors + _dot_dot(value)


def http_path(value: str) -> list[str]:
    """The path of a domain-prefixed path such as `acme.io/foo`."""
    return [] if _http_path_re.fullmatch(value) else [regex_text("Invalid path", _HTTP_PATH)]


def _dot_dot(value: str) -> list[str]:
    if value == ".":
        return ["must not be '.'"]
    if value == "..":
        return ["must not be '..'"]
    return ["must not start with '..'"] if value.startswith("..") else []


# --- rules for metadata.name ---


def _unmask(name: str, prefix: bool) -> str:
    """A generateName may end in a dash: judge it with a letter instead (and, as upstream, one character shorter)."""
    return name[:-2] + "a" if prefix and len(name) > 1 and name.endswith("-") else name


def name_is_dns_subdomain(name: str, prefix: bool = False) -> list[str]:
    return dns1123_subdomain(_unmask(name, prefix))


def name_is_dns_label(name: str, prefix: bool = False) -> list[str]:
    return dns1123_label(_unmask(name, prefix))


def name_is_dns1035_label(name: str, prefix: bool = False) -> list[str]:
    return dns1035_label(_unmask(name, prefix))


def name_is_path_segment(name: str, prefix: bool = False) -> list[str]:
    """Anything that fits into one segment of a URL path (RBAC names and the like)."""
    if not prefix and name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in name]
