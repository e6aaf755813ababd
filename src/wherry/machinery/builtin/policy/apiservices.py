"""APIServices (k8s.io/kube-aggregator: pkg/apis/apiregistration/validation, pkg/registry/apiservice)."""

from __future__ import annotations

from wherry.errors import FieldError, go_quote, invalid, not_supported, required
from wherry.machinery.builtin.common.names import (
    dns1035_label,
    dns1123_subdomain,
    name_is_path_segment,
    port_number,
)
from wherry.machinery.builtin.core.configmaps import base64_length
from wherry.machinery.builtin.core.shared.fields import checked, spec_of
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.core.shared.status import keep_roots
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

STATUSES = ("True", "False", "Unknown")


def local_condition(now: str) -> Obj:
    """What an APIService without a service gets at once."""
    return {
        "type": "Available",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "Local",
        "message": "Local APIServices are always available",
    }


class APIServiceStrategy(Strategy):
    standard_finalizers = False
    unconditional_update = False
    validate_name = staticmethod(lambda name, prefix=False: name_is_path_segment(name, False))

    def default(self, obj: Obj) -> None:
        service = spec_of(obj).get("service")
        if service is not None and service.get("port") is None:
            service["port"] = 443

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}

    def stamp_create(self, obj: Obj, now: str, user: Obj) -> None:
        if spec_of(obj).get("service") is None:
            obj["status"] = {"conditions": [local_condition(now)]}

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["status"] = old.get("status") or {}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec, name = spec_of(obj), obj["metadata"].get("name", "")
        group, version = spec.get("group") or "", spec.get("version") or ""
        wanted = f"{version}.{group}"
        out: list[FieldError] = []
        if name != wanted and name:
            why = f'must be `spec.version+"."+spec.group`: {go_quote(wanted)}'
            out.append(invalid("metadata.name", name, why))
        if not group and version != "v1":
            why = "only v1 may have an empty group and it better be legacy kube"
            out.append(required("spec.group", why))
        if group:
            out += checked("spec.group", group, dns1123_subdomain(group))
        out += checked("spec.version", version, dns1035_label(version))
        minimum, priority = spec.get("groupPriorityMinimum") or 0, spec.get("versionPriority") or 0
        if not 0 < minimum <= 20000:
            out.append(invalid("spec.groupPriorityMinimum", minimum, "must be positive and less than 20000"))
        if not 0 < priority <= 1000:
            out.append(invalid("spec.versionPriority", priority, "must be positive and less than 1000"))
        return out + self._service(spec)

    def _service(self, spec: Obj) -> list[FieldError]:
        service, bundle = spec.get("service"), spec.get("caBundle")
        insecure = bool(spec.get("insecureSkipTLSVerify"))
        out: list[FieldError] = []
        if service is None:
            if bundle:
                shown = f"{base64_length(bundle)} bytes"
                out.append(invalid("spec.caBundle", shown, "local APIServices may not have a caBundle"))
            if insecure:
                why = "local APIServices may not have insecureSkipTLSVerify"
                out.append(invalid("spec.insecureSkipTLSVerify", True, why))
            return out
        out += [required(f"spec.service.{key}") for key in ("namespace", "name") if not service.get(key)]
        port = service.get("port") or 0
        if texts := port_number(port):
            out.append(invalid("spec.service.port", port, "port is not valid: " + ", ".join(texts)))
        if insecure and bundle:
            out.append(invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, False) + self.validate_create(new)

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        keep_roots(new, old)
        for key in ("labels", "annotations", "finalizers", "ownerReferences"):
            if key in old["metadata"]:
                new["metadata"][key] = old["metadata"][key]
            else:
                new["metadata"].pop(key, None)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        conditions = (new.get("status") or {}).get("conditions") or []
        return [
            not_supported(f"status.conditions[{i}].status", condition.get("status", ""), STATUSES)
            for i, condition in enumerate(conditions)
            if condition.get("status") not in STATUSES
        ]
