"""Validation of probes and lifecycle handlers. Follows validateProbe, validateHandler and validateLifecycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import http_header_name, port_name, port_number
from wherry.machinery.builtin.common.values import unsupported_json
from wherry.machinery.builtin.workloads.base import at_least_zero

Obj = dict[str, Any]
SCHEMES = ("HTTP", "HTTPS")
PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
LIFECYCLE_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
_NAMED = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP "
    "TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
LINUX_SIGNALS = tuple(
    sorted(
        [f"SIG{name}" for name in _NAMED.split()]
        + [f"SIGRTMIN+{n}" for n in range(1, 16)]
        + [f"SIGRTMAX-{n}" for n in range(1, 15)]
    )
)


def port(value: Any, path: str) -> list[FieldError]:
    """An int or the name of a port."""
    if isinstance(value, str):
        return [invalid(path, value, text) for text in port_name(value)]
    return [invalid(path, value, text) for text in port_number(value)]


def _exec(action: Obj, path: str, grace: int | None) -> list[FieldError]:
    return [] if action.get("command") else [required(path + ".command")]


def _http_get(action: Obj, path: str, grace: int | None) -> list[FieldError]:
    errors = [] if action.get("path") else [required(path + ".path")]
    errors += port(action.get("port", 0), path + ".port")
    if action.get("scheme", "") not in SCHEMES:
        errors.append(not_supported(path + ".scheme", action.get("scheme", ""), SCHEMES))
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        errors += [invalid(path + ".httpHeaders", name, text) for text in http_header_name(name)]
    return errors


def _port_only(action: Obj, path: str, grace: int | None) -> list[FieldError]:
    return port(action.get("port", 0), path + ".port")


def _sleep(action: Obj, path: str, grace: int | None) -> list[FieldError]:
    seconds = action.get("seconds", 0)
    if grace is None or 0 <= seconds <= grace:
        return []
    return [invalid(path, seconds, f"must be non-negative and less than terminationGracePeriodSeconds ({grace})")]


_ACTIONS: dict[str, Callable[[Obj, str, int | None], list[FieldError]]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _port_only,
    "grpc": _port_only,
    "sleep": _sleep,
}


def handler(source: Obj, kinds: tuple[str, ...], grace: int | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    found = False
    for kind in kinds:
        action = source.get(kind)
        if action is None:
            continue
        where = f"{path}.{kind}"
        if found:
            errors.append(forbidden(where, "may not specify more than 1 handler type"))
        else:
            found = True
            errors += _ACTIONS[kind](action, where, grace)
    return errors if found else [required(path, "must specify a handler type")]


def probe(source: Obj | None, kind: str, grace: int | None, path: str) -> list[FieldError]:
    """`kind` is the field's name: what is allowed differs between liveness, readiness and startup."""
    if source is None:
        return []
    errors = handler(source, PROBE_HANDLERS, grace, path)
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        errors += at_least_zero(source.get(name, 0), f"{path}.{name}")
    own_grace = source.get("terminationGracePeriodSeconds")
    where = path + ".terminationGracePeriodSeconds"
    if own_grace is not None and own_grace <= 0:
        errors.append(invalid(where, own_grace, "must be greater than 0"))
    if kind == "readinessProbe":
        if own_grace is not None:
            errors.append(invalid(where, own_grace, "must not be set for readinessProbes"))
    elif source.get("successThreshold", 0) != 1:
        errors.append(invalid(path + ".successThreshold", source.get("successThreshold", 0), "must be 1"))
    return errors


def lifecycle(source: Obj | None, grace: int | None, path: str, os: Obj | None) -> list[FieldError]:
    if source is None:
        return []
    errors: list[FieldError] = []
    for key in ("postStart", "preStop"):
        if source.get(key) is not None:
            errors += handler(source[key], LIFECYCLE_HANDLERS, grace, f"{path}.{key}")
    signal = source.get("stopSignal")
    if signal is not None:
        where = path + ".stopSignal"
        if os is None:
            errors.append(forbidden(where, "may not be set for containers with empty `spec.os.name`"))
        else:
            known = {"windows": WINDOWS_SIGNALS, "linux": LINUX_SIGNALS}.get(os.get("name", ""))
            if known is not None and signal not in known:
                errors.append(unsupported_json(where, signal, known))
    return errors
