"""What a certificate request of a kubelet must look like (pkg/apis/certificates/helpers.go)."""

from __future__ import annotations

from collections.abc import Collection

from wherry.kit.csr import Facts

NODES, NODE = "system:nodes", "system:node:"


def client_problem(facts: Facts, usages: Collection[str]) -> str:
    """Why it is no request for a kubelet's client certificate; empty if it is one."""
    if facts.organizations != (NODES,):
        return "subject organization is not system:nodes"
    for what, values in (
        ("DNS", facts.dns), ("Email", facts.emails), ("IP", facts.addresses), ("URI", facts.uris),
    ):  # fmt: skip
        if values:
            return f"{what} subjectAltNames are not allowed"
    if not facts.name.startswith(NODE):
        return "subject common name does not begin with system:node:"
    return _usage_problem(usages, "client auth")


def serving_problem(facts: Facts, usages: Collection[str]) -> str:
    """Why it is no request for a kubelet's serving certificate; empty if it is one."""
    if facts.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if not facts.dns and not facts.addresses:
        return "DNS or IP subjectAltName is required"
    if facts.emails:
        return "Email subjectAltNames are not allowed"
    if facts.uris:
        return "URI subjectAltNames are not allowed"
    problem = _usage_problem(usages, "server auth")
    if problem:
        return problem
    return "" if facts.name.startswith(NODE) else "subject common name does not begin with system:node:"


def _usage_problem(usages: Collection[str], purpose: str) -> str:
    needed = {"digital signature", purpose}
    if set(usages) in (needed, needed | {"key encipherment"}):
        return ""
    return f"usages did not match [{' '.join(sorted(needed | {'key encipherment'}))}]"
