"""References to fields of the pod itself and to resources of its containers (the downward API).

Follows validateObjectFieldSelector and validateContainerResourceFieldSelector in core validation.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, invalid, not_supported, required
from wherry.machinery.builtin.common.names import label_key
from wherry.machinery.builtin.common.quantities import parse

Obj = dict[str, Any]

VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_KNOWN_FIELDS = frozenset((*VOLUME_FIELDS, *ENV_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"))
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SIZES_TEXT = f"only divisor's values {', '.join(_SIZES)} are supported with the "


def split_subscript(text: str) -> tuple[str, str] | None:
    """`metadata.labels['a']` as its path and subscript; None when there is no subscript."""
    if not text.endswith("']"):
        return None
    path, bracket, subscript = text[:-2].partition("['")
    return (path, subscript) if bracket and path else None


def _convert(version: str, label: str) -> tuple[str, str]:
    """The internal name of a field label, or an error text."""
    if version != "v1":
        return "", f"unsupported pod version: {version}"
    split = split_subscript(label)
    if split is not None:
        if split[0] in ("metadata.annotations", "metadata.labels"):
            return label, ""
        return "", f"field label does not support subscript: {label}"
    if label in _KNOWN_FIELDS:
        return label, ""
    return ("spec.nodeName", "") if label == "spec.host" else ("", f"field label not supported: {label}")


def validate_field_ref(reference: Obj, allowed: tuple[str, ...], path: str) -> list[FieldError]:
    version, label = reference.get("apiVersion", ""), reference.get("fieldPath", "")
    if not version:
        return [required(path + ".apiVersion")]
    if not label:
        return [required(path + ".fieldPath")]
    internal, text = _convert(version, label)
    if text:
        return [invalid(path + ".fieldPath", label, f"error converting fieldPath: {text}")]
    split = split_subscript(internal)
    if split is None:
        return [] if internal in allowed else [not_supported(path + ".fieldPath", internal, allowed)]
    where, key = split
    judged = key.lower() if where == "metadata.annotations" else key
    return [invalid(path, judged, text) for text in label_key(judged)]


def validate_resource_ref(reference: Obj, path: str, volume: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    resource = reference.get("resource", "")
    if volume and not reference.get("containerName"):
        errors.append(required(path + ".containerName"))
    elif not resource:
        errors.append(required(path + ".resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        errors.append(not_supported(path + ".resource", resource, _RESOURCES))
    return errors + _divisor(resource, reference.get("divisor", "0"), path)


def _divisor(resource: str, divisor: str, path: str) -> list[FieldError]:
    if parse(divisor) == 0:
        return []
    text = ""
    if resource in ("limits.cpu", "requests.cpu"):
        if divisor not in ("1m", "1"):
            text = "only divisor's values 1m and 1 are supported with the cpu resource"
    elif divisor not in _SIZES:
        if resource in ("limits.memory", "requests.memory"):
            text = _SIZES_TEXT + "memory resource"
        elif resource in ("limits.ephemeral-storage", "requests.ephemeral-storage"):
            text = _SIZES_TEXT + "local ephemeral storage resource"
        elif resource.startswith(_HUGE_PAGES):
            text = _SIZES_TEXT + "hugepages resource"
    return [invalid(path + ".divisor", resource, text)] if text else []
