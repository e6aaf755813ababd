"""What may change in a pod's status. Follows ValidatePodStatusUpdate in core validation."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required, too_long
from wherry.machinery.builtin.common.labels import validate_label_name
from wherry.machinery.builtin.common.names import byte_length, dns1123_label, dns1123_subdomain, id_number
from wherry.machinery.builtin.common.quantities import parse
from wherry.machinery.builtin.common.values import invalid_json
from wherry.machinery.builtin.core.shared.ip import is_v4, is_v6, legacy_ip
from wherry.machinery.builtin.workloads.internal_shapes import internal
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pods import validate_annotations_of_update
from wherry.machinery.builtin.workloads.resources import is_native
from wherry.machinery.kinds import Obj

NOT_NEGATIVE = "must be a non-negative integer"
NO_RESTART = "may not be transitioned to non-terminated state"
STATUS_LISTS = (
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", ""),
)
HEALTH = ("Healthy", "Unhealthy", "Unknown")


def keep_observed_generations(status: Obj, old: Obj) -> None:
    """A writer that does not know observedGeneration does not clear it."""
    if not status.get("observedGeneration") and old.get("observedGeneration"):
        status["observedGeneration"] = old["observedGeneration"]
    known: dict[str, list[int]] = {}
    for condition in old.get("conditions") or ():
        known.setdefault(condition.get("type", ""), []).append(condition.get("observedGeneration", 0))
    for condition in status.get("conditions") or ():
        waiting = known.get(condition.get("type", ""))
        generation = waiting.pop(0) if waiting else 0
        if not condition.get("observedGeneration") and generation:
            condition["observedGeneration"] = generation


def _conditions(conditions: list[Obj]) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, condition in enumerate(conditions):
        path, kind = f"status.conditions[{index}]", condition.get("type", "")
        if condition.get("observedGeneration", 0) < 0:
            errors.append(invalid(path + ".observedGeneration", condition["observedGeneration"], NOT_NEGATIVE))
        if kind not in ("PodScheduled", "Ready", "Initialized"):
            errors += validate_label_name(kind, path + ".Type")
    return errors


# --- containers do not rise again ------------------------------------------------------------------------------------


def _rule_matches(rule: Obj, code: int) -> bool:
    codes = rule.get("exitCodes") or {}
    inside = code in (codes.get("values") or [])
    return inside if codes.get("operator") == "In" else not inside


def _may_restart(container: Obj, spec: Obj, code: int) -> bool:
    """ContainerShouldRestart: the container's own rules, its policy, then the pod's policy."""
    for rule in container.get("restartPolicyRules") or ():
        if rule.get("exitCodes") and _rule_matches(rule, code):
            return rule.get("action") in ("Restart", "RestartAllContainers")
    policy = container.get("restartPolicy") or spec.get("restartPolicy")
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _any_restarts_all(spec: Obj) -> bool:
    return any(
        rule.get("action") == "RestartAllContainers"
        for key in ("containers", "initContainers")
        for container in spec.get(key) or ()
        for rule in container.get("restartPolicyRules") or ()
    )


def _transitions(new: Obj, old: Obj, spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    for key, where in STATUS_LISTS:
        if where and _any_restarts_all(spec):
            continue
        containers = {c.get("name", ""): c for c in spec.get(where) or ()} if where else {}
        now = {s.get("name", ""): s for s in new.get(key) or ()}
        for index, before in enumerate(old.get(key) or ()):
            ended, name = (before.get("state") or {}).get("terminated"), before.get("name", "")
            if ended is None or name not in now or (now[name].get("state") or {}).get("terminated") is not None:
                continue
            container = containers.get(name)
            if container is None or not _may_restart(container, spec, ended.get("exitCode", 0)):
                errors.append(forbidden(f"status.{key}[{index}].state", NO_RESTART))
    return errors


# --- addresses -------------------------------------------------------------------------------------------------------


def _addresses(status: Obj, old: Obj, key: str, kind: str) -> list[FieldError]:
    path = f"status.{key}"
    found = [item.get("ip", "") for item in status.get(key) or ()]
    errors: list[FieldError] = []
    if key == "hostIPs" and found and status.get("hostIP", "") != found[0]:
        errors.append(invalid(path + "[0].ip", found[0], "must be equal to `hostIP`"))
    known = [item.get("ip", "") for item in old.get(key) or ()]
    for index, text in enumerate(found):
        errors += legacy_ip(f"{path}[{index}]", text, known)
    if len(found) > 1:
        bad = next((index for index, text in enumerate(found) if not is_v4(text) and not is_v6(text)), None)
        if bad is not None:
            why = f"failed to check for dual stack with error:invalid IP[{bad}]: {found[bad]}"
            errors.append(FieldError(path, "InternalError", f"Internal error: {why}"))
        dual = bad is None and any(map(is_v4, found)) and any(map(is_v6, found))
        if not dual or len(found) > 2:
            shown = [internal(kind, item) for item in status[key]]
            errors.append(invalid(path, shown, "may specify no more than one IP for each IP family"))
    return errors


# --- claims ----------------------------------------------------------------------------------------------------------


def _claim_statuses(statuses: list[Obj], claims: list[Obj]) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    known = {claim.get("name", "") for claim in claims}
    for index, item in enumerate(statuses):
        path, name = f"status.resourceClaimStatuses[{index}]", item.get("name", "")
        if name not in known:
            text = "must match the name of an entry in `spec.resourceClaims`"
            errors.append(invalid(path + ".name", name, text))
        if name in names:
            errors.append(duplicate(path + ".name", name))
        names.add(name)
        claim = item.get("resourceClaimName")
        if claim is not None:
            errors += [invalid_json(path + ".resourceClaimName", claim, text) for text in dns1123_subdomain(claim)]
    return errors


def _extended_claims(status: Obj | None, spec: Obj) -> list[FieldError]:
    if status is None:
        return []
    path = "status.extendedResourceClaimStatus"
    containers = {c.get("name", ""): c for key in ("initContainers", "containers") for c in spec.get(key) or ()}
    errors: list[FieldError] = []
    mappings = status.get("requestMappings") or []
    if not mappings:
        errors.append(required(path + ".requestMappings", "at least one request mapping is required"))
    seen: set[tuple[str, str, str]] = set()
    for index, item in enumerate(mappings):
        where = f"{path}.requestMappings[{index}]"
        names = (item.get("containerName", ""), item.get("resourceName", ""), item.get("requestName", ""))
        container = containers.get(names[0])
        if container is None:
            text = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
            errors.append(invalid(where + ".containerName", names[0], text))
        elif names[1] not in ((container.get("resources") or {}).get("requests") or {}):
            text = (
                "must match the extended resource name of an entry in spec.initContainers.resources.requests "
                "or spec.containers.resources.requests"
            )
            errors.append(invalid(where + ".resourceName", names[1], text))
        errors += [invalid(path + ".requestName", names[2], text) for text in dns1123_label(names[2])]
        if names in seen:
            keys = ("containerName", "resourceName", "requestName")
            errors += [duplicate(f"{where}.{key}", name) for key, name in zip(keys, names, strict=True)]
        seen.add(names)
    claim = status.get("resourceClaimName", "")
    if not claim:
        errors.append(required(path + ".resourceClaimName"))
    return errors + [
        invalid(path + ".resourceClaimName", claim, t) for t in (dns1123_subdomain(claim) if claim else ())
    ]


def _node_claims(status: Obj, spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    named = {c.get("resourceClaimName") for c in spec.get("resourceClaims") or ()}
    named |= {c.get("resourceClaimName") for c in status.get("resourceClaimStatuses") or ()}
    for index, item in enumerate(status.get("nodeAllocatableResourceClaimStatuses") or ()):
        path, name = f"status.nodeAllocatableResourceClaimStatuses[{index}]", item.get("resourceClaimName", "")
        if not name:
            errors.append(required(path + ".resourceClaimName", "must not be empty"))
        if name not in named:
            errors.append(invalid(path + ".resourceClaimName", name, "no mapping found in pod reference"))
        for key in ("containers", "resources"):
            if not item.get(key):
                errors.append(required(f"{path}.{key}", "must not be empty"))
        for resource, text in sorted((item.get("resources") or {}).items()):
            where = f"{path}.resources[{resource}]"
            if not is_native(resource):
                errors.append(invalid(where, resource, "must be a node allocatable resource name"))
            if parse(text) < 0:
                errors.append(invalid(where, text, "must be non-negative"))
    return errors


# --- what a node tells of containers ---------------------------------------------------------------------------------


def _users(status: Obj, spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    os = (spec.get("os") or {}).get("name", "linux")
    for key, _ in STATUS_LISTS:
        for index, item in enumerate(status.get(key) or ()):
            user = (item.get("user") or {}).get("linux")
            path = f"status.{key}[{index}].user.linux"
            if user is None:
                continue
            if os == "windows":
                errors.append(forbidden(path, "cannot be set for a windows pod"))
            elif os == "linux":
                for name in ("uid", "gid"):
                    errors += [invalid(f"{path}.{name}", user.get(name, 0), t) for t in id_number(user.get(name, 0))]
                for number, group in enumerate(user.get("supplementalGroups") or ()):
                    errors += [invalid(f"{path}.supplementalGroups[{number}]", group, t) for t in id_number(group)]
    return errors


def _allocated(status: Obj, spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    for key, where in STATUS_LISTS:
        for index, item in enumerate(status.get(key) or ()):
            path = f"status.{key}[{index}].allocatedResourcesStatus"
            entries = item.get("allocatedResourcesStatus") or []
            if not where:
                if entries:
                    errors.append(forbidden(path, "must not be specified in container status"))
                continue
            container = next((c for c in spec.get(where) or () if c.get("name") == item.get("name")), None)
            for number, entry in enumerate(entries):
                errors += _allocation(entry, container, f"{path}[{number}]")
    return errors


def _allocation(entry: Obj, container: Obj | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    name = entry.get("name", "")
    if container is not None:
        resources = container.get("resources") or {}
        if name.startswith("claim:"):
            known = {
                "claim:" + c.get("name", "") + (f"/{c['request']}" if c.get("request") else "")
                for c in resources.get("claims") or ()
            }
            text = (
                "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' "
                "or 'claim:<claimName>' if request is empty"
            )
        else:
            known, text = set(resources.get("requests") or {}), "must match one of the container's resource requests"
        if name not in known:
            errors.append(invalid(path + ".name", name, text))
    seen: set[str] = set()
    for index, item in enumerate(entry.get("resources") or ()):
        where, health = f"{path}.resources[{index}]", item.get("health", "")
        if health not in HEALTH:
            errors.append(not_supported(where + ".health", health, HEALTH))
        message: Any = item.get("message")
        if message is not None and not message:
            errors.append(required(where + ".message", "must be non-empty if specified"))
        elif message is not None and byte_length(message) > 1024:
            errors.append(too_long(where + ".message", 1024))
        identity = item.get("resourceID", "")
        if identity in seen:
            errors.append(duplicate(where + ".resourceID", identity))
        seen.add(identity)
    return errors


def validate_pod_status_update(new: Obj, old: Obj, options: PodOptions) -> list[FieldError]:
    status, before, spec = new.get("status") or {}, old.get("status") or {}, new["spec"]
    errors = validate_annotations_of_update(new, old, options)
    errors += _conditions(status.get("conditions") or [])
    if spec.get("nodeName") != old["spec"].get("nodeName"):
        errors.append(forbidden("status.nodeName", "may not be changed directly"))
    nominated = status.get("nominatedNodeName", "")
    if nominated and nominated != before.get("nominatedNodeName", ""):
        path = "status.nominatedNodeName"
        errors += [invalid(path, nominated, text) for text in dns1123_subdomain(nominated)]
        if old["spec"].get("nodeName"):
            errors.append(forbidden(path, "may not be set on pods that are already bound to a node"))
    if status.get("observedGeneration", 0) < 0:
        errors.append(invalid("status.observedGeneration", status["observedGeneration"], NOT_NEGATIVE))
    if status.get("qosClass", "") != before.get("qosClass", ""):
        errors.append(invalid("status.qosClass", status.get("qosClass", ""), "field is immutable"))
    errors += _transitions(status, before, old["spec"])
    errors += _claim_statuses(status.get("resourceClaimStatuses") or [], spec.get("resourceClaims") or [])
    errors += _extended_claims(status.get("extendedResourceClaimStatus"), spec)
    errors += _node_claims(status, spec)
    errors += _addresses(status, before, "podIPs", "core.PodIP")
    errors += _addresses(status, before, "hostIPs", "core.HostIP")
    return errors + _users(status, spec) + _allocated(status, spec)
