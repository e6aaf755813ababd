"""Validation of a CustomResourceDefinition as an object: `validate_create` and `validate_update`.

Metadata is the store's part, but for the rule that the name is `<plural>.<group>`. Errors in the order and words of
k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation; the schema's own rules are in `schema_rules`,
`structural_rules` and `default_rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import dns1035_label, dns1123_subdomain
from wherry.machinery.crd.cel_hooks import NO_CEL, CelHooks, RuleScope
from wherry.machinery.crd.conversion import check_ca_bundle, check_conversion, recognized
from wherry.machinery.crd.default_rules import DefaultRules
from wherry.machinery.crd.fields import invalid_shown, invalid_value
from wherry.machinery.crd.godump import ZERO_FIELDS, dump_schema, dump_versions
from wherry.machinery.crd.internal import Spec, Version, to_internal
from wherry.machinery.crd.names import check_approval, check_names
from wherry.machinery.crd.schema_rules import TYPES, SchemaRules, check_map_keys, has_non_atomic_set
from wherry.machinery.crd.structural_rules import check_structural, unsupported
from wherry.machinery.crd.version_rules import check_columns, check_deprecation, check_selectable, check_subresources
from wherry.machinery.crd.walk import has, walk

Obj = dict[str, Any]
_AT_ROOT = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations"
)
_ALLOWED_AT_ROOT = frozenset(_AT_ROOT.split())
_MAX_SELECTABLE = 8
# members of the struct that are set even when they are false
_BOOLEAN_SET = ("x-kubernetes-preserve-unknown-fields", "additionalProperties", "additionalItems")


@dataclass(slots=True)
class _Options:
    """validationOptions: what an update does not tighten."""

    require_recognized: bool = True
    immutable_names: bool = False
    require_schema: bool = True
    require_types: bool = True
    require_structural: bool = True
    require_pruned: bool = True
    require_atomic_sets: bool = True
    require_map_keys: bool = True
    allow_invalid_ca: bool = True
    unchanged: set[str] = field(default_factory=set)
    old_rules: frozenset[str] = frozenset()
    old_messages: frozenset[str] = frozenset()
    many_selectable: set[str] = field(default_factory=set)
    cel: CelHooks = NO_CEL


def validate_create(crd: Obj, cel: CelHooks = NO_CEL) -> list[FieldError]:
    """ValidateCustomResourceDefinition."""
    spec = to_internal(crd)
    options = _Options(cel=cel)
    errors: list[FieldError] = []
    wanted = f"{spec.names.get('plural') or ''}.{spec.group}"
    for member in ("generateName", "name"):
        name = (crd.get("metadata") or {}).get(member)
        if name and name != wanted:
            errors.append(invalid(f"metadata.{member}", name, 'must be spec.names.plural+"."+spec.group'))
    errors += _check_spec(spec, options, "spec")
    return errors + _check_rest(crd, None, spec)


def validate_update(new: Obj, old: Obj, cel: CelHooks = NO_CEL) -> list[FieldError]:
    """ValidateCustomResourceDefinitionUpdate."""
    spec, old_spec = to_internal(new), to_internal(old)
    options = _update_options(new, old, spec, old_spec)
    options.cel = cel
    errors = _check_spec(spec, options, "spec")
    if options.immutable_names:
        errors += _immutable(spec.scope, old_spec.scope, "spec.scope")
        errors += _immutable(spec.names.get("kind") or "", old_spec.names.get("kind") or "", "spec.names.kind")
    errors += _immutable(spec.group, old_spec.group, "spec.group")
    errors += _immutable(spec.names.get("plural") or "", old_spec.names.get("plural") or "", "spec.names.plural")
    return errors + _check_rest(new, old, spec)


def validate_status_update(new: Obj) -> list[FieldError]:
    """ValidateUpdateCustomResourceDefinitionStatus."""
    return check_names((new.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")


def _immutable(new: str, old: str, path: str) -> list[FieldError]:
    return [] if new == old else [invalid(path, new, "field is immutable")]


def _check_rest(crd: Obj, old: Obj | None, spec: Spec) -> list[FieldError]:
    status = crd.get("status") or {}
    errors = check_names(status.get("acceptedNames") or {}, "status.acceptedNames")
    errors += _check_stored(status.get("storedVersions"), spec, "status.storedVersions")
    errors += check_approval(crd, old)
    kept = old is not None and bool((old.get("spec") or {}).get("preserveUnknownFields"))
    if spec.preserve_unknown and not kept:
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        errors.append(invalid("spec.preserveUnknownFields", True, why))
    return errors


def _check_stored(stored: list[str] | None, spec: Spec, path: str) -> list[FieldError]:
    if not stored:
        return [invalid_value(path, stored, "must have at least one stored version")]
    errors: list[FieldError] = []
    left = {name: index for index, name in enumerate(stored)}
    for version in spec.each:
        if version.storage and version.name not in left:
            errors.append(invalid_value(path, stored, f"must have the storage version {version.name}"))
        left.pop(version.name, None)
    for name, index in left.items():
        why = (
            f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
            f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
            "status.storedVersions"
        )
        errors.append(invalid(f"{path}[{index}]", name, why))
    return errors


def is_true(crd: Obj, condition: str) -> bool:
    """IsCRDConditionTrue."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == condition and c.get("status") == "True" for c in conditions)


