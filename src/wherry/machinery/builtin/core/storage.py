"""StorageClasses, CSI kinds, VolumeAttachments, VolumeAttributesClasses (pkg/apis/storage, pkg/registry/storage)."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_name, validate_label_selector
from wherry.machinery.builtin.common.names import (
    byte_length,
    dns1123_subdomain,
    label_key,
    range_text,
)
from wherry.machinery.builtin.common.quantities import parse
from wherry.machinery.builtin.core.shared.fields import (
    IMMUTABLE,
    NOT_NEGATIVE,
    checked,
    go_struct,
    immutable,
    make,
    spec_of,
    too_long_bytes,
)
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.node_labels import node_label_message, selector_warnings
from wherry.machinery.builtin.core.shared.status import ResetStatus, StatusOnly
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

RECLAIM = ["Delete", "Retain"]
BINDING = ["Immediate", "WaitForFirstConsumer"]
FS_GROUP = ["File", "None", "ReadWriteOnceWithFSType"]
LIFECYCLE = ["Persistent", "Ephemeral"]
PARAMETERS_SIZE = 256 * 1024
TOKENS_IN_SECRETS = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
    "logging of tokens in volume attributes"
)


def csi_driver_name(name: str, field: str) -> list[FieldError]:
    """ValidateCSIDriverName: upper case is read as lower case, and shown as it was."""
    if not name:
        return [required(field)]
    out = [too_long_bytes(field, 63)] if byte_length(name) > 63 else []
    return out + checked(field, name, dns1123_subdomain(name.lower()))


def provisioner(name: str, field: str) -> list[FieldError]:
    if not name:
        return [required(field)]
    return checked(field, name.lower(), label_key(name.lower()))


def parameters(values: Obj | None, allow_empty: bool, field: str) -> list[FieldError]:
    values = values or {}
    if len(values) > 512:
        return [too_long_bytes(field, 512)]
    out: list[FieldError] = []
    total = 0
    for key, value in values.items():
        if not key:
            out.append(invalid(field, key, "field can not be empty."))
        total += byte_length(key) + byte_length(value)
    if total > PARAMETERS_SIZE:
        out.append(too_long_bytes(field, PARAMETERS_SIZE))
    if not allow_empty and not values:
        out.append(required(field, "must contain at least one key/value pair"))
    return out


# --- storage classes -------------------------------------------------------------------------------------------------


def _topology_requirement(requirement: Obj, field: str) -> tuple[frozenset[str], list[FieldError]]:
    values = requirement.get("values") or []
    out = [] if values else [required(field + ".values")]
    seen: set[str] = set()
    for i, value in enumerate(values):
        if value in seen:
            out.append(duplicate(f"{field}.values[{i}]", value))
        seen.add(value)
    return frozenset(seen), out + validate_label_name(requirement.get("key") or "", field + ".key")


def _topologies(terms: list[Obj]) -> list[FieldError]:
    out: list[FieldError] = []
    # upstream starts with as many empty terms as there are terms, so an empty one always repeats
    known: list[dict[str, frozenset[str]]] = [{} for _ in terms]
    for i, term in enumerate(terms):
        field = f"allowedTopologies[{i}]"
        keys: dict[str, frozenset[str]] = {}
        for j, requirement in enumerate(term.get("matchLabelExpressions") or []):
            where = f"{field}.matchLabelExpressions[{j}]"
            values, errors = _topology_requirement(requirement, where)
            out += errors
            key = requirement.get("key") or ""
            if key in keys:
                out.append(duplicate(where + ".key", key))
            keys[key] = values
        out += [duplicate(field + ".matchLabelExpressions", "") for other in known if other == keys]
        known.append(keys)
    return out


class StorageClassStrategy(Strategy):
    meta_again = False

    def default(self, obj: Obj) -> None:
        if obj.get("reclaimPolicy") is None:
            obj["reclaimPolicy"] = "Delete"
        if obj.get("volumeBindingMode") is None:
            obj["volumeBindingMode"] = "Immediate"

    def validate_create(self, obj: Obj) -> list[FieldError]:
        out = provisioner(obj.get("provisioner") or "", "provisioner")
        out += parameters(obj.get("parameters"), True, "parameters")
        reclaim, mode = obj.get("reclaimPolicy"), obj.get("volumeBindingMode")
        if reclaim and reclaim not in RECLAIM:
            out.append(not_supported("reclaimPolicy", reclaim, RECLAIM))
        if mode is None:
            out.append(required("volumeBindingMode"))
        elif mode not in BINDING:
            out.append(not_supported("volumeBindingMode", mode, BINDING))
        return out + _topologies(obj.get("allowedTopologies") or [])

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, False) + self.validate_create(new) + as_change(self, new, old)
        for key in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
            out += immutable(new.get(key), old.get(key), key)
        return out

    def warnings_create(self, obj: Obj) -> list[str]:
        out: list[str] = []
        for i, term in enumerate(obj.get("allowedTopologies") or []):
            for j, requirement in enumerate(term.get("matchLabelExpressions") or []):
                if message := node_label_message(requirement.get("key") or ""):
                    out.append(f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {message}")
        return out

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)


class VolumeAttributesClassStrategy(Strategy):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        out = provisioner(obj.get("driverName") or "", "driverName")
        return out + parameters(obj.get("parameters"), False, "parameters")

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out: list[FieldError] = []
        if (new.get("driverName") or "") != (old.get("driverName") or ""):
            out.append(forbidden("driverName", "updates to driverName are forbidden."))
        if (new.get("parameters") or {}) != (old.get("parameters") or {}):
            out.append(forbidden("parameters", "updates to parameters are forbidden."))
        return out + as_new(self, new, False) + self.validate_create(new)


# --- CSI drivers -----------------------------------------------------------------------------------------------------


def _token_requests(requests: list[Obj]) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, request in enumerate(requests):
        field, audience = f"spec.tokenRequests[{i}]", request.get("audience") or ""
        if audience in seen:
            out.append(duplicate(field + ".audience", audience))
            continue
        seen.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < 600:
            why = "may not specify a duration less than 10 minutes"
            out.append(invalid(field + ".expirationSeconds", seconds, why))
        if seconds is not None and seconds > 1 << 32:
            why = "may not specify a duration larger than 2^32 seconds"
            out.append(invalid(field + ".expirationSeconds", seconds, why))
    return out


class CSIDriverStrategy(Strategy):
    unconditional_update = False
    has_generation = False  # none at creation; the first change of the spec makes it 1

    def default(self, obj: Obj) -> None:
        spec = make(obj, "spec")
        fixed: dict[str, Any] = {
            "attachRequired": True,
            "podInfoOnMount": False,
            "storageCapacity": False,
            "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "requiresRepublish": False,
            "seLinuxMount": False,
        }
        for key, value in fixed.items():
            if spec.get(key) is None:
                spec[key] = value
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = ["Persistent"]

    def prepare_create(self, obj: Obj) -> None:
        make(obj, "spec").pop("preventPodSchedulingIfMissing", None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        if spec_of(old).get("preventPodSchedulingIfMissing") is None:
            make(new, "spec").pop("preventPodSchedulingIfMissing", None)
        if spec_of(new) != spec_of(old):
            new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec = spec_of(obj)
        out: list[FieldError] = []
        needed = {"attachRequired": "attachedRequired", "podInfoOnMount": "podInfoOnMount"}
        needed["storageCapacity"] = "storageCapacity"
        out += [required(f"spec.{shown}") for key, shown in needed.items() if spec.get(key) is None]
        policy = spec.get("fsGroupPolicy")
        if policy is not None and policy not in FS_GROUP:
            out.append(not_supported("spec.fsGroupPolicy", policy, FS_GROUP))
        tokens = spec.get("tokenRequests") or []
        out += _token_requests(tokens)
        for mode in spec.get("volumeLifecycleModes") or []:
            if mode not in LIFECYCLE:
                out.append(not_supported("spec.volumeLifecycleModes", mode, LIFECYCLE))
        if spec.get("seLinuxMount") is None:
            out.append(required("spec.seLinuxMount"))
        period = spec.get("nodeAllocatableUpdatePeriodSeconds")
        if period is not None and period < 10:
            why = "must be greater than or equal to 10 seconds"
            out.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, why))
        in_secrets = spec.get("serviceAccountTokenInSecrets")
        if in_secrets is not None and not tokens:
            why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
            out.append(invalid("spec.serviceAccountTokenInSecrets", in_secrets, why))
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        spec, before = spec_of(new), spec_of(old)
        out = self.validate_create(new)
        if spec.get("attachRequired") != before.get("attachRequired"):
            out.append(invalid("spec.attachedRequired", spec.get("attachRequired"), IMMUTABLE))
        modes = spec.get("volumeLifecycleModes")
        return out + immutable(modes, before.get("volumeLifecycleModes"), "spec.volumeLifecycleModes")

    def warnings_create(self, obj: Obj) -> list[str]:
        spec = spec_of(obj)
        unset = spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None
        return [TOKENS_IN_SECRETS] if unset else []

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        same = (spec_of(new).get("tokenRequests") or []) == (spec_of(old).get("tokenRequests") or [])
        return [] if same else self.warnings_create(new)


def _node_driver(driver: Obj, seen: set[str], field: str) -> list[FieldError]:
    name, node = driver.get("name") or "", driver.get("nodeID") or ""
    out = csi_driver_name(name, field + ".name")
    if not node:
        out.append(required(field + ".nodeID"))
    if byte_length(node) > 256:
        out.append(invalid(field + ".nodeID", node, "must be 256 characters or less"))
    count = (driver.get("allocatable") or {}).get("count")
    if count is not None and count < 0:
        out.append(invalid(field + ".allocatable.count", count, NOT_NEGATIVE))
    if name in seen:
        out.append(duplicate(field + ".name", name))
    seen.add(name)
    keys: set[str] = set()
    for key in driver.get("topologyKeys") or []:
        if not key:
            out.append(required(field))
        if key in keys:
            out.append(duplicate(field, key))
        keys.add(key)
        out += checked(field, key, label_key(key))
    return out


_DRIVER = {
    "Name": ("name", ""),
    "NodeID": ("nodeID", ""),
    "TopologyKeys": ("topologyKeys", None),
    "Allocatable": ("allocatable", None),
}


class CSINodeStrategy(Strategy):
    meta_again = False
    unconditional_update = False

    def validate_create(self, obj: Obj) -> list[FieldError]:
        out: list[FieldError] = []
        seen: set[str] = set()
        for i, driver in enumerate(spec_of(obj).get("drivers") or []):
            out += _node_driver(driver, seen, f"spec.drivers[{i}]")
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, False) + self.validate_create(new)
        for before in spec_of(old).get("drivers") or []:
            for driver in spec_of(new).get("drivers") or []:
                if driver.get("name") != before.get("name"):
                    continue
                now, was = ({k: v for k, v in d.items() if k != "allocatable" and v} for d in (driver, before))
                if now != was:
                    out.append(invalid("spec.drivers", go_struct(now, _DRIVER), IMMUTABLE))
        return out


class CSIStorageCapacityStrategy(Strategy):
    meta_again = False
    unconditional_update = False

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(obj, False)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        any_value = bool(validate_label_selector(old.get("nodeTopology"), ""))
        out = as_new(self, new, True) + self._validate(new, any_value) + as_change(self, new, old)
        topology = new.get("nodeTopology")
        if topology != old.get("nodeTopology"):
            out.append(invalid("nodeTopology", topology, IMMUTABLE))
        name = new.get("storageClassName") or ""
        if name != (old.get("storageClassName") or ""):
            out.append(invalid("storageClassName", name, IMMUTABLE))
        return out

    def _validate(self, obj: Obj, any_value: bool) -> list[FieldError]:
        out = validate_label_selector(obj.get("nodeTopology"), "nodeTopology", allow_invalid_values=any_value)
        name = obj.get("storageClassName") or ""
        out += checked("storageClassName", name, dns1123_subdomain(name))
        capacity = obj.get("capacity")
        if capacity is not None and parse(capacity) < 0:
            out.append(invalid("capacity", capacity, NOT_NEGATIVE))
        return out

    def warnings_create(self, obj: Obj) -> list[str]:
        return selector_warnings(obj.get("nodeTopology"), "nodeTopology")

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)


# --- attachments -----------------------------------------------------------------------------------------------------


def _volume_error(error: Obj | None, field: str) -> list[FieldError]:
    if error is None:
        return []
    out: list[FieldError] = []
    if byte_length(error.get("message") or "") > 1024:
        out.append(too_long_bytes(field + ".message", PARAMETERS_SIZE))  # the limit that upstream names
    code = error.get("errorCode")
    if code is not None and code < 0:
        out.append(invalid(field + ".errorCode", code, range_text(0, 2147483647)))
    return out


class VolumeAttachmentStrategy(ResetStatus, StatusOnly, Strategy):
    meta_again = False
    unconditional_update = False
    empty_status: ClassVar[Obj | None] = {"attached": False}

    def default(self, obj: Obj) -> None:
        inline = (spec_of(obj).get("source") or {}).get("inlineVolumeSpec")
        if inline is not None:
            from wherry.machinery.builtin.core.volume_spec import default_source

            default_source(inline)
            if not inline.get("capacity", True):
                del inline["capacity"]

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec, status = spec_of(obj), obj.get("status") or {}
        out = csi_driver_name(spec.get("attacher") or "", "spec.attacher")
        source = spec.get("source") or {}
        out += self._source(source)
        node = spec.get("nodeName") or ""
        out += checked("spec.nodeName", node, dns1123_subdomain(node))
        data = status.get("attachmentMetadata") or {}
        if sum(byte_length(k) + byte_length(v) for k, v in data.items()) > PARAMETERS_SIZE:
            out.append(too_long_bytes("status.attachmentMetadata", PARAMETERS_SIZE))
        for key in ("attachError", "detachError"):
            out += _volume_error(status.get(key), f"status.{key}")
        if (name := source.get("persistentVolumeName")) is not None:
            out += checked("spec.source.persistentVolumeName", name, dns1123_subdomain(name))
        return out

    def _source(self, source: Obj) -> list[FieldError]:
        inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
        both = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        if inline is None and name is None:
            return [required("spec.source", both)]
        if inline is not None and name is not None:
            return [forbidden("spec.source", both)]
        if name is not None:
            why = "must specify non empty persistentVolumeName"
            return [] if name else [required("spec.source.persistentVolumeName", why)]
        from wherry.machinery.builtin.core.volume_spec import validate_volume_spec

        return validate_volume_spec(inline or {}, "", "spec.source.inlineVolumeSpec", inline=True)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, False) + self.validate_create(new)
        if spec_of(new) != spec_of(old):
            from wherry.machinery.builtin.core.volume_spec import shown_attachment

            out.append(invalid("spec", shown_attachment(spec_of(new)), IMMUTABLE))
        return out

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return self.validate_update(new, old)
