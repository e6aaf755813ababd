"""Names of container images, read only as far as defaulting needs: which tag does a reference name?

Follows the grammar of github.com/distribution/reference as k8s.io/kubernetes/pkg/util/parsers uses it.
"""

from __future__ import annotations

import re

_ALNUM = "[a-z0-9]+"
_PATH_COMPONENT = rf"{_ALNUM}(?:(?:\.|_|__|-+){_ALNUM})*"
_PATH = rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*"
_DOMAIN_COMPONENT = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[[a-fA-F0-9:]+\])"
_DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_reference_re = re.compile(
    rf"(?P<name>(?:{_HOST}(?::[0-9]+)?/)?(?P<path>{_PATH}))(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?"
    rf"(?:@(?P<digest>{_DIGEST}))?"
)
_identifier_re = re.compile("[a-f0-9]{64}")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


def tag_of(image: str) -> str | None:
    """The tag; `latest` when neither tag nor digest is given, "" with a digest alone, None when it cannot be parsed."""
    if _identifier_re.fullmatch(image):
        return None
    head, slash, rest = image.partition("/")
    if not slash or (not ("." in head or ":" in head) and head != "localhost" and head.lower() == head):
        domain, remainder = "docker.io", image
    else:
        domain, remainder = head, rest
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in remainder:
        remainder = "library/" + remainder
    remote = remainder.partition(":")[0]
    if remote.lower() != remote:
        return None
    match = _reference_re.fullmatch(f"{domain}/{remainder}")
    if match is None or len(match["path"]) > 255:
        return None
    digest = match["digest"]
    if digest:
        algorithm, _, value = digest.partition(":")
        if len(value) != _DIGEST_LENGTHS.get(algorithm) or value.lower() != value:
            return None
    return match["tag"] or ("" if digest else "latest")


def default_pull_policy(image: str) -> str:
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"