def _update_options(new: Obj, old: Obj, spec: Spec, old_spec: Spec) -> _Options:
    schemas = old_spec.schemas()
    established = is_true(old, "Established")
    rules = [rule for s in schemas for n in walk(s) for rule in n.get("x-kubernetes-validations") or ()]
    whole = old_spec.validation is not None and old_spec.validation.get("openAPIV3Schema") is not None
    versioned = all(v.schema is not None and v.schema.get("openAPIV3Schema") is not None for v in old_spec.each)
    return _Options(
        require_recognized=old_spec.conversion is None or recognized(old_spec.conversion.review_versions),
        immutable_names=established,
        require_schema=whole or versioned,
        require_types=not any(has(s, lambda n: bool(n.get("type")) and n["type"] not in TYPES) for s in schemas),
        require_structural=not any(unsupported(s) or check_structural(s, "") for s in schemas),
        require_pruned=not any(_unpruned(s) for s in schemas),
        require_atomic_sets=not any(has(s, has_non_atomic_set) for s in schemas),
        require_map_keys=not any(has(s, lambda n: bool(check_map_keys(n, ""))) for s in schemas),
        allow_invalid_ca=not established or _had_invalid_ca(old_spec),
        unchanged={v.name for v in spec.each if _same_schema(spec, old_spec, v.name)},
        old_rules=frozenset(rule.get("rule") or "" for rule in rules),
        old_messages=frozenset(rule["messageExpression"] for rule in rules if rule.get("messageExpression")),
        many_selectable=_many_selectable(spec, old_spec),
    )


def _same_schema(spec: Spec, old: Spec, name: str) -> bool:
    return any(v.name == name for v in old.each) and spec.schema_for(name) == old.schema_for(name)


def _unpruned(schema: Obj) -> bool:
    if unsupported(schema) or check_structural(schema, ""):
        return False
    errors = DefaultRules(True, None).check(schema, "")
    return any(error.text.endswith("must not have unknown fields") for error in errors)


def _had_invalid_ca(old: Spec) -> bool:
    config = old.conversion.client_config if old.conversion is not None else None
    bundle = (config or {}).get("caBundle")
    return bool(bundle) and bool(check_ca_bundle(str(bundle), ""))


def _many_selectable(spec: Spec, old: Spec) -> set[str]:
    found: set[str] = set()
    if len(old.selectable or ()) > _MAX_SELECTABLE and spec.selectable == old.selectable:
        found.add("")
    before = {v.name: v.selectable for v in old.each}
    for version in spec.each:
        kept = before.get(version.name)
        if len(kept or ()) > _MAX_SELECTABLE and kept == version.selectable:
            found.add(version.name)
    return found


