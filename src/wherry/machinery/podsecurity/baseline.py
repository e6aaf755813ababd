"""The checks of the level `baseline` (pod-security-admission/policy/check_*.go)."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.errors import go_quote
from wherry.machinery.podsecurity.words import (
    Check,
    Finding,
    Obj,
    containers,
    context,
    named,
    own_users,
    plural,
    quoted,
    setters,
)

PROFILES = ("Localhost", "RuntimeDefault")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
    ]
)
_KEEPALIVE = "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl"
SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
SYSCTLS_29 = SYSCTLS_27 | {*_KEEPALIVE.split(), "net.ipv4.tcp_keepalive_probes"}
SYSCTLS_32 = SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
SYSCTLS_37 = SYSCTLS_32 | {"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"}
SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
SELINUX_TYPES_31 = SELINUX_TYPES | {"container_engine_t"}


def apparmor(meta: Obj, spec: Obj) -> Finding | None:
    """AppArmor profiles may be those of the runtime or of the node, none may be switched off."""
    values: set[str] = set()
    pod = _odd_profile(spec, "appArmorProfile", values)
    bad = [c["name"] for c in containers(spec) if _odd_profile(c, "appArmorProfile", values)]
    notes = sorted(
        f"{key}={go_quote(value)}"
        for key, value in (meta.get("annotations") or {}).items()
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    listed = [*sorted(values), *notes]
    if not listed:
        return None
    who = [part for part in (setters(pod, bad), plural("annotation", len(notes)) if notes else "") if part]
    reason = plural("forbidden AppArmor profile", len(listed))
    return Finding(reason, f"{' and '.join(who)} must not set AppArmor profile type to {quoted(listed)}")


def _odd_profile(holder: Obj, field: str, values: set[str]) -> bool:
    profile = context(holder).get(field)
    if profile is None or profile.get("type", "") in PROFILES:
        return False
    values.add(profile.get("type", ""))
    return True


def capabilities(_: Obj, spec: Obj) -> Finding | None:
    """No capability is added that the runtime does not give anyway."""
    bad, added = [], set()
    for container in containers(spec):
        odd = set((context(container).get("capabilities") or {}).get("add") or ()) - _CAPABILITIES
        if odd:
            bad.append(container["name"])
            added |= odd
    if not bad:
        return None
    where = f"{named('container', bad)} must not include {quoted(sorted(added))} in securityContext.capabilities.add"
    return Finding("non-default capabilities", where)


def host_namespaces(_: Obj, spec: Obj) -> Finding | None:
    """The namespaces of the host are not shared."""
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return Finding("host namespaces", ", ".join(shared)) if shared else None


def host_paths(_: Obj, spec: Obj) -> Finding | None:
    """No volume is a folder of the host."""
    bad = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Finding("hostPath volumes", named("volume", bad)) if bad else None


def host_ports(_: Obj, spec: Obj) -> Finding | None:
    """No port of the host is taken."""
    bad, ports = [], set()
    for container in containers(spec):
        taken = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        if taken:
            bad.append(container["name"])
            ports |= taken
    if not bad:
        return None
    verb = "uses" if len(bad) == 1 else "use"
    listed = ", ".join(sorted(ports))
    return Finding("hostPort", f"{named('container', bad)} {verb} {plural('hostPort', len(ports))} {listed}")


def probe_hosts(_: Obj, spec: Obj) -> Finding | None:
    """Probes and lifecycle handlers reach the pod itself and no other host."""
    bad, hosts = set(), set()
    for container in containers(spec):
        found = set(_hosts(container))
        if found:
            bad.add(container["name"])
            hosts |= found
    if not bad:
        return None
    verb, what = ("uses" if len(bad) == 1 else "use"), plural("probe or lifecycle host", len(hosts))
    return Finding(
        "probe or lifecycle host", f"{named('container', sorted(bad))} {verb} {what} {quoted(sorted(hosts))}"
    )


def _hosts(container: Obj) -> Iterator[str]:
    lifecycle = container.get("lifecycle") or {}
    probes = [container.get(field) for field in ("livenessProbe", "readinessProbe", "startupProbe")]
    for handler in (*probes, lifecycle.get("postStart"), lifecycle.get("preStop")):
        for action in ("httpGet", "tcpSocket"):
            host = ((handler or {}).get(action) or {}).get("host")
            if host:
                yield host


def privileged(_: Obj, spec: Obj) -> Finding | None:
    """No container is privileged."""
    bad = [c["name"] for c in containers(spec) if context(c).get("privileged")]
    return (
        Finding("privileged", f"{named('container', bad)} must not set securityContext.privileged=true")
        if bad
        else None
    )


def proc_mount(_: Obj, spec: Obj) -> Finding | None:
    """/proc stays masked."""
    bad = [c for c in containers(spec) if context(c).get("procMount") not in (None, "Default")]
    if not bad:
        return None
    kinds = sorted({context(c)["procMount"] for c in bad})
    names = [c["name"] for c in bad]
    return Finding(
        "procMount", f"{named('container', names)} must not set securityContext.procMount to {quoted(kinds)}"
    )


def proc_mount_35(meta: Obj, spec: Obj) -> Finding | None:
    """In a user namespace any will do."""
    return None if own_users(spec) else proc_mount(meta, spec)


def seccomp_annotations(meta: Obj, spec: Obj) -> Finding | None:
    """Before there were fields, annotations named the seccomp profile."""
    notes = meta.get("annotations") or {}
    bad = set()
    for key in (_SECCOMP_POD, *(_SECCOMP_CONTAINER + container["name"] for container in containers(spec))):
        value = notes.get(key, "runtime/default")
        if value not in ("runtime/default", "docker/default") and not value.startswith("localhost/"):
            bad.add(f"{key}={go_quote(value)}")
    if not bad:
        return None
    return Finding("seccompProfile", f"forbidden {plural('annotation', len(bad))} {', '.join(sorted(bad))}")


def seccomp(_: Obj, spec: Obj) -> Finding | None:
    """Seccomp profiles may be those of the runtime or of the node."""
    values: set[str] = set()
    pod = _odd_profile(spec, "seccompProfile", values)
    bad = [c["name"] for c in containers(spec) if _odd_profile(c, "seccompProfile", values)]
    if not values:
        return None
    what = f"must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Finding("seccompProfile", f"{setters(pod, bad)} {what}")


def selinux(types: frozenset[str]) -> Check:
    """SELinux types out of a few, no user and no role."""

    def check(_: Obj, spec: Obj) -> Finding | None:
        bad_types, fields = set(), set()

        def odd(holder: Obj) -> bool:
            options = context(holder).get("seLinuxOptions") or {}
            if options.get("type", "") not in types:
                bad_types.add(options["type"])
            set_fields = {field for field in ("user", "role") if options.get(field)}
            fields.update(set_fields)
            return bool(set_fields) or options.get("type", "") not in types

        pod = odd(spec)
        bad = [container["name"] for container in containers(spec) if odd(container)]
        if not pod and not bad:
            return None
        what = [named("type", sorted(bad_types))] if bad_types else []
        what += [f"{field} may not be set" for field in ("user", "role") if field in fields]
        text = f"{setters(pod, bad)} set forbidden securityContext.seLinuxOptions: {'; '.join(what)}"
        return Finding("seLinuxOptions", text)

    return check


def sysctls(allowed: frozenset[str] = _SYSCTLS) -> Check:
    """Only sysctls that concern the pod alone."""

    def check(_: Obj, spec: Obj) -> Finding | None:
        bad = [s.get("name", "") for s in context(spec).get("sysctls") or () if s.get("name", "") not in allowed]
        return Finding("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def windows_host_process(_: Obj, spec: Obj) -> Finding | None:
    """No Windows container runs as a process of the host."""

    def asked(holder: Obj) -> bool:
        return bool((context(holder).get("windowsOptions") or {}).get("hostProcess"))

    bad = [container["name"] for container in containers(spec) if asked(container)]
    who = setters(asked(spec), bad)
    return (
        Finding("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true") if who else None
    )
