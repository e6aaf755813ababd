"""The checks that the level `restricted` has beyond those of `baseline` (pod-security-admission/policy/check_*.go)."""

from __future__ import annotations

from wherry.machinery.podsecurity.baseline import PROFILES
from wherry.machinery.podsecurity.words import (
    Check,
    Finding,
    Obj,
    containers,
    context,
    is_windows,
    named,
    own_users,
    plural,
    quoted,
    setters,
)

_VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
_OTHER_VOLUMES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
)


def unless_windows(check: Check) -> Check:
    """Pods that say they are for Windows have no such fields to set."""

    def relaxed(meta: Obj, spec: Obj) -> Finding | None:
        return None if is_windows(spec) else check(meta, spec)

    return relaxed


def unless_own_users(check: Check) -> Check:
    """In a user namespace root is nobody on the host."""

    def relaxed(meta: Obj, spec: Obj) -> Finding | None:
        return None if own_users(spec) else check(meta, spec)

    return relaxed


def escalation(_: Obj, spec: Obj) -> Finding | None:
    """No process gains privileges; that has to be said."""
    bad = [c["name"] for c in containers(spec) if context(c).get("allowPrivilegeEscalation") is not False]
    if not bad:
        return None
    where = f"{named('container', bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", where)


def capabilities(_: Obj, spec: Obj) -> Finding | None:
    """All capabilities are dropped, one may be taken back."""
    keeping, adding, added = [], [], set()
    for container in containers(spec):
        held = context(container).get("capabilities") or {}
        if "ALL" not in (held.get("drop") or ()):
            keeping.append(container["name"])
        odd = set(held.get("add") or ()) - {"NET_BIND_SERVICE"}
        if odd:
            adding.append(container["name"])
            added |= odd
    details = []
    if keeping:
        details.append(f'{named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        what = f"must not include {quoted(sorted(added))} in securityContext.capabilities.add"
        details.append(f"{named('container', adding)} {what}")
    return Finding("unrestricted capabilities", "; ".join(details)) if details else None


def volumes(_: Obj, spec: Obj) -> Finding | None:
    """Volumes are what the cluster provides: configuration, claims, scratch space."""
    bad, kinds = [], set()
    for volume in spec.get("volumes") or ():
        if any(volume.get(kind) is not None for kind in _VOLUMES):
            continue
        bad.append(volume["name"])
        kinds.add(next((kind for kind in _OTHER_VOLUMES if volume.get(kind) is not None), "unknown"))
    if not bad:
        return None
    verb, what = ("uses" if len(bad) == 1 else "use"), plural("restricted volume type", len(kinds))
    return Finding("restricted volume types", f"{named('volume', bad)} {verb} {what} {quoted(sorted(kinds))}")


def non_root(_: Obj, spec: Obj) -> Finding | None:
    """Containers must say that they do not run as root, or the pod for all of them."""
    pod = context(spec).get("runAsNonRoot")
    refusing, silent = [], []
    for container in containers(spec):
        own = context(container).get("runAsNonRoot")
        if own is False:
            refusing.append(container["name"])
        elif own is None and not pod:
            silent.append(container["name"])
    who = setters(pod is False, refusing)
    if who:
        return Finding("runAsNonRoot != true", f"{who} must not set securityContext.runAsNonRoot=false")
    if silent:
        where = f"pod or {named('container', silent)} must set securityContext.runAsNonRoot=true"
        return Finding("runAsNonRoot != true", where)
    return None


def no_root_user(_: Obj, spec: Obj) -> Finding | None:
    """User 0 is not asked for."""
    bad = [c["name"] for c in containers(spec) if context(c).get("runAsUser") == 0]
    who = setters(context(spec).get("runAsUser") == 0, bad)
    return Finding("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def seccomp(_: Obj, spec: Obj) -> Finding | None:
    """Every container has a seccomp profile, its own or that of the pod."""
    values: set[str] = set()
    own = context(spec).get("seccompProfile")
    pod = own is not None and own.get("type", "") in PROFILES
    if own is not None and not pod:
        values.add(own.get("type", ""))
    odd, silent = [], []
    for container in containers(spec):
        profile = context(container).get("seccompProfile")
        if profile is None:
            if not pod:
                silent.append(container["name"])
        elif profile.get("type", "") not in PROFILES:
            odd.append(container["name"])
            values.add(profile.get("type", ""))
    if values:
        who = setters(own is not None and not pod, odd)
        what = f"must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
        return Finding("seccompProfile", f"{who} {what}")
    if silent:
        what = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        return Finding("seccompProfile", f"pod or {named('container', silent)} {what}")
    return None
