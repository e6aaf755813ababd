"""Query parameters of requests as the option kinds of meta/v1, with their validation
(apimachinery/pkg/apis/meta/internalversion/validation, meta/v1/validation)."""

from __future__ import annotations

import re
from typing import Any

from wherry import errors
from wherry.errors import FieldError
from wherry.machinery.builtin.common.meta import validate_field_manager
from wherry.server.requestinfo import RequestInfo

_FIELD_VALIDATION = ("", "Ignore", "Strict", "Warn")
_DURATION = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)([\d.]+(ns|us|µs|μs|ms|s|m|h))*$|^0$")
_META = "meta.k8s.io"


def check_timeout(info: RequestInfo) -> None:
    """`?timeout=` must be a Go duration. Raises BadRequest."""
    if info.query and (text := info.first("timeout")) and not _DURATION.match(text):
        shown = f"time: invalid duration {errors.go_quote(text)}"
        raise errors.BadRequest(f"invalid timeout specified in the request URL - {shown}")


def integer(info: RequestInfo, name: str) -> int | None:
    """An int64 parameter, None when absent. Raises BadRequest with the words of Go's strconv."""
    if not info.has(name):
        return None
    text = info.first(name)
    try:
        return go_int64(text)
    except ValueError as bad:
        raise errors.BadRequest(str(bad)) from None


def go_int64(text: str) -> int:
    """strconv.ParseInt(text, 10, 64)."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isdigit() and digits.isascii()):
        raise ValueError(f"strconv.ParseInt: parsing {errors.go_quote(text)}: invalid syntax")
    number = int(text)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"strconv.ParseInt: parsing {errors.go_quote(text)}: value out of range")
    return number


def boolean(info: RequestInfo, name: str) -> bool | None:
    """Convert_Slice_string_To_bool: everything but "false" (any case) and "0" is true; None when absent."""
    if not info.has(name):
        return None
    return info.first(name).lower() not in ("false", "0")


def write_options(info: RequestInfo, kind: str, *, apply: bool = False) -> tuple[bool, str, str, bool | None]:
    """(dry run, field manager, field validation, force) of a CreateOptions, UpdateOptions or PatchOptions request."""
    if not info.query:
        if apply:
            raise invalid_options(kind, [errors.required("fieldManager", "is required for apply patch")])
        return False, "", "", None
    found: list[FieldError] = []
    manager = info.first("fieldManager")
    force = boolean(info, "force") if kind == "PatchOptions" else None
    if kind == "PatchOptions":
        if not apply and force is not None:
            found.append(errors.forbidden("force", "may not be specified for non-apply patch"))
        if apply and not manager:
            found.append(errors.required("fieldManager", "is required for apply patch"))
    found += validate_field_manager(manager, "fieldManager")
    dry_run = dry_run_errors(info, found)
    validation = info.first("fieldValidation")
    if validation not in _FIELD_VALIDATION:
        found.append(errors.not_supported("fieldValidation", validation, _FIELD_VALIDATION))
    if found:
        raise invalid_options(kind, found)
    return dry_run, manager, validation, force


def dry_run_errors(info: RequestInfo, found: list[FieldError]) -> bool:
    """Whether dryRun is asked for; adds to `found` when it is anything but All."""
    values = [value for key, value in info.query if key == "dryRun"]
    return check_dry_run(values, found)


def check_dry_run(values: list[str], found: list[FieldError]) -> bool:
    if any(value != "All" for value in values):
        found.append(errors.not_supported("dryRun", values, ("All",)))
    return bool(values)


def delete_options(raw: dict[str, Any]) -> None:
    """ValidateDeleteOptions. Raises Invalid."""
    found: list[FieldError] = []
    policy, orphan = raw.get("propagationPolicy"), raw.get("orphanDependents")
    if policy is not None and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        found.append(errors.invalid("propagationPolicy", policy, text))
    if policy not in (None, "Foreground", "Background", "Orphan"):
        supported = ("Foreground", "Background", "Orphan", "nil")
        found.append(errors.not_supported("propagationPolicy", policy, supported))
    check_dry_run(raw.get("dryRun") or [], found)
    if found:
        raise invalid_options("DeleteOptions", found)


def invalid_options(kind: str, found: list[FieldError]) -> errors.Invalid:
    return errors.Invalid.of(_META, kind, "", found)


def list_options(info: RequestInfo, watch: bool) -> None:
    """ValidateListOptions. Raises Invalid."""
    revision, match = info.first("resourceVersion"), info.first("resourceVersionMatch")
    initial = boolean(info, "sendInitialEvents")
    token = info.first("continue")
    found: list[FieldError] = []
    if watch:
        found = _watch_options(revision, match, initial, token)
    else:
        if match:
            if not revision:
                text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
                found.append(errors.forbidden("resourceVersionMatch", text))
            if token:
                text = "resourceVersionMatch is forbidden when continue is provided"
                found.append(errors.forbidden("resourceVersionMatch", text))
            if match not in ("Exact", "NotOlderThan"):
                supported = ("Exact", "NotOlderThan", "")
                found.append(errors.not_supported("resourceVersionMatch", match, supported))
            if match == "Exact" and revision == "0":
                text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
                found.append(errors.forbidden("resourceVersionMatch", text))
        if initial is not None:
            text = "sendInitialEvents is forbidden for list"
            found.append(errors.forbidden("sendInitialEvents", text))
    if found:
        raise invalid_options("ListOptions", found)


def _watch_options(revision: str, match: str, initial: bool | None, token: str) -> list[FieldError]:
    found: list[FieldError] = []
    if initial is not None and match != "NotOlderThan":
        text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        found.append(errors.forbidden("resourceVersionMatch", text))
    if match:
        if initial is None:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            found.append(errors.forbidden("resourceVersionMatch", text))
        if match != "NotOlderThan":
            found.append(errors.not_supported("resourceVersionMatch", match, ("NotOlderThan",)))
    if token and (match or revision in ("", "0")):  # these two are watched with a match that nobody wrote
        text = "resourceVersionMatch is forbidden when continue is provided"
        found.append(errors.forbidden("resourceVersionMatch", text))
    return found
