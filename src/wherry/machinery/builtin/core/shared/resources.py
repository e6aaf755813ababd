"""Names of resources in quotas and limits; the rules of containers come from `workloads`."""

from __future__ import annotations

from wherry.errors import FieldError, invalid
from wherry.machinery.builtin.common.names import label_key
from wherry.machinery.builtin.workloads.resources import (
    STANDARD,
    allows_overcommit,
    container_resource_name,
    is_extended,
    is_native,
    quantity_value,
)

__all__ = [
    "STANDARD",
    "allows_overcommit",
    "container_resource_name",
    "is_extended",
    "is_native",
    "quantity_value",
    "resource_name",
]


def resource_name(name: str, field: str) -> list[FieldError]:
    """validateResourceName: a standard name, or one with a domain."""
    if texts := label_key(name):
        return [invalid(field, name, text) for text in texts]
    if "/" in name or name in STANDARD or name.startswith(("hugepages-", "requests.hugepages-")):
        return []
    return [invalid(field, name, "must be a standard resource type or fully qualified")]