def _check_spec(spec: Spec, options: _Options, path: str) -> list[FieldError]:
    errors = _check_group(spec.group, f"{path}.group")
    errors += _check_scope(spec.scope, f"{path}.scope")
    errors += _check_schemas_present(spec, options, path)
    if not spec.preserve_unknown or _needs_structure(spec):
        options.require_structural = True
    if spec.preserve_unknown and any(has(s, lambda n: n.get("default") is not None) for s in spec.schemas()):
        why = "must be false in order to use defaults in the schema"
        errors.append(invalid(f"{path}.preserveUnknownFields", True, why))
    errors += _check_versions(spec, options, path)
    for member in ("plural", "singular", "kind", "listKind"):
        if not spec.names.get(member):
            errors.append(required(f"{path}.names.{member}"))
    errors += check_names(spec.names, f"{path}.names")
    status = _has_status(spec.subresources) or any(_has_status(v.subresources) for v in spec.each)
    errors += _check_schema(spec.validation, status, options, spec.version, f"{path}.validation")
    errors += check_subresources(spec.subresources, f"{path}.subresources")
    errors += check_columns(spec.columns, f"{path}.additionalPrinterColumns")
    if spec.selectable:
        errors += _check_selectable(spec, options, path)
    conversion = spec.conversion
    if spec.preserve_unknown and conversion is not None and conversion.strategy != "None":
        why = "must be None if spec.preserveUnknownFields is true"
        errors.append(invalid(f"{path}.conversion.strategy", conversion.strategy, why))
    return errors + check_conversion(
        conversion,
        f"{path}.conversion",
        require_recognized=options.require_recognized,
        allow_invalid_ca=options.allow_invalid_ca,
    )


def _check_group(group: str, path: str) -> list[FieldError]:
    if not group:
        return [required(path)]
    wrong = dns1123_subdomain(group)
    if wrong:
        return [invalid(path, group, ",".join(wrong))]
    return [] if "." in group else [invalid(path, group, "should be a domain with at least one dot")]


def _check_scope(scope: str, path: str) -> list[FieldError]:
    if not scope:
        return [required(path)]
    return [] if scope in ("Cluster", "Namespaced") else [not_supported(path, scope, ["Cluster", "Namespaced"])]


def _check_schemas_present(spec: Spec, options: _Options, path: str) -> list[FieldError]:
    if spec.validation is not None and spec.validation.get("openAPIV3Schema") is not None:
        return []
    missing = [
        (index, version)
        for index, version in enumerate(spec.each)
        if version.schema is None or version.schema.get("openAPIV3Schema") is None
    ]
    if options.require_schema:
        return [required(f"{path}.versions[{index}].schema.openAPIV3Schema") for index, _ in missing]
    if spec.preserve_unknown:
        return []
    why = "because otherwise all fields are pruned"
    return [required(f"{path}.versions[{i}].schema.openAPIV3Schema", why) for i, version in missing if version.served]


def _needs_structure(spec: Spec) -> bool:
    flags = (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
    )
    present = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "default")

    def wanted(node: Obj) -> bool:
        return any(node.get(f) for f in flags) or any(node.get(p) is not None for p in present)

    return any(has(schema, wanted) for schema in spec.schemas())


def _has_status(subresources: Obj | None) -> bool:
    return subresources is not None and subresources.get("status") is not None


