"""One tree of API errors; the lowest room, imported by every other.

Every refusal that leaves Wherry is a `StatusError`, and `to_status()` gives the `Status` object that kube-apiserver
would send (k8s.io/apimachinery/pkg/api/errors). Raise the most exact class: clients branch on code and reason.
Nothing here knows HTTP beyond the integer code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class ConfigurationError(ValueError):
    """A file or flag of the operator that cannot be used: says which and why. No answer to a client."""


class StatusError(Exception):
    """A refusal with everything a `Status` object carries.

    `code` is the HTTP status, `reason` the machine-readable word, `details` the `StatusDetails` mapping (or None, in
    which case the answer has no `details` key at all).
    """

    code = 500
    reason = "InternalError"

    def __init__(
        self, message: str, *, details: Json | None = None, reason: str | None = None, code: int | None = None
    ):
        super().__init__(message)
        self.message = message
        self.details = details
        if reason is not None:
            self.reason = reason
        if code is not None:
            self.code = code

    def to_status(self) -> Json:
        """The `v1.Status` document, keys in the order of the Go struct."""
        status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def resource_details(group: str, kind: str, name: str = "", **more: Any) -> Json:
    """`StatusDetails` with empty members left out. `kind` is the resource plural for all but Invalid."""
    out: Json = {}
    if name:
        out["name"] = name
    if group:
        out["group"] = group
    if kind:
        out["kind"] = kind
    out.update({k: v for k, v in more.items() if v})
    return out


def qualified(group: str, resource: str) -> str:
    """`deployments.apps`, or `pods` for the core group (schema.GroupResource.String)."""
    return f"{resource}.{group}" if group else resource


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "Unauthorized"):
        super().__init__(message)


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"


class NotFound(StatusError):
    """An object that is not there; `NotFound.of` words it, `NotFound.path` is for unknown URLs."""

    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, group: str, resource: str, name: str) -> NotFound:
        text = f"{qualified(group, resource)} {go_quote(name)} not found"
        return cls(text, details=resource_details(group, resource, name))

    @classmethod
    def path(cls) -> NotFound:
        return cls("the server could not find the requested resource", details={})


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, group: str, resource: str, name: str) -> AlreadyExists:
        text = f"{qualified(group, resource)} {go_quote(name)} already exists"
        return cls(text, details=resource_details(group, resource, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Conflict(StatusError):
    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, group: str, resource: str, name: str, why: str = MODIFIED) -> Conflict:
        text = f"Operation cannot be fulfilled on {qualified(group, resource)} {go_quote(name)}: {why}"
        return cls(text, details=resource_details(group, resource, name))


class Expired(StatusError):
    """A revision that compaction has taken (410). `continue_token` lets a paging client go on inconsistently."""

    code, reason = 410, "Expired"
    continue_token = ""

    def to_status(self) -> Json:
        status = super().to_status()
        if self.continue_token:
            status["metadata"] = {"continue": self.continue_token}
        return status


class RequestTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


# --- validation -----------------------------------------------------------------------------------------------------

# (cause reason, words) of k8s.io/apimachinery/pkg/util/validation/field.ErrorType
REQUIRED = ("FieldValueRequired", "Required value")
INVALID = ("FieldValueInvalid", "Invalid value")
NOT_SUPPORTED = ("FieldValueNotSupported", "Unsupported value")
DUPLICATE = ("FieldValueDuplicate", "Duplicate value")
FORBIDDEN = ("FieldValueForbidden", "Forbidden")
NOT_FOUND = ("FieldValueNotFound", "Not found")
TOO_LONG = ("FieldValueTooLong", "Too long")
TOO_MANY = ("FieldValueTooMany", "Too many")
TYPE_INVALID = ("FieldValueTypeInvalid", "Invalid value")
INTERNAL = ("InternalError", "Internal error")


@dataclass(slots=True)
class FieldError:
    """One cause of an `Invalid`: `text` is what follows `<field>: `, for example `Invalid value: "x": must be ...`."""

    field: str
    reason: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


def go_quote(value: str) -> str:
    """A string as Go's %q writes it (strconv.Quote)."""
    if value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    out = ['"']
    for char in value:
        if char == '"' or char == "\\":
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        else:
            code = ord(char)
            short = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}.get(code)
            if short:
                out.append(short)
            elif code < 0x20 or code == 0x7F:
                out.append(f"\\x{code:02x}")
            elif code < 0x10000:
                out.append(f"\\u{code:04x}")
            else:
                out.append(f"\\U{code:08x}")
    out.append('"')
    return "".join(out)


def go_value(value: Any) -> str:
    """A bad value as `field.Error.ErrorBody` prints it: strings quoted, numbers and booleans bare, the rest as JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, int | float):
        return str(value)
    return go_json(value)


def go_json(value: Any) -> str:
    """A value as Go's encoding/json writes it."""
    import json

    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":  # encoding/json escapes what HTML and JavaScript would trip over
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(field, REQUIRED[0], f"Required value: {detail}" if detail else "Required value")


def invalid(field: str, value: Any, detail: str = "") -> FieldError:
    return FieldError(field, INVALID[0], f"Invalid value: {go_value(value)}" + (f": {detail}" if detail else ""))


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(field, TYPE_INVALID[0], f"Invalid value: {go_value(value)}: {detail}")


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """Supported values are printed in the order given; upstream sorts sets, so pass `sorted(...)` where it does.

    What is chosen from has a string type of its own in Go, which prints as JSON and not as a string does.
    """
    listed = ", ".join(go_quote(v) for v in supported)
    shown = go_json(value) if isinstance(value, str) else go_value(value)
    text = f"Unsupported value: {shown}" + (f": supported values: {listed}" if listed else "")
    return FieldError(field, NOT_SUPPORTED[0], text)


def internal_error(field: str, why: str) -> FieldError:
    return FieldError(field, INTERNAL[0], f"{INTERNAL[1]}: {why}")


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(field, DUPLICATE[0], f"Duplicate value: {go_value(value)}")


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(field, FORBIDDEN[0], f"Forbidden: {detail}" if detail else "Forbidden")


def not_found(field: str, value: Any) -> FieldError:
    return FieldError(field, NOT_FOUND[0], f"Not found: {go_value(value)}")


def too_long(field: str, max_length: int) -> FieldError:
    return FieldError(field, TOO_LONG[0], f"Too long: may not be more than {max_length} bytes")


def too_many(field: str, actual: int, max_items: int) -> FieldError:
    return FieldError(field, TOO_MANY[0], f"Too many: {actual}: must have at most {max_items} items")


class Invalid(StatusError):
    """422 with one cause per field error; `kind` is the Kind, `group` its group (NewInvalid)."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, group: str, kind: str, name: str, errors: list[FieldError]) -> Invalid:
        texts: list[str] = []
        for error in errors:  # ToAggregate drops repeated texts, the causes keep them
            text = str(error)
            if text not in texts:
                texts.append(text)
        joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]" if texts else "<nil>"
        causes = [{"reason": e.reason, "message": e.text, "field": e.field} for e in errors]
        details = resource_details(group, kind, name, causes=causes)
        return cls(f"{qualified(group, kind)} {go_quote(name)} is invalid: {joined}", details=details)
