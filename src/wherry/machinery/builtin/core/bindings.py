"""Bindings of pods to nodes (ValidatePodBinding); what they do to the pod is done where pods are kept."""

from __future__ import annotations

from wherry.errors import FieldError, not_supported, required
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj


class BindingStrategy(Strategy):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        target = obj.get("target") or {}
        out: list[FieldError] = []
        kind = target.get("kind") or ""
        if kind and kind != "Node":
            out.append(not_supported("target.kind", kind, ["Node", "<empty>"]))
        if not target.get("name"):
            out.append(required("target.name"))
        return out
