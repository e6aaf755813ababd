"""What may change in a pod, and in its list of ephemeral containers. Follows ValidatePodUpdate in core validation."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, go_quote, invalid, required
from wherry.machinery.builtin.common.names import range_text
from wherry.machinery.builtin.workloads.internal_shapes import diff, internal
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_scheduling import REQUIRED, validate_tolerations
from wherry.machinery.builtin.workloads.pods import validate_annotations_of_update, validate_pod_and_meta
from wherry.machinery.kinds import Obj

MAX = 2147483647
UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _images(new: list[Obj], old: list[Obj], path: str) -> tuple[list[FieldError], bool]:
    """Errors, and whether to stop here because containers came or went."""
    if len(new) != len(old):
        return [forbidden(path, "pod updates may not add or remove containers")], True
    errors: list[FieldError] = []
    for index, container in enumerate(new):
        image = container.get("image", "")
        if not image:
            errors.append(required(f"{path}[{index}].image"))
        if image.strip() != image:
            text = "must not have leading or trailing whitespace"
            errors.append(invalid(f"{path}[{index}].image", image, text))
    return errors, False


def _deadline(new: int | None, old: int | None) -> tuple[list[FieldError], bool]:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        text = "must not update from a positive integer to nil value"
        return ([invalid(path, None, text)] if old is not None else []), False
    if not 0 <= new <= MAX:
        return [invalid(path, new, range_text(0, MAX))], True
    if old is not None and old < new:
        return [invalid(path, new, "must be less than or equal to previous value")], True
    return [], False


def _tolerations(new: list[Obj], old: list[Obj], options: PodOptions) -> list[FieldError]:
    def without_seconds(item: Obj) -> Obj:
        return {key: value for key, value in item.items() if key != "tolerationSeconds"}

    kept = [without_seconds(item) for item in new]
    if any(without_seconds(item) not in kept for item in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        return [forbidden("spec.tolerations", text)]
    return validate_tolerations(new, "spec.tolerations", options)


def _gates(new: list[Obj], old: list[Obj]) -> list[FieldError]:
    known = {gate.get("name", "") for gate in old}
    added = {gate.get("name", ""): index for index, gate in enumerate(new) if gate.get("name", "") not in known}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name", f"only deletion is allowed, but found new scheduling gate '{name}'"
        )
        for name, index in added.items()
    ]


def _node_affinity(new: Obj | None, old: Obj | None) -> list[FieldError]:
    """A gated pod may narrow its required terms, not widen them."""
    terms = ((old or {}).get(REQUIRED) or {}).get("nodeSelectorTerms") or []
    if not terms:
        return []
    path = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    after = ((new or {}).get(REQUIRED) or {}).get("nodeSelectorTerms") or []
    if len(terms) != len(after):
        shown = [internal("core.NodeSelectorTerm", term) for term in after] or None
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [invalid(path, shown, text)]
    return [
        invalid(
            f"{path}[{index}]",
            internal("core.NodeSelectorTerm", now),
            "only additions are allowed (no mutations or deletions)",
        )
        for index, (before, now) in enumerate(zip(terms, after, strict=True))
        if not _only_adds(now, before)
    ]


def _only_adds(new: Obj, old: Obj) -> bool:
    parts = ("matchExpressions", "matchFields")
    if not any(old.get(key) for key in parts):
        return not any(new.get(key) for key in parts)
    return all((new.get(key) or [])[: len(old.get(key) or [])] == (old.get(key) or []) for key in parts)


def _gated(munged: Obj, old: Obj) -> list[FieldError]:
    """Scheduling directives may change as long as the pod waits at a gate; they are put back in `munged`."""
    errors: list[FieldError] = []
    selector, before = munged.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if selector != before:
        if any(selector.get(key) != value for key, value in before.items()):
            text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            errors.append(invalid("spec.nodeSelector", dict(sorted(selector.items())) or None, text))
        _put_back(munged, old, "nodeSelector")
    affinity, known = munged.get("affinity"), old.get("affinity")
    now, then = (affinity or {}).get("nodeAffinity"), (known or {}).get("nodeAffinity")
    if now != then:
        errors += _node_affinity(now, then)
        restored = {key: value for key, value in (affinity or {}).items() if key != "nodeAffinity"}
        if then is not None:
            restored["nodeAffinity"] = then
        if restored or (affinity is not None and known is not None):
            munged["affinity"] = restored
        else:
            munged.pop("affinity", None)
    return errors


def _put_back(target: Obj, old: Obj, key: str) -> None:
    if key in old:
        target[key] = old[key]
    else:
        target.pop(key, None)


def _with_old_images(new: list[Obj], old: list[Obj]) -> list[Obj]:
    out: list[Obj] = []
    for container, before in zip(new, old, strict=True):
        changed: dict[str, Any] = dict(container)
        _put_back(changed, before, "image")
        out.append(changed)
    return out


def validate_pod_update(new: Obj, old: Obj, options: PodOptions) -> list[FieldError]:
    """Everything after the first look at the metadata, in upstream's order."""
    errors = validate_pod_and_meta(new, options)
    errors += validate_annotations_of_update(new, old, options)
    spec, before = new["spec"], old["spec"]
    for key in ("containers", "initContainers"):
        found, stop = _images(spec.get(key) or [], before.get(key) or [], f"spec.{key}")
        errors += found
        if stop:
            return errors
    found, stop = _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    errors += found
    if stop:
        return errors
    errors += _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [], options)
    errors += _gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [])
    if spec == before:
        return errors
    munged = dict(spec)
    for key in ("containers", "initContainers"):
        if key in munged:
            munged[key] = _with_old_images(munged[key], before[key])
    for key in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _put_back(munged, before, key)
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    if before.get("schedulingGates"):
        errors += _gated(munged, before)
    if munged != before:
        text = f"pod updates may not change fields other than {UPDATABLE}\n{diff('core.PodSpec', before, munged)}"
        errors.append(forbidden("spec", text))
    return errors


def validate_ephemeral_update(new: Obj, old: Obj, options: PodOptions) -> list[FieldError]:
    if "kubernetes.io/config.mirror" in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods do not support ephemeral containers")]
    errors = validate_pod_and_meta(new, options)
    errors += validate_annotations_of_update(new, old, options)
    path = "spec.ephemeralContainers"
    now = {c.get("name", ""): c for c in new["spec"].get("ephemeralContainers") or ()}
    for before in old["spec"].get("ephemeralContainers") or ():
        name = before.get("name", "")
        start = f"existing ephemeral containers {go_quote(name)} may not be "
        if name not in now:
            errors.append(forbidden(path, start + "removed\n"))
        elif now[name] != before:
            text = diff("core.EphemeralContainer", before, now[name])
            errors.append(forbidden(path, f"{start}changed\n{text}"))
    return errors
