"""StatefulSets. Follows apps/v1 defaults, apps validation and registry/apps/statefulset."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import selector_is_convertible, validate_labels
from wherry.machinery.builtin.common.meta import validate_annotations
from wherry.machinery.builtin.common.names import dns1123_label, name_is_dns_label
from wherry.machinery.builtin.workloads.annotations import validate_pod_annotations
from wherry.machinery.builtin.workloads.base import at_least_zero, counters, not_above
from wherry.machinery.builtin.workloads.claims import claim_warnings, validate_claim_spec
from wherry.machinery.builtin.workloads.deployments import collisions
from wherry.machinery.builtin.workloads.int_or_percent import amount, at_most_all, positive_int_or_percent
from wherry.machinery.builtin.workloads.internal_shapes import internal, selector_document
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_defaults import default_claim_spec
from wherry.machinery.builtin.workloads.pod_spec import validate_template
from wherry.machinery.builtin.workloads.templates import (
    TemplateStrategy,
    labels_mismatch,
    only_restarted,
    selector_errors,
    set_default,
    template_options,
)
from wherry.machinery.kinds import Obj

HISTORY_WARNING = (
    "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
)
_MUTABLE = (
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
)
FORBIDDEN_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


class StatefulSets(TemplateStrategy):
    empty_status: ClassVar[dict[str, Any]] = {"replicas": 0, "availableReplicas": 0}
    validate_name = staticmethod(name_is_dns_label)

    def default_rest(self, obj: Obj) -> None:
        spec = obj["spec"]
        spec.setdefault("podManagementPolicy", "OrderedReady")
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
            strategy.setdefault("rollingUpdate", {})
        if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
            strategy["rollingUpdate"].setdefault("partition", 0)
        policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        set_default(policy, whenDeleted="Retain", whenScaled="Retain")
        set_default(spec, replicas=1, revisionHistoryLimit=10)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
            claim.setdefault("metadata", {})
            default_claim_spec(claim.setdefault("spec", {}))
            claim.setdefault("status", {}).setdefault("phase", "Pending")

    def prepare_create(self, obj: Obj) -> None:
        super().prepare_create(obj)
        _drop_max_unavailable(obj, None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        super().prepare_update(new, old)
        _drop_max_unavailable(new, old)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _spec(obj["spec"], PodOptions(), update=False, skip_template=False)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        options = template_options(old["spec"]["template"])
        stored_is_bad = bool(_spec(old["spec"], options, update=True, skip_template=False))
        errors = _spec(new["spec"], options, update=True, skip_template=stored_is_bad)
        if any(
            new["spec"].get(key) != old["spec"].get(key) for key in {*new["spec"], *old["spec"]} if key not in _MUTABLE
        ):
            errors.append(forbidden("spec", FORBIDDEN_TEXT))
        return errors

    def warnings_create(self, obj: Obj) -> list[str]:
        return self.template_warnings(obj) + _claims_warnings(obj, "") + _history(obj)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return super().warnings_update(new, old) + _claims_warnings(new, ".Spec") + _history(new)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        status, before = new.get("status") or {}, old.get("status") or {}
        parts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        errors = counters(status, "status", ("replicas", *parts, "observedGeneration", "collisionCount"))
        errors += not_above(status, "status", parts, "replicas", "cannot be greater than status.replicas")
        text = "cannot be greater than status.readyReplicas"
        errors += not_above(status, "status", ("availableReplicas",), "readyReplicas", text)
        return errors + collisions(status, before)


def _claims_warnings(obj: Obj, suffix: str) -> list[str]:
    out: list[str] = []
    for index, claim in enumerate(obj["spec"].get("volumeClaimTemplates") or ()):
        out += claim_warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}]{suffix}")
    return out


def _history(obj: Obj) -> list[str]:
    return [HISTORY_WARNING] if (obj["spec"].get("revisionHistoryLimit") or 0) < 0 else []


def _drop_max_unavailable(new: Obj, old: Obj | None) -> None:
    """The gate MaxUnavailableStatefulSet is off in 1.36."""
    before = ((old or {}).get("spec") or {}).get("updateStrategy") or {}
    if (before.get("rollingUpdate") or {}).get("maxUnavailable") is None:
        (new["spec"]["updateStrategy"].get("rollingUpdate") or {}).pop("maxUnavailable", None)


def _update_strategy(strategy: Obj, path: str) -> list[FieldError]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if not kind:
        return [required(path)]
    if kind == "OnDelete":
        if rolling is None:
            return []
        shown = internal("apps.StatefulSetUpdateStrategy", strategy)["RollingUpdate"]
        return [invalid(path + ".rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")]
    if kind != "RollingUpdate":
        shown = internal("apps.StatefulSetUpdateStrategy", strategy)
        return [invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")]
    if rolling is None:
        return []
    errors = at_least_zero(rolling.get("partition", 0), path + ".rollingUpdate.partition")
    most = rolling.get("maxUnavailable")
    if most is not None:
        where = path + ".rollingUpdate.maxUnavailable"
        errors += positive_int_or_percent(most, where)
        if amount(most) == 0:
            errors.append(invalid(where, most, "cannot be 0"))
        errors += at_most_all(most, where)
    return errors


def _template_with_claims(spec: Obj) -> Obj:
    """The template as its pods will have it: claims become volumes, host names are the set's business."""
    template = spec["template"]
    inner = template.get("spec") or {}
    claims = spec.get("volumeClaimTemplates") or []
    if not claims and not inner.get("subdomain") and not inner.get("hostname"):
        return template  # type: ignore[no-any-return]
    changed = {key: value for key, value in inner.items() if key not in ("subdomain", "hostname")}
    if claims:
        names = [(c.get("metadata") or {}).get("name", "") for c in claims]
        volumes = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in dict.fromkeys(names)]
        changed["volumes"] = volumes + [v for v in inner.get("volumes") or () if v.get("name", "") not in names]
    return {**template, "spec": changed}


