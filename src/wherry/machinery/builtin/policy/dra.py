"""Dynamic resource allocation (resource.k8s.io): defaults and habits of its kinds; validation is in `dra_claims` and
`dra_slices`.

Objects are of v1, the shape of the internal type; other served versions are converted (`conversion`). Feature gates as
in 1.36: list attributes and node-allocatable mappings are off.
"""

from __future__ import annotations

from typing import ClassVar

from wherry.errors import FieldError, go_quote
from wherry.machinery.builtin.core.shared.fields import IMMUTABLE, make, spec_of
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.status import ResetStatus, StatusOnly
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

LIST_VALUES = ("bools", "ints", "strings", "versions")


def _default_request(request: Obj | None) -> None:
    if request is None:
        return
    if not request.get("allocationMode"):
        request["allocationMode"] = "ExactCount"
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1


def default_claim(spec: Obj) -> None:
    for request in (spec.get("devices") or {}).get("requests") or []:
        _default_request(request.get("exactly"))
        for item in request.get("firstAvailable") or []:
            _default_request(item)
        for item in (request.get("exactly") or {}, *(request.get("firstAvailable") or [])):
            for toleration in item.get("tolerations") or []:
                if not toleration.get("operator"):
                    toleration["operator"] = "Equal"


class ResourceClaimStrategy(ResetStatus, StatusOnly, Strategy):
    meta_again = False
    empty_status: ClassVar[Obj | None] = {}

    def default(self, obj: Obj) -> None:
        default_claim(make(obj, "spec"))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_claims import claim_spec

        return claim_spec(spec_of(obj), "spec")

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_claims import claim_spec_change

        change = claim_spec_change(spec_of(new), spec_of(old), "spec")
        return as_new(self, new, True) + as_change(self, new, old) + change

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        super().prepare_status_update(new, old)
        from wherry.machinery.builtin.policy.dra_claims import drop_deallocated

        drop_deallocated(make(new, "status"), old.get("status") or {})

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_claims import claim_status

        return as_change(self, new, old) + claim_status(new, old)


class ResourceClaimTemplateStrategy(Strategy):
    meta_again = False

    def default(self, obj: Obj) -> None:
        default_claim(make(make(obj, "spec"), "spec"))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_claims import claim_spec, template_meta

        spec = spec_of(obj)
        return template_meta(spec.get("metadata") or {}, "spec.metadata") + claim_spec(
            spec.get("spec") or {}, "spec.spec"
        )

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.errors import invalid
        from wherry.machinery.builtin.policy.dra_claims import shown_template

        out = as_new(self, new, True) + self.validate_create(new) + as_change(self, new, old)
        if spec_of(new) != spec_of(old):
            out.append(invalid("spec", shown_template(spec_of(new)), IMMUTABLE))
        return out


class DeviceClassStrategy(Strategy):
    has_generation = True
    meta_again = False

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return spec_of(new) != spec_of(old)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_claims import class_spec

        return class_spec(spec_of(obj))

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, False) + as_change(self, new, old) + self.validate_create(new)


class ResourceSliceStrategy(Strategy):
    has_generation = True

    def stamp_create(self, obj: Obj, now: str, user: Obj) -> None:
        """A taint carries the time of its arrival."""
        for device in spec_of(obj).get("devices") or []:
            for taint in device.get("taints") or []:
                if taint.get("timeAdded") is None:
                    taint["timeAdded"] = now

    def stamp_update(self, new: Obj, old: Obj, now: str, subresource: str) -> None:
        self.stamp_create(new, now, {})

    def prepare_create(self, obj: Obj) -> None:
        self._drop_disabled(obj)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        self._drop_disabled(new)

    def _drop_disabled(self, obj: Obj) -> None:
        for device in spec_of(obj).get("devices") or []:
            device.pop("nodeAllocatableResourceMappings", None)
            for attribute in (device.get("attributes") or {}).values():
                for key in LIST_VALUES:
                    attribute.pop(key, None)

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return spec_of(new) != spec_of(old)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_slices import slice_spec

        return slice_spec(spec_of(obj), None)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_slices import slice_spec

        return slice_spec(spec_of(new), spec_of(old))

    def warnings_create(self, obj: Obj) -> list[str]:
        driver = spec_of(obj).get("driver") or ""
        if driver == driver.lower():
            return []
        return [f"spec.driver: driver names should be lowercase; {go_quote(driver)} contains uppercase characters"]

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)


class DeviceTaintRuleStrategy(ResetStatus, StatusOnly, Strategy):
    has_generation = True
    empty_status: ClassVar[Obj | None] = {}

    def stamp_create(self, obj: Obj, now: str, user: Obj) -> None:
        taint = make(make(obj, "spec"), "taint")
        if taint.get("timeAdded") is None:
            taint["timeAdded"] = now

    def stamp_update(self, new: Obj, old: Obj, now: str, subresource: str) -> None:
        """A change of the effect restarts the clock unless the client sets it."""
        self.stamp_create(new, now, {})
        taint, before = spec_of(new)["taint"], spec_of(old).get("taint") or {}
        if taint.get("effect") != before.get("effect") and taint.get("timeAdded") == before.get("timeAdded"):
            taint["timeAdded"] = now

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return spec_of(new) != spec_of(old)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_slices import taint_rule_spec

        return taint_rule_spec(spec_of(obj))

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return self.validate_create(new)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.core.shared.fields import conditions

        return conditions((new.get("status") or {}).get("conditions"), "status.conditions")


class PoolStatusRequestStrategy(ResetStatus, StatusOnly, Strategy):
    unconditional_update = False

    def default(self, obj: Obj) -> None:
        spec = make(obj, "spec")
        if spec.get("limit") is None:
            spec["limit"] = 100

    def validate_create(self, obj: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_slices import pool_request_spec

        return pool_request_spec(spec_of(obj))

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.policy.dra_slices import pool_request_change

        return pool_request_change(spec_of(new), spec_of(old))
