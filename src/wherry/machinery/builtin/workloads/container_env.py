"""Validation of environment variables. Follows ValidateEnv and ValidateEnvFrom in core validation."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.common.names import (
    config_map_key,
    dns1123_label,
    dns1123_subdomain,
    name_is_dns_subdomain,
    relaxed_env_var_name,
)
from wherry.machinery.builtin.workloads.field_refs import ENV_FIELDS, validate_field_ref, validate_resource_ref
from wherry.machinery.builtin.workloads.paths import no_backsteps

Obj = dict[str, Any]
_ONE_OF = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"


def validate_env(variables: list[Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, variable in enumerate(variables):
        where, name = f"{path}[{index}]", variable.get("name", "")
        if not name:
            errors.append(required(where + ".name"))
        else:
            errors += [invalid(where + ".name", name, text) for text in relaxed_env_var_name(name)]
        if variable.get("valueFrom") is not None:
            errors += _value_from(variable, where + ".valueFrom")
    return errors


def _value_from(variable: Obj, path: str) -> list[FieldError]:
    source = variable["valueFrom"]
    errors: list[FieldError] = []
    found = 0
    if source.get("fieldRef") is not None:
        found += 1
        errors += validate_field_ref(source["fieldRef"], ENV_FIELDS, path + ".fieldRef")
    if source.get("resourceFieldRef") is not None:
        found += 1
        errors += validate_resource_ref(source["resourceFieldRef"], path + ".resourceFieldRef", False)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if source.get(kind) is not None:
            found += 1
            errors += _key_ref(source[kind], f"{path}.{kind}")
    if source.get("fileKeyRef") is not None:
        found += 1
        errors += _file_key(source["fileKeyRef"], path + ".fileKeyRef")
    if not found:
        errors.append(invalid(path, "", _ONE_OF))
    elif variable.get("value"):
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif found > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _key_ref(reference: Obj, path: str) -> list[FieldError]:
    name, key = reference.get("name", ""), reference.get("key", "")
    errors = [invalid(path + ".name", name, text) for text in dns1123_subdomain(name)]
    if not key:
        errors.append(required(path + ".key"))
    else:
        errors += [invalid(path + ".key", key, text) for text in config_map_key(key)]
    return errors


def _file_key(reference: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, rule in (("key", relaxed_env_var_name), ("volumeName", dns1123_label)):
        value = reference.get(name, "")
        if not value:
            errors.append(required(f"{path}.{name}"))
        else:
            errors += [invalid(f"{path}.{name}", value, text) for text in rule(value)]
    if not reference.get("path"):
        errors.append(required(path + ".path"))
    else:
        errors += no_backsteps(reference["path"], path + ".path")
    return errors


def validate_env_from(sources: list[Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, source in enumerate(sources):
        where, prefix = f"{path}[{index}]", source.get("prefix", "")
        if prefix:
            errors += [invalid(where + ".prefix", prefix, text) for text in relaxed_env_var_name(prefix)]
        found = 0
        for kind in ("configMapRef", "secretRef"):
            reference = source.get(kind)
            if reference is None:
                continue
            found += 1
            name = reference.get("name", "")
            if not name:
                errors.append(required(f"{where}.{kind}.name"))
            else:
                texts = name_is_dns_subdomain(name, True)
                errors += [invalid(f"{where}.{kind}.name", name, text) for text in texts]
        if not found:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif found > 1:
            errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors
