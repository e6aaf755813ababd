"""RuntimeClasses (pkg/apis/node/validation, pkg/registry/node/runtimeclass)."""

from __future__ import annotations

from wherry.errors import FieldError, duplicate, required
from wherry.machinery.builtin.common.labels import validate_labels
from wherry.machinery.builtin.common.names import dns1123_label
from wherry.machinery.builtin.common.quantities import round_to_milli
from wherry.machinery.builtin.core.shared.fields import checked, immutable
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.node_labels import node_label_message
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_scheduling import validate_tolerations
from wherry.machinery.builtin.workloads.resources import validate_requirements
from wherry.machinery.kinds import Obj


def _scheduling(scheduling: Obj) -> list[FieldError]:
    out = validate_labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
    tolerations = scheduling.get("tolerations") or []
    out += validate_tolerations(tolerations, "scheduling.tolerations", PodOptions())
    seen: set[tuple[str, ...]] = set()
    for i, item in enumerate(tolerations):
        key = tuple(item.get(name) or "" for name in ("key", "operator", "value", "effect"))
        if key in seen:
            names = ("Key", "Operator", "Value", "Effect")
            shown: Obj = dict(zip(names, key, strict=True))
            shown["TolerationSeconds"] = item.get("tolerationSeconds")
            out.append(duplicate(f"scheduling.tolerations[{i}]", shown))
        seen.add(key)
    return out


class RuntimeClassStrategy(Strategy):
    create_on_update = True
    unconditional_update = False
    meta_again = False
    standard_finalizers = False

    def default(self, obj: Obj) -> None:
        fixed = (obj.get("overhead") or {}).get("podFixed") or {}
        for name, text in fixed.items():
            fixed[name] = round_to_milli(text)

    def warnings_create(self, obj: Obj) -> list[str]:
        selector = (obj.get("scheduling") or {}).get("nodeSelector") or {}
        messages = [message for key in selector if (message := node_label_message(key))]
        return [f"scheduling.nodeSelector: {message}" for message in messages]

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        handler = obj.get("handler") or ""
        out = checked("handler", handler, dns1123_label(handler)) if handler else [required("handler")]
        if (overhead := obj.get("overhead")) is not None:
            limits = {"limits": overhead.get("podFixed") or {}}
            out += validate_requirements(limits, set(), "overhead", PodOptions())
        if (scheduling := obj.get("scheduling")) is not None:
            out += _scheduling(scheduling)
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, False) + self.validate_create(new) + as_change(self, new, old)
        return out + immutable(new.get("handler") or "", old.get("handler") or "", "handler")
