"""/livez, /readyz, /healthz, /version and /metrics (k8s.io/apiserver/pkg/server/healthz)."""

from __future__ import annotations

import platform
from typing import Any

from wherry.kit.version import VERSION
from wherry.server import answers
from wherry.server.http import Response

# `etcd` stands for the storage, whatever it is: tools look for the name. The hooks are the parts of a start under the
# names that upstream's conformance asks for; here a start is one step, done before the first request is answered.
_HOOKS = (
    "start-apiserver-admission-initializer", "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer", "priority-and-fairness-filter", "storage-object-count-tracker-hook",
    "start-apiextensions-informers", "start-apiextensions-controllers", "crd-informer-synced",
    "start-system-namespaces-controller", "start-cluster-authentication-info-controller", "storage-readiness",
    "start-service-ip-repair-controllers", "rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer", "bootstrap-controller", "start-kubernetes-service-cidr-controller",
    "start-kube-aggregator-informers", "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller", "apiservice-registration-controller",
    "apiservice-discovery-controller", "kube-apiserver-autoregistration",
)  # fmt: skip
_LAST = ("autoregister-completion", "poststarthook/apiservice-openapi-controller",
         "poststarthook/apiservice-openapiv3-controller")  # fmt: skip
_STARTED = (*(f"poststarthook/{name}" for name in _HOOKS), *_LAST)
CHECKS = ("ping", "log", "loopback-serving-certificate", "etcd", *_STARTED)
_READY = ("ping", "log", "etcd", "etcd-readiness", "informer-sync", *_STARTED, "shutdown")
KUBERNETES = ("1", "36", "0")


def respond(path: str, verbose: bool, excluded: list[str]) -> Response | None:
    """The answer to a health path, or None when it is not one."""
    root, _, check = path[1:].partition("/")
    if root not in ("livez", "readyz", "healthz"):
        return None
    checks = _READY if root == "readyz" else CHECKS
    if path.endswith("/") or (check and check not in checks):
        return answers.text(404, "404 page not found\n")
    if check:
        return answers.text(200, "ok")
    if not verbose:
        return answers.text(200, "ok")
    lines = [f"[+]{name} excluded: ok" if name in excluded else f"[+]{name} ok" for name in checks]
    return answers.text(200, "\n".join(lines) + f"\n{root} check passed\n")


def version() -> dict[str, Any]:
    """`version.Info`: a Kubernetes version that clients accept, and who really answers."""
    major, minor, patch = KUBERNETES
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"v{major}.{minor}.{patch}+wherry-{VERSION}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