def _check_versions(spec: Spec, options: _Options, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    own_subresources = any(v.subresources is not None for v in spec.each)
    for index, version in enumerate(spec.each):
        where = f"{path}.versions[{index}]"
        wrong = dns1035_label(version.name)
        if wrong:
            errors.append(invalid(f"{where}.name", version.name, ",".join(wrong)))
        first = next(v for v in spec.each if v.name == version.name)
        subresources = first.subresources if own_subresources else spec.subresources
        errors += _check_version(version, where, _has_status(subresources), options)
    for top, own, name in (
        (spec.validation is not None, any(v.schema is not None for v in spec.each), "validation"),
        (spec.subresources is not None, own_subresources, "subresources"),
        (bool(spec.columns), any(v.columns for v in spec.each), "additionalPrinterColumns"),
    ):
        if top and own:
            what = "schemas" if name == "validation" else name
            errors.append(forbidden(f"{path}.{name}", f"top-level and per-version {what} are mutually exclusive"))
    shown, where = dump_versions(spec.versions), f"{path}.versions"
    if len({v.name for v in spec.each}) != len(spec.each):
        errors.append(invalid_shown(where, shown, "must contain unique version names"))
    if sum(v.storage for v in spec.each) != 1:
        errors.append(invalid_shown(where, shown, "must have exactly one version marked as storage version"))
    if spec.version:
        wrong = dns1035_label(spec.version)
        if wrong:
            errors.append(invalid(f"{path}.version", spec.version, ",".join(wrong)))
    return errors


def _check_version(version: Version, path: str, status: bool, options: _Options) -> list[FieldError]:
    errors = check_deprecation(version, f"{path}.deprecationWarning")
    errors += _check_schema(version.schema, status, options, version.name, f"{path}.schema")
    errors += check_subresources(version.subresources, f"{path}.subresources")
    errors += check_columns(version.columns, f"{path}.additionalPrinterColumns")
    if version.selectable:
        schema = (version.schema or {}).get("openAPIV3Schema")
        where = f"{path}.selectableFields"
        if schema is None:
            why = "may only be set when `version.schema.openAPIV3Schema` is not included"
            errors.append(invalid(where, "", why))
        else:
            wrong = unsupported(schema)
            if wrong:
                errors.append(invalid(f"{path}.schema.openAPIV3Schema", "", wrong))
            many = version.name in options.many_selectable
            errors += check_selectable(version.selectable, None if wrong else schema, where, many)
    return errors


def _check_selectable(spec: Spec, options: _Options, path: str) -> list[FieldError]:
    where = f"{path}.selectableFields"
    if spec.validation is None:
        return [invalid(where, "", "may only be set when validations.schema is included")]
    schema = spec.validation.get("openAPIV3Schema")
    wrong = unsupported(schema)
    errors = [invalid(f"{path}.schema.openAPIV3Schema", "", wrong)] if wrong else []
    return errors + check_selectable(
        spec.selectable or [], None if wrong else schema, where, "" in options.many_selectable
    )


def _check_schema(wrapper: Obj | None, status: bool, options: _Options, version: str, path: str) -> list[FieldError]:
    """validateCustomResourceDefinitionValidation."""
    schema = (wrapper or {}).get("openAPIV3Schema")
    if schema is None:
        return []
    where = f"{path}.openAPIV3Schema"
    errors = _check_root(schema, where) if status else []
    if schema.get("nullable"):
        errors.append(forbidden(f"{where}.nullable", "nullable cannot be true at the root"))
    late: list[FieldError] = []
    compile_rules = False
    if options.require_structural:
        wrong = unsupported(schema)
        if wrong:
            late.append(invalid(where, "", wrong))
        else:
            found = check_structural(schema, where)
            found = found or DefaultRules(options.require_pruned, options.cel.default).check(schema, where)
            errors += found
            compile_rules = not found
    rules = SchemaRules(options.require_types, options.require_atomic_sets, options.require_map_keys)
    errors += rules.check(schema, where)
    if compile_rules and options.cel.definition is not None:
        scope = RuleScope(
            rules.dirty, rules.uncorrelatable, version in options.unchanged, options.old_rules, options.old_messages
        )
        errors += options.cel.definition(schema, where, scope)
    return errors or late


def _check_root(schema: Obj, path: str) -> list[FieldError]:
    """With the status subresource only some keywords are allowed at the root."""
    for name, key in ZERO_FIELDS:
        value = schema.get(key)
        if value is None or value == "" or (value is False and key not in _BOOLEAN_SET):
            continue
        if name == "Type":
            if value != "object":
                why = 'only "object" is allowed as the type at the root of the schema'
                why += " if the status subresource is enabled"
                return [invalid(f"{path}.type", value, why)]
        elif name not in _ALLOWED_AT_ROOT:
            why = f"only [{_AT_ROOT}] fields are allowed at the root of the schema if the status subresource is enabled"
            return [invalid_shown(path, dump_schema(schema), why)]
    return []
