"""StorageVersions (internal.apiserver.k8s.io) and StorageVersionMigrations (storagemigration.k8s.io)."""

from __future__ import annotations

from typing import ClassVar

from wherry.errors import FieldError, duplicate, invalid, required
from wherry.machinery.builtin.common.names import dns1035_label, dns1123_subdomain, label_key
from wherry.machinery.builtin.core.shared.fields import IMMUTABLE, checked, conditions, spec_of
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.status import ResetStatus, StatusOnly
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj


def _api_version(value: str) -> list[str]:
    parts = value.split("/")
    if len(parts) > 2:
        rule = (
            "an apiVersion is a DNS-1035 label, which must consist of lower case alphanumeric characters or '-', start "
            "with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
            "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?') with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyVersion')"
        )
        return [rule]
    out: list[str] = []
    if len(parts) == 2:
        texts = dns1123_subdomain(parts[0]) if parts[0] else ["must be non-empty"]
        out += ["group part: " + text for text in texts]
    texts = dns1035_label(parts[-1]) if parts[-1] else ["must be non-empty"]
    return out + ["version part: " + text for text in texts]


def _server(item: Obj, field: str) -> list[FieldError]:
    identity, encoding = item.get("apiServerID") or "", item.get("encodingVersion") or ""
    decodable = item.get("decodableVersions") or []
    out = checked(field + ".apiServerID", identity, dns1123_subdomain(identity))
    if texts := _api_version(encoding):
        out.append(invalid(field + ".encodingVersion", encoding, ",".join(texts)))
    for i, version in enumerate(decodable):
        if texts := _api_version(version):
            out.append(invalid(f"{field}.decodableVersions[{i}]", version, ",".join(texts)))
    if encoding not in decodable:
        why = f"decodableVersions must include encodingVersion {encoding}"
        out.append(invalid(field + ".decodableVersions", item.get("decodableVersions"), why))
    for i, version in enumerate(item.get("servedVersions") or []):
        where = f"{field}.servedVersions[{i}]"
        if texts := _api_version(version):
            out.append(invalid(where, version, ",".join(texts)))
        if version not in decodable:
            listed = "[" + " ".join(decodable) + "]"
            why = f"individual served version : {version} must be included in decodableVersions : {listed}"
            out.append(invalid(where, version, why))
    return out


def _common(status: Obj) -> list[FieldError]:
    versions = {item.get("encodingVersion") or "" for item in status.get("storageVersions") or []}
    told, field = status.get("commonEncodingVersion"), "status.commonEncodingVersion"
    actual = versions.pop() if len(versions) == 1 else None
    if actual == told:
        return []
    if actual is None:
        why = (
            "should be nil if servers do not agree on the same encoding version, or if there is no server reporting "
            "the supported versions yet"
        )
        return [invalid(field, told, why)]
    if told is None:
        return [invalid(field, None, f"the common encoding version is {actual}")]
    return [invalid(field, told, f"the actual common encoding version is {actual}")]


def _status(status: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, item in enumerate(status.get("storageVersions") or []):
        field, identity = f"status.storageVersions[{i}]", item.get("apiServerID") or ""
        if identity in seen:
            out.append(duplicate(field + ".apiServerID", identity))
        seen.add(identity)
        out += _server(item, field)
    out += _common(status)
    types: dict[str, int] = {}
    for i, condition in enumerate(status.get("conditions") or []):
        field, kind = f"status[{i}]", condition.get("type") or ""
        if kind in types:
            why = f"the type of the condition is not unique, it also appears in conditions[{types[kind]}]"
            out.append(invalid(field + ".type", kind, why))
        types[kind] = i
        out += checked(field + ".type", kind, label_key(kind))
        out += checked(field + ".status", condition.get("status") or "", label_key(condition.get("status") or ""))
        out += [required(f"{field}.{key}") for key in ("reason", "message") if not condition.get(key)]
    return out


def _name(name: str, prefix: bool = False) -> list[str]:
    group, dot, resource = name.rpartition(".")
    if not dot:
        return ["name must be in the form of <group>.<resource>"]
    out = ["the group segment " + text for text in dns1123_subdomain(group)]
    return out + ["the resource segment " + text for text in dns1035_label(resource)]


class StorageVersionStrategy(ResetStatus, StatusOnly, Strategy):
    meta_again = False
    unconditional_update = False
    validate_name = staticmethod(_name)
    empty_status: ClassVar[Obj | None] = {}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _status(obj.get("status") or {})

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return _status(new.get("status") or {})


# --- migrations ------------------------------------------------------------------------------------------------------


def _true(obj: Obj, kind: str) -> bool:
    found = (obj.get("status") or {}).get("conditions") or []
    return any(c.get("type") == kind and c.get("status") == "True" for c in found)


class MigrationStrategy(ResetStatus, StatusOnly, Strategy):
    meta_again = False
    unconditional_update = False
    empty_status: ClassVar[Obj | None] = {}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        resource = spec_of(obj).get("resource") or {}
        name, group = resource.get("resource") or "", resource.get("group") or ""
        field = "spec.resource"
        out: list[FieldError] = []
        if not name:
            out.append(required(field + ".resource", "resource is required to be set"))
        elif texts := dns1035_label(name):
            out.append(invalid(field + ".resource", name, ",".join(texts)))
        if group and (texts := dns1123_subdomain(group)):
            out.append(invalid(field + ".group", group, ",".join(texts)))
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, False) + self.validate_create(new) + as_change(self, new, old)
        if spec_of(new) != spec_of(old):
            resource = spec_of(new).get("resource") or {}
            shown = {"Resource": {"group": resource.get("group", ""), "resource": resource.get("resource", "")}}
            out.append(invalid("spec", shown, IMMUTABLE))
        return out

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        status, before = new.get("status") or {}, old.get("status") or {}
        out = as_change(self, new, old) + conditions(status.get("conditions"), "status.conditions")
        now, was = status.get("resourceVersion") or "", before.get("resourceVersion") or ""
        if was and now != was:
            out.append(invalid("status.resourceVersion", now, IMMUTABLE))
        field, listed = "status.conditions", status.get("conditions")
        if _true(new, "Succeeded") and _true(new, "Failed"):
            why = "Both success and failed conditions cannot be true at the same time"
            out.append(invalid(field, listed, why))
        if _true(old, "Succeeded") and not _true(new, "Succeeded"):
            out.append(invalid(field, listed, "Success condition cannot be set to false once it is true"))
        if _true(old, "Failed") and not _true(new, "Failed"):
            out.append(invalid(field, listed, "Failed condition cannot be set to false once it is true"))
        return out
