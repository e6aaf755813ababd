"""Which checks make up a level at a version, and their verdict on a pod (pod-security-admission/policy/registry.go)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from wherry.machinery.podsecurity import baseline as b
from wherry.machinery.podsecurity import restricted as r
from wherry.machinery.podsecurity.levels import BASELINE, LATEST, PRIVILEGED, LevelVersion
from wherry.machinery.podsecurity.words import Check, Finding, Obj

# id -> (first minor version of 1, check) ...; findings come in the order of the ids, those of baseline first.
_Table = dict[str, tuple[tuple[int, Check], ...]]
_BASELINE: _Table = {
    "appArmorProfile": ((0, b.apparmor),),
    "capabilities_baseline": ((0, b.capabilities),),
    "hostNamespaces": ((0, b.host_namespaces),),
    "hostPathVolumes": ((0, b.host_paths),),
    "hostPorts": ((0, b.host_ports),),
    "hostProbesAndHostLifecycle": ((34, b.probe_hosts),),
    "privileged": ((0, b.privileged),),
    "procMount": ((0, b.proc_mount), (35, b.proc_mount_35)),
    "seLinuxOptions": ((0, b.selinux(b.SELINUX_TYPES)), (31, b.selinux(b.SELINUX_TYPES_31))),
    "seccompProfile_baseline": ((0, b.seccomp_annotations), (19, b.seccomp)),
    "sysctls": (
        (0, b.sysctls()),
        (27, b.sysctls(b.SYSCTLS_27)),
        (29, b.sysctls(b.SYSCTLS_29)),
        (32, b.sysctls(b.SYSCTLS_32)),
        (37, b.sysctls(b.SYSCTLS_37)),
    ),
    "windowsHostProcess": ((0, b.windows_host_process),),
}
_RESTRICTED: _Table = {
    "allowPrivilegeEscalation": ((8, r.escalation), (25, r.unless_windows(r.escalation))),
    "capabilities_restricted": ((22, r.capabilities), (25, r.unless_windows(r.capabilities))),
    "procMount_restricted": ((35, b.proc_mount),),
    "restrictedVolumes": ((0, r.volumes),),
    "runAsNonRoot": ((0, r.non_root), (35, r.unless_own_users(r.non_root))),
    "runAsUser": ((23, r.no_root_user), (35, r.unless_own_users(r.no_root_user))),
    "seccompProfile_restricted": ((19, r.seccomp), (25, r.unless_windows(r.seccomp))),
}
# what a check of restricted says is not said by that of baseline as well
_OVERRIDES = {
    "capabilities_restricted": "capabilities_baseline",
    "procMount_restricted": "procMount",
    "restrictedVolumes": "hostPathVolumes",
    "seccompProfile_restricted": "seccompProfile_baseline",
}
CURRENT = 36  # what `latest` means: the version of Kubernetes that this server is like
NEWEST = max(since for table in (_BASELINE, _RESTRICTED) for versions in table.values() for since, _ in versions)


class Verdict(NamedTuple):
    """What the checks of a level have against a pod; nothing when it is allowed."""

    findings: tuple[Finding, ...]

    @property
    def allowed(self) -> bool:
        return not self.findings

    def reason(self) -> str:
        """In short: for many pods together."""
        return ", ".join(finding.reason for finding in self.findings)

    def detail(self) -> str:
        """With the names of what is in the way."""
        return ", ".join(f"{f.reason} ({f.detail})" if f.detail else f.reason for f in self.findings)


_ALLOWED = Verdict(())


def evaluate(wanted: LevelVersion, meta: Obj, spec: Obj) -> Verdict:
    """Judge a pod by its metadata and spec."""
    if wanted.level == PRIVILEGED:
        return _ALLOWED
    found = [check(meta, spec) for check in _checks(wanted.level, _minor(wanted))]
    return Verdict(tuple(finding for finding in found if finding is not None))


def _minor(wanted: LevelVersion) -> int:
    """Versions that nothing is known of are like the newest that something is."""
    return CURRENT if wanted.version == LATEST else min(wanted.version[1], NEWEST)


@cache
def _checks(level: str, minor: int) -> tuple[Check, ...]:
    chosen = _at(_BASELINE, minor)
    if level == BASELINE:
        return tuple(chosen.values())
    more = _at(_RESTRICTED, minor)
    replaced = {_OVERRIDES.get(name) for name in more}
    return (*(check for name, check in chosen.items() if name not in replaced), *more.values())


def _at(table: _Table, minor: int) -> dict[str, Check]:
    """The newest form of each check that the version has; ids sort as Go sorts them."""
    found = {}
    for name in sorted(table):
        fitting = [check for since, check in table[name] if since <= minor]
        if fitting:
            found[name] = fitting[-1]
    return found
