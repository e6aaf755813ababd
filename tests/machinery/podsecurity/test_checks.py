"""What the checks say, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery.podsecurity import LATEST, LevelVersion, evaluate


def _said(level: str, spec: dict[str, Any], version: tuple[int, int] = LATEST, **notes: str) -> str:
    return evaluate(LevelVersion(level, version), {"annotations": notes}, spec).detail()


def _spec(*contexts: dict[str, Any], **spec: Any) -> dict[str, Any]:
    containers = [{"name": f"c{i}", "securityContext": context} for i, context in enumerate(contexts)]
    return {"containers": containers, **spec}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (_spec({"privileged": True}), 'privileged (container "c0" must not set securityContext.privileged=true)'),
        (
            _spec({"privileged": True}, {"privileged": True}),
            'privileged (containers "c0", "c1" must not set securityContext.privileged=true)',
        ),
        (_spec(hostPID=True, hostNetwork=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (
            _spec({"seLinuxOptions": {"type": "x", "user": "u"}}, securityContext={"seLinuxOptions": {"role": "r"}}),
            'seLinuxOptions (pod and container "c0" set forbidden securityContext.seLinuxOptions: type "x"; '
            "user may not be set; role may not be set)",
        ),
        (
            _spec({}, securityContext={"sysctls": [{"name": "a"}, {"name": "net.ipv4.tcp_rmem"}, {"name": "b"}]}),
            "forbidden sysctls (a, b)",
        ),
        (
            {"containers": [{"name": "c", "ports": [{"hostPort": 80}, {"hostPort": 8}, {"containerPort": 1}]}]},
            'hostPort (container "c" uses hostPorts 8, 80)',
        ),
        (
            {"containers": [{"name": "c", "livenessProbe": {"httpGet": {"host": "h"}}}]},
            'probe or lifecycle host (container "c" uses probe or lifecycle host "h")',
        ),
    ],
)
def test_baseline(spec: dict[str, Any], said: str) -> None:
    assert _said("baseline", spec) == said


def test_restricted_says_all_that_is_missing() -> None:
    assert _said("restricted", _spec({}, hostNetwork=True)) == (
        "host namespaces (hostNetwork=true), "
        'allowPrivilegeEscalation != false (container "c0" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c0" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c0" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c0" must set securityContext.seccompProfile.type to "RuntimeDefault" '
        'or "Localhost")'
    )


def test_a_check_of_restricted_takes_the_place_of_that_of_baseline() -> None:
    spec = _spec(volumes=[{"name": "v", "hostPath": {}}, {"name": "w", "nfs": {}}])
    said = _said("restricted", spec)
    assert said == 'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")'
    assert _said("baseline", spec) == 'hostPath volumes (volume "v")'


def test_apparmor_profiles_by_field_and_by_annotation() -> None:
    spec = _spec({"appArmorProfile": {"type": "Unconfined"}})
    notes = {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}
    assert _said("baseline", spec, **notes) == (
        'forbidden AppArmor profiles (container "c0" and annotation must not set AppArmor profile type to '
        '"Unconfined", "container.apparmor.security.beta.kubernetes.io/a="unconfined"")'
    )


def test_seccomp_was_an_annotation_before_it_was_a_field() -> None:
    notes = {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}
    said = 'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    assert _said("baseline", _spec({}), (1, 18), **notes) == said
    assert _said("baseline", _spec({}), (1, 19), **notes) == ""


def test_user_namespaces_and_windows_relax() -> None:
    unmasked = _spec({"procMount": "Unmasked"}, hostUsers=False)
    assert "procMount" in _said("baseline", unmasked, (1, 34))
    assert _said("baseline", unmasked, (1, 35)) == ""
    assert "procMount" in _said("restricted", unmasked, (1, 35))
    windows = _spec({"runAsNonRoot": True}, os={"name": "windows"})
    assert _said("restricted", windows, (1, 25)) == ""
    assert _said("restricted", windows, (1, 24)) != ""


def test_latest_is_our_version_and_not_one_to_come() -> None:
    spec = _spec({}, securityContext={"sysctls": [{"name": "net.ipv4.tcp_notsent_lowat"}]})
    assert _said("baseline", spec) != ""
    assert _said("baseline", spec, (1, 37)) == _said("baseline", spec, (1, 99)) == ""


def test_privileged_forbids_nothing() -> None:
    assert _said("privileged", _spec({"privileged": True}, hostPID=True)) == ""
