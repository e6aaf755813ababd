"""Conversions of this area's kinds, as `builtin.conversion` looks them up: by (from version, to version)."""

from __future__ import annotations

from collections.abc import Callable

from wherry.machinery.builtin.workloads.hpa_conversion import to_v1, to_v2
from wherry.machinery.kinds import Obj

CONVERSIONS: dict[tuple[str, str], dict[tuple[str, str], Callable[[Obj], Obj]]] = {
    ("autoscaling", "horizontalpodautoscalers"): {("v1", "v2"): to_v2, ("v2", "v1"): to_v1},
}
