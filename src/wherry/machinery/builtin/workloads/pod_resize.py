"""The `resize` subresource: resources of a running pod. Follows ValidatePodResize and podResizeStrategy."""

from __future__ import annotations

from wherry.errors import FieldError, forbidden, invalid
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_qos import compute_qos
from wherry.machinery.builtin.workloads.pods import reset_meta, validate_pod_and_meta
from wherry.machinery.kinds import Obj

LISTS = ("containers", "initContainers")
ONLY_CPU = "only cpu and memory resources are mutable"


def keep_but_resources(new: Obj, old: Obj) -> None:
    """Keep the stored pod but for resources and resize policies; a changed list of containers stays for validation."""
    spec, before = new["spec"], old["spec"]
    if any(len(spec.get(key) or []) != len(before.get(key) or []) for key in LISTS):
        return
    merged = dict(before)
    for key in LISTS:
        if key in spec:
            merged[key] = _merge(spec[key], before[key])
    if "resources" in spec:
        merged["resources"] = spec["resources"]
    else:
        merged.pop("resources", None)
    new["spec"] = merged
    new["status"] = old.get("status", {})
    reset_meta(new, old)


def _merge(new: list[Obj], old: list[Obj]) -> list[Obj]:
    out: list[Obj] = []
    for container, before in zip(new, old, strict=True):
        if container.get("name") != before.get("name"):
            return new
        merged = dict(before)
        for key in ("resources", "resizePolicy"):
            if key in container:
                merged[key] = container[key]
            else:
                merged.pop(key, None)
        out.append(merged)
    return out


def _without_cpu(new: Obj | None, old: Obj | None) -> Obj:
    """Requirements with the stored cpu and memory, compared to see what else changed; claims are not compared."""
    out: Obj = {}
    for kind in ("limits", "requests"):
        now, then = (new or {}).get(kind) or {}, (old or {}).get(kind) or {}
        entries = {key: value for key, value in now.items() if key not in ("cpu", "memory")}
        entries.update({key: then[key] for key in ("cpu", "memory") if key in then})
        if entries:
            out[kind] = entries
    return out


def _clean(resources: Obj | None) -> Obj:
    return {key: value for key, value in (resources or {}).items() if value}


def _removed(new: Obj | None, old: Obj | None, kind: str) -> bool:
    return not set((old or {}).get(kind) or {}) <= set((new or {}).get(kind) or {})


def _pod_level(spec: Obj, before: Obj) -> list[FieldError]:
    now, then = spec.get("resources"), before.get("resources")
    if then is not None and now is None:
        return [forbidden("spec.resources", "pod-level resources cannot be removed")]
    errors: list[FieldError] = []
    for kind in ("requests", "limits"):
        if then is not None and _removed(now, then, kind):
            errors.append(forbidden(f"spec.resources.{kind}", f"pod-level resource {kind} cannot be removed"))
    kept = _without_cpu(now, then)
    if now is not None and now.get("claims"):
        kept["claims"] = now["claims"]
    if kept != _clean(then):
        errors.append(forbidden("spec", ONLY_CPU + " at pod-level"))
    return errors


def _order(spec: Obj, before: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in LISTS:
        now, then = spec.get(key) or [], before.get(key) or []
        if len(now) != len(then):
            errors.append(forbidden(f"spec.{key}", f"{key} may not be added or removed on resize"))
            continue
        errors += [
            forbidden(f"spec.{key}[{index}].name", f"{key} may not be renamed or reordered on resize")
            for index, (a, b) in enumerate(zip(now, then, strict=True))
            if a.get("name") != b.get("name")
        ]
    return errors


def _rest_changed(new: Obj, old: Obj) -> bool:
    """Whether more than cpu and memory differs between two containers."""
    skip = ("resources",)
    rest = {key: value for key, value in new.items() if key not in skip}
    return rest != {k: v for k, v in old.items() if k not in skip} or _without_cpu(
        new.get("resources"), old.get("resources")
    ) != _clean(old.get("resources"))


def validate_resize(new: Obj, old: Obj, options: PodOptions) -> list[FieldError]:
    if "kubernetes.io/config.mirror" in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods cannot be resized")]
    spec, before = new["spec"], old["spec"]
    if (before.get("os") or {}).get("name") == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    errors = validate_pod_and_meta(new, options)
    status = old.get("status") or {}
    if (status.get("qosClass") or compute_qos(old)) != compute_qos(new):
        text = "Pod QOS Class may not change as a result of resizing"
        errors.append(invalid("spec", (new.get("status") or {}).get("qosClass", ""), text))
    running = next((s for s in status.get("containerStatuses") or () if (s.get("state") or {}).get("running")), None)
    if running is not None and running.get("resources") is None:
        errors.append(forbidden("spec", "Pod running on node without support for resize"))
    if _clean(spec.get("resources")) or _clean(before.get("resources")):
        errors += _pod_level(spec, before)
    if status.get("nodeAllocatableResourceClaimStatuses"):
        errors.append(forbidden("spec", "pods with node allocatable resource claims cannot be resized"))
    order = _order(spec, before)
    if order:
        return errors + order
    for key in reversed(LISTS):
        for index, (now, then) in enumerate(zip(spec.get(key) or [], before.get(key) or [], strict=True)):
            for kind in ("requests", "limits"):
                if _removed(now.get("resources"), then.get("resources"), kind):
                    path = f"spec.{key}[{index}].resources.{kind}"
                    errors.append(forbidden(path, f"resource {kind} cannot be removed"))
    for now, then in zip(spec.get("containers") or [], before.get("containers") or [], strict=True):
        if _rest_changed(now, then):
            errors.append(forbidden("spec", ONLY_CPU))
    for index, (now, then) in enumerate(
        zip(spec.get("initContainers") or [], before.get("initContainers") or [], strict=True)
    ):
        path = f"spec.initContainers[{index}]"
        if _rest_changed(now, then):
            text = "only cpu and memory resources for init or sidecar containers are mutable"
            errors.append(forbidden(path, text))
        if now != then and now.get("restartPolicy") != "Always":
            text = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            errors += [
                forbidden(path, text)
                for policy in now.get("resizePolicy") or ()
                if policy.get("restartPolicy") == "RestartContainer"
            ]
    if errors:
        return errors
    skip = (*LISTS, "resources")
    if any(spec.get(key) != before.get(key) for key in {*spec, *before} if key not in skip):
        errors.append(forbidden("spec", ONLY_CPU))
    return errors