def _spec(spec: Obj, options: PodOptions, *, update: bool, skip_template: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    management = spec.get("podManagementPolicy", "")
    if not management:
        errors.append(required("spec.podManagementPolicy"))
    elif management not in ("OrderedReady", "Parallel"):
        errors.append(invalid("spec.podManagementPolicy", management, "must be 'OrderedReady' or 'Parallel'"))
    errors += _update_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    policy = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for key in ("whenDeleted", "whenScaled"):
        if policy.get(key, "") not in ("Retain", "Delete"):
            where = f"spec.persistentVolumeClaimRetentionPolicy.{key}"
            errors.append(not_supported(where, policy.get(key, ""), ("Retain", "Delete")))
    if not update:
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            errors += validate_claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec")
    errors += at_least_zero(spec.get("replicas", 0), "spec.replicas")
    errors += at_least_zero(spec.get("minReadySeconds", 0), "spec.minReadySeconds")
    errors += at_least_zero((spec.get("ordinals") or {}).get("start", 0), "spec.ordinals.start")
    service = spec.get("serviceName", "")
    if service and not update:
        errors += [invalid("spec.serviceName", service, text) for text in dns1123_label(service)]
    selector = spec.get("selector")
    errors += selector_errors(selector, "spec.selector", "statefulset")
    if selector is not None and not selector_is_convertible(selector):
        errors.append(invalid("spec.selector", selector_document(selector), ""))
    else:
        errors += _template(selector, _template_with_claims(spec), options, skip_template)
    return errors + only_restarted(spec["template"].get("spec") or {}, "spec.template.spec", "StatefulSet")


def _template(selector: Obj | None, template: Obj, options: PodOptions, skip: bool) -> list[FieldError]:
    """Labels and annotations are judged twice, as upstream does."""
    path = "spec.template"
    meta = template.get("metadata") or {}
    annotations = meta.get("annotations") or {}
    errors = labels_mismatch(selector, template, path)
    if not skip:
        errors += validate_template(template, path, options)
    errors += validate_labels(meta.get("labels"), path + ".labels")
    errors += validate_annotations(annotations, path + ".annotations")
    return errors + validate_pod_annotations(annotations, template.get("spec") or {}, path + ".annotations", options)
