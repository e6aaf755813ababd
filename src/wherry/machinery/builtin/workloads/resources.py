"""Validation of resource requirements: names, quantities, requests against limits, claims, pod-level resources.

Follows validateResourceRequirements and validatePodResources in core validation, names in apis/core/helper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.errors import NOT_FOUND, FieldError, duplicate, forbidden, go_quote, invalid, not_supported, required
from wherry.machinery.builtin.common.names import dns1123_label, label_key
from wherry.machinery.builtin.common.quantities import milli_value, parse, whole_value
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_defaults import aggregate, containers_of

Obj = dict[str, Any]
STANDARD_CONTAINER = ("cpu", "memory", "ephemeral-storage")
STANDARD = frozenset(
    (
        *STANDARD_CONTAINER,
        *(f"{kind}.{name}" for kind in ("requests", "limits") for name in STANDARD_CONTAINER),
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "storage",
        "requests.storage",
        "services.nodeports",
        "services.loadbalancers",
    )
)
INTEGER = frozenset(
    (
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    )
)
POD_LEVEL = ("cpu", "hugepages-", "memory")


def is_huge_pages(name: str) -> bool:
    return name.startswith("hugepages-")


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith("requests.") and not label_key("requests." + name)


def allows_overcommit(name: str) -> bool:
    return is_native(name) and not is_huge_pages(name)


def _resource_name(name: str, path: str) -> list[FieldError]:
    texts = label_key(name)
    if texts:
        return [invalid(path, name, text) for text in texts]
    if "/" not in name and name not in STANDARD and not name.startswith(("hugepages-", "requests.hugepages-")):
        return [invalid(path, name, "must be a standard resource type or fully qualified")]
    return []


def container_resource_name(name: str, path: str) -> list[FieldError]:
    errors = _resource_name(name, path)
    if "/" not in name:
        if name not in STANDARD_CONTAINER and not is_huge_pages(name):
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return errors


def pod_resource_name(name: str, path: str) -> list[FieldError]:
    errors = _resource_name(name, path)
    if not errors and name not in ("cpu", "memory") and not is_huge_pages(name):
        errors.append(not_supported(path, name, POD_LEVEL))
    return errors


def quantity_value(name: str, text: str, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if parse(text) < 0:
        errors.append(invalid(path, text, "must be greater than or equal to 0"))
    if (name in INTEGER or is_extended(name)) and milli_value(text) % 1000:
        errors.append(invalid(path, text, "must be an integer"))
    return errors


def _divides(name: str, text: str) -> bool:
    try:
        page = parse(name.removeprefix("hugepages-"))
    except (ValueError, ZeroDivisionError):
        return False
    if page <= 0 or page.denominator != 1:
        return False
    return whole_value(text) % int(page) == 0


def _huge_page(name: str, text: str, path: str, options: PodOptions) -> list[FieldError]:
    if options.indivisible_huge_pages or _divides(name, text):
        return []
    return [invalid(path, text, f"{text} is not positive integer multiple of {name}")]


def uses_indivisible_huge_pages(spec: Obj) -> bool:
    return any(
        is_huge_pages(name) and not _divides(name, text)
        for container in containers_of(spec)
        for kind in ("limits", "requests")
        for name, text in ((container.get("resources") or {}).get(kind) or {}).items()
    )


def validate_requirements(
    requirements: Obj,
    claims: set[str],
    path: str,
    options: PodOptions,
    name_rule: Callable[[str, str], list[FieldError]] = container_resource_name,
) -> list[FieldError]:
    errors: list[FieldError] = []
    limits, requests = requirements.get("limits") or {}, requirements.get("requests") or {}
    for name in sorted(limits):
        where = f"{path}.limits[{name}]"
        errors += name_rule(name, where) + quantity_value(name, limits[name], where)
        if is_huge_pages(name):
            errors += _huge_page(name, limits[name], where, options)
    for name in sorted(requests):
        text, where = requests[name], f"{path}.requests[{name}]"
        errors += name_rule(name, where) + quantity_value(name, text, where)
        errors += _request(name, text, limits.get(name), path)
        if is_huge_pages(name):
            errors += _huge_page(name, text, where, options)
    names = {*limits, *requests}
    if not names & {"cpu", "memory"} and any(map(is_huge_pages, names)):
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    return errors + _claim_names(requirements.get("claims") or [], claims, path + ".claims")


def _request(name: str, text: str, limit: str | None, path: str) -> list[FieldError]:
    if limit is None:
        if allows_overcommit(name):
            return []
        return [required(path + ".limits", "Limit must be set for non overcommitable resources")]
    if parse(text) != parse(limit) and not allows_overcommit(name):
        return [invalid(path + ".requests", text, f"must be equal to {name} limit of {limit}")]
    if parse(text) > parse(limit):
        return [invalid(path + ".requests", text, f"must be less than or equal to {name} limit of {limit}")]
    return []


def _claim_names(entries: list[Obj], claims: set[str], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, entry in enumerate(entries):
        where, name, request = f"{path}[{index}]", entry.get("name", ""), entry.get("request", "")
        if not name:
            errors.append(required(where))
            continue
        if name in names:
            errors.append(duplicate(where, name))
        else:
            key = name
            if request:
                errors += [invalid(where + ".request", request, text) for text in dns1123_label(request)]
                key = f"{name}/{request}"
            if key in names:
                errors.append(duplicate(where, key))
            elif not request:
                errors += [duplicate(where, name) for other in names if "/" in other and other.split("/")[0] == name]
            names.add(key)
        if name not in claims:
            known = ": " + ", ".join(sorted(claims)) if claims else " which is empty"
            text = f"Not found: {go_quote(name)}: must be one of the names in pod.spec.resourceClaims{known}"
            errors.append(FieldError(where, NOT_FOUND[0], text))
    return errors


def validate_pod_level(spec: Obj, claims: set[str], path: str, options: PodOptions) -> list[FieldError]:
    resources = spec.get("resources")
    if resources is None:
        return []
    where = path + ".resources"
    if (spec.get("os") or {}).get("name") == "windows":
        return [forbidden(where, "may not be set for a windows pod")]
    errors: list[FieldError] = []
    if resources.get("claims") is not None:
        errors.append(forbidden(where + ".claims", "claims may not be set for Resources at pod-level"))
    errors += validate_requirements(resources, claims, where, options, pod_resource_name)
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, text in sorted(aggregate(spec, "requests").items()):
        if name in requests and parse(text) > parse(requests[name]):
            why = f"must be greater than or equal to aggregate container requests of {text}"
            errors.append(invalid(f"{where}.requests[{name}]", requests[name], why))
    for name, text in sorted(aggregate(spec, "limits").items()):
        if is_huge_pages(name) and name in limits and parse(text) > parse(limits[name]):
            why = f"must be greater than or equal to aggregate container limits of {text}"
            errors.append(invalid(f"{where}.limits[{name}]", limits[name], why))
    for index, container in enumerate(spec.get("containers") or ()):
        own = (container.get("resources") or {}).get("limits") or {}
        for name in sorted(own):
            if name in limits and parse(own[name]) > parse(limits[name]):
                why = f"must be less than or equal to pod limits of {limits[name]}"
                errors.append(invalid(f"{where}.containers[{index}][{name}].limits", own[name], why))
    return errors
