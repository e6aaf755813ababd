"""Validation of a job's spec, in a Job or in the template of a CronJob. Follows validateJobSpec in batch validation."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from wherry.errors import (
    FieldError,
    duplicate,
    go_quote,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from wherry.machinery.builtin.common.labels import validate_label_name
from wherry.machinery.builtin.common.names import byte_length, dns1123_subdomain, http_path
from wherry.machinery.builtin.common.values import invalid_omitted, unsupported_json
from wherry.machinery.builtin.workloads.base import at_least_zero
from wherry.machinery.builtin.workloads.internal_shapes import internal
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_spec import validate_template
from wherry.machinery.builtin.workloads.pod_warnings import pod_warnings

Obj = dict[str, Any]
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
SOFT_LIMIT = 100_000
_integer_re = re.compile(r"[+-]?[0-9]+")


def default_failure_policy(spec: Obj) -> None:
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"


def listed(values: tuple[str, ...]) -> str:
    """Go's %q of a string slice."""
    return "[" + " ".join(go_quote(value) for value in values) + "]"


def validate_job_spec(spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ):
        if spec.get(key) is not None:
            errors += at_least_zero(spec[key], f"{path}.{key}")
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        errors.append(required(path + ".backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    manager = spec.get("managedBy")
    if manager is not None:
        errors += prefixed_path(manager, path + ".managedBy")
        if byte_length(manager) > 63:
            errors.append(too_long(path + ".managedBy", 63))
    mode = spec.get("completionMode")
    if mode is not None and mode not in ("NonIndexed", "Indexed"):
        errors.append(unsupported_json(path + ".completionMode", mode, ("NonIndexed", "Indexed")))
    if mode == "Indexed":
        errors += _indexed(spec, path)
    elif mode in (None, "NonIndexed"):
        errors += [
            invalid(f"{path}.{key}", spec[key], "requires indexed completion mode")
            for key in ("backoffLimitPerIndex", "maxFailedIndexes")
            if spec.get(key) is not None
        ]
    if spec.get("podFailurePolicy") is not None:
        errors += _failure_policy(spec, path + ".podFailurePolicy")
    success = spec.get("successPolicy")
    if success is not None and mode != "Indexed":
        shown = internal("batch.SuccessPolicy", success)
        errors.append(invalid(path + ".successPolicy", shown, "requires indexed completion mode"))
    elif success is not None:
        errors += _success_policy(spec, path + ".successPolicy")
    errors += _replacement(spec, path + ".podReplacementPolicy")
    errors += validate_template(spec["template"], path + ".template", options)
    return errors + _restart_policy(spec, path + ".template.spec.restartPolicy")


def _restart_policy(spec: Obj, path: str) -> list[FieldError]:
    policy = (spec["template"].get("spec") or {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        return [required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [not_supported(path, policy, ("OnFailure", "Never"))]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def prefixed_path(text: str, path: str) -> list[FieldError]:
    if not text:
        return [required(path)]
    host, slash, rest = text.partition("/")
    if not slash or not host or not rest:
        return [invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    errors = [invalid(path, host, why) for why in dns1123_subdomain(host)]
    return errors + [invalid(path, rest, why) for why in http_path(rest)]


def _indexed(spec: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    completions, parallelism, most = (spec.get(k) for k in ("completions", "parallelism", "maxFailedIndexes"))
    if completions is None:
        errors.append(required(path + ".completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > SOFT_LIMIT:
        text = f"must be less than or equal to {SOFT_LIMIT} when completion mode is Indexed"
        errors.append(invalid(path + ".parallelism", parallelism, text))
    where = path + ".maxFailedIndexes"
    if completions is not None and most is not None and most > completions:
        errors.append(invalid(where, most, "must be less than or equal to completions"))
    if most is not None and most > SOFT_LIMIT:
        errors.append(invalid(where, most, f"must be less than or equal to {SOFT_LIMIT}"))
    if completions is not None and completions > SOFT_LIMIT and spec.get("backoffLimitPerIndex") is not None:
        if most is None:
            errors.append(required(where, f"must be specified when completions is above {SOFT_LIMIT}"))
        text = (
            f"must be less than or equal to 10000 when completions are above {SOFT_LIMIT} "
            "and used with backoff limit per index"
        )
        if parallelism is not None and parallelism > 10_000:
            errors.append(invalid(path + ".parallelism", parallelism, text))
        if most is not None and most > 10_000:
            errors.append(invalid(where, most, text))
    return errors


def _failure_policy(spec: Obj, path: str) -> list[FieldError]:
    rules = spec["podFailurePolicy"].get("rules") or []
    errors = [too_many(path + ".rules", len(rules), 20)] if len(rules) > 20 else []
    pod = spec["template"].get("spec") or {}
    names = {c.get("name", "") for key in ("containers", "initContainers") for c in pod.get(key) or ()}
    for index, rule in enumerate(rules):
        errors += _failure_rule(spec, rule, f"{path}.rules[{index}]", names)
    return errors


def _failure_rule(spec: Obj, rule: Obj, path: str, names: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    action, codes, conditions = rule.get("action", ""), rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if not action:
        errors.append(required(path + ".action", f"valid values: {listed(ACTIONS)}"))
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            errors.append(invalid(path + ".action", action, "requires the backoffLimitPerIndex to be set"))
    elif action not in ACTIONS:
        errors.append(not_supported(path + ".action", action, ACTIONS))
    if codes is not None:
        errors += _exit_codes(codes, path + ".onExitCodes", names)
    if conditions:
        errors += _conditions(conditions, path + ".onPodConditions")
    if codes is not None and conditions:
        errors.append(invalid_omitted(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        errors.append(invalid_omitted(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    return errors


def _conditions(patterns: list[Obj], path: str) -> list[FieldError]:
    errors = [too_many(path, len(patterns), 20)] if len(patterns) > 20 else []
    for index, pattern in enumerate(patterns):
        where, status = f"{path}[{index}]", pattern.get("status", "")
        errors += validate_label_name(pattern.get("type", ""), where + ".type")
        if not status:
            errors.append(required(where + ".status", f"valid values: {listed(STATUSES)}"))
        elif status not in STATUSES:
            errors.append(not_supported(where + ".status", status, STATUSES))
    return errors


def _exit_codes(codes: Obj, path: str, names: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    operator, container, values = codes.get("operator", ""), codes.get("containerName"), codes.get("values") or []
    if not operator:
        errors.append(required(path + ".operator", f"valid values: {listed(OPERATORS)}"))
    elif operator not in OPERATORS:
        errors.append(not_supported(path + ".operator", operator, OPERATORS))
    if container is not None and container not in names:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(path + ".containerName", container, text))
    where = path + ".values"
    if not values:
        errors.append(invalid(where, codes.get("values"), "at least one value is required"))
    elif len(values) > 255:
        errors.append(too_many(where, len(values), 255))
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid(f"{where}[{index}]", value, "must not be 0 for the In operator"))
        if value in seen:
            errors.append(duplicate(f"{where}[{index}]", value))
        seen.add(value)
    if any(later < earlier for earlier, later in pairwise(values)):
        errors.append(invalid(where, values, "must be ordered"))
    return errors


def _success_policy(spec: Obj, path: str) -> list[FieldError]:
    rules = spec["successPolicy"].get("rules") or []
    errors: list[FieldError] = []
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(path + ".rules", text))
    if len(rules) > 20:
        errors.append(too_many(path + ".rules", len(rules), 20))
    for index, rule in enumerate(rules):
        errors += _success_rule(spec.get("completions") or 0, rule, f"{path}.rules[{index}]")
    return errors


def _success_rule(completions: int, rule: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    indexes, count = rule.get("succeededIndexes"), rule.get("succeededCount")
    if indexes is None and count is None:
        errors.append(required(path, "at least one of succeededCount or succeededIndexes must be specified"))
    total = 0
    if indexes is not None:
        where = path + ".succeededIndexes"
        if byte_length(indexes) > 64 * 1024:
            errors.append(too_long(where, 64 * 1024))
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            errors.append(invalid(where, indexes, f"error parsing succeededIndexes: {error}"))
    if count is not None:
        where, start = path + ".succeededCount", "must be less than or equal to"
        errors += at_least_zero(count, where)
        if count > completions:
            errors.append(invalid(where, count, f"{start} {completions} (the number of specified completions)"))
        if indexes is not None and count > total:
            text = f"{start} {total} (the number of indexes in the specified succeededIndexes field)"
            errors.append(invalid(where, count, text))
    return errors


def _replacement(spec: Obj, path: str) -> list[FieldError]:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return []
    known = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    return [] if policy in known else [not_supported(path, policy, known)]


def interval(text: str, completions: int) -> tuple[int, int]:
    """`3` or `3-5` as its first and last index."""
    parts = text.split("-")
    if len(parts) > 2:
        raise ValueError(
            f"the fragment {go_quote(text)} violates the requirement that an index interval can have "
            "at most two parts separated by '-'"
        )
    numbers: list[int] = []
    for part in parts:
        if not _integer_re.fullmatch(part) or not -(1 << 63) <= int(part) < 1 << 63:
            raise ValueError(f"cannot convert string to integer for index: {go_quote(part)}")
        if int(part) >= completions:
            raise ValueError(f"too large index: {go_quote(part)}")
        numbers.append(int(part))
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise ValueError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def count_indexes(text: str, completions: int) -> int:
    """How many indexes a list of intervals names; `ValueError` with upstream's words if it is not sound."""
    if not text:
        return 0
    total, last = 0, None
    for part in text.split(","):
        first, end = interval(part, completions)
        if last is not None and last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        total, last = total + end - first + 1, end
    return total


def job_warnings(spec: Obj, path: str) -> list[str]:
    out: list[str] = []
    many = (spec.get("completions") or 0) > SOFT_LIMIT and (spec.get("parallelism") or 0) > 10_000
    if spec.get("completionMode") == "Indexed" and many:
        out.append(
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    template = spec["template"]
    return out + pod_warnings(template.get("spec") or {}, template.get("metadata") or {}, path + ".template")
