"""PodTemplates and ControllerRevisions: objects without a spec of their own."""

from __future__ import annotations

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.common.meta import validate_object_meta
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.builtin.workloads.base import IMMUTABLE, at_least_zero
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_defaults import default_template
from wherry.machinery.builtin.workloads.pod_fields import drop_disabled
from wherry.machinery.builtin.workloads.pod_spec import validate_template
from wherry.machinery.builtin.workloads.pod_warnings import pod_warnings
from wherry.machinery.builtin.workloads.templates import template_options
from wherry.machinery.kinds import Obj


class PodTemplates(Strategy):
    has_generation = True

    def default(self, obj: Obj) -> None:
        default_template(obj.setdefault("template", {}))

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return new.get("template") != old.get("template")

    def prepare_create(self, obj: Obj) -> None:
        drop_disabled(obj["template"]["spec"])

    def prepare_update(self, new: Obj, old: Obj) -> None:
        drop_disabled(new["template"]["spec"], old["template"].get("spec"))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return validate_template(obj["template"], "template", PodOptions())

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return validate_template(new["template"], "template", template_options(old["template"]))

    def warnings_create(self, obj: Obj) -> list[str]:
        template = obj["template"]
        return pod_warnings(template.get("spec") or {}, template.get("metadata") or {}, "template")

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new) if self.spec_changed(new, old) else []


class ControllerRevisions(Strategy):
    """A snapshot that never changes, but for its number."""

    def default(self, obj: Obj) -> None:
        obj.setdefault("revision", 0)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        errors = at_least_zero(obj.get("revision", 0), "revision")
        data = obj.get("data")
        if data is None:
            errors.append(required("data", "data is mandatory"))
        elif not isinstance(data, dict):
            errors.append(required("data", "data must be a valid JSON object"))
        return errors

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        errors = validate_object_meta(new["metadata"], True, standard_finalizers=True)
        errors += at_least_zero(new.get("revision", 0), "revision")
        if new.get("data") != old.get("data"):
            errors.append(invalid("data", new.get("data"), IMMUTABLE))
        return errors
