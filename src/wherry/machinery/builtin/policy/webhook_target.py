"""Where a webhook is called: by URL or through a service (k8s.io/apiserver/pkg/util/webhook/validation.go)."""

from __future__ import annotations

import re

from wherry.errors import FieldError, go_quote, invalid, required
from wherry.machinery.builtin.common.names import dns1123_subdomain, port_number
from wherry.machinery.kinds import Obj

FORM = "; desired format: https://host[/path]"
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):(.*)", re.DOTALL)
_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


class _BadUrl(Exception):
    pass


def _split(url: str) -> tuple[str, str, str, str, str]:
    """(scheme, user info, host, query, fragment) as net/url.Parse sees them, for the parts that are judged."""
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in url):
        raise _BadUrl("net/url: invalid control character in URL")
    rest, _, fragment = url.partition("#")
    scheme = ""
    if match := _SCHEME.fullmatch(rest):
        scheme, rest = match[1].lower(), match[2]
    elif rest.startswith(":"):
        raise _BadUrl("missing protocol scheme")
    rest, _, query = rest.partition("?")
    user = host = ""
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, at, host = authority.rpartition("@")
        if not at:
            host = authority
        _check_host(host)
    elif not scheme and ":" in rest.partition("/")[0]:
        raise _BadUrl("first path segment in URL cannot contain colon")
    if match := _ESCAPE.search(rest):
        raise _BadUrl(f"invalid URL escape {go_quote(rest[match.start() : match.start() + 3])}")
    return scheme, user, host, query, fragment


def _check_host(host: str) -> None:
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            raise _BadUrl("missing ']' in host")
        port = host[end + 1 :]
    else:
        port = host[host.rfind(":") :] if ":" in host else ""
    if port and (port[0] != ":" or not all("0" <= char <= "9" for char in port[1:])):
        raise _BadUrl(f"invalid port {go_quote(port)} after host")
    for char in host:
        if char in ' "<>\\^`{|}' or (char == "%" and "[" not in host):
            if char == "%":
                continue
            raise _BadUrl(f"invalid character {go_quote(char)} in host name")


def webhook_url(url: str, field: str) -> list[FieldError]:
    try:
        scheme, user, host, query, fragment = _split(url)
    except _BadUrl as bad:
        return [required(field, f"url must be a valid URL: parse {go_quote(url)}: {bad}{FORM}")]
    out: list[FieldError] = []
    if scheme != "https":
        out.append(invalid(field, scheme, "'https' is the only allowed URL scheme" + FORM))
    if not host:
        out.append(invalid(field, host, "host must be specified" + FORM))
    if user:
        out.append(invalid(field, user, "user information is not permitted in the URL"))
    if fragment:
        out.append(invalid(field, fragment, "fragments are not permitted in the URL"))
    if query:
        out.append(invalid(field, query, "query parameters are not permitted in the URL"))
    return out


def webhook_service(service: Obj, field: str) -> list[FieldError]:
    # the real server hands over name and namespace in the wrong order, and so tells of the other one
    crossed = (("name", "namespace"), ("namespace", "name"))
    out = [required(f"{field}.{told}") for told, key in crossed if not service.get(key)]
    port = service.get("port") or 0
    if texts := port_number(port):
        out.append(invalid(field + ".port", port, "port is not valid: " + ", ".join(texts)))
    path = service.get("path")
    if path in (None, "", "/"):
        return out
    where = field + ".path"
    if path == "//":
        return [*out, invalid(where, path, "segment[0] may not be empty")]
    if not path.startswith("/"):
        out.append(invalid(where, path, "must start with a '/'"))
    for i, step in enumerate(path[1:].removesuffix("/").split("/")):
        if not step:
            out.append(invalid(where, path, f"segment[{i}] may not be empty"))
            continue
        out += [invalid(where, path, f"segment[{i}]: {text}") for text in dns1123_subdomain(step)]
    return out


def webhook_client(config: Obj, field: str) -> list[FieldError]:
    """A WebhookClientConfig: exactly one of the two ways."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [required(field, "exactly one of url or service is required")]
    if url is not None:
        return webhook_url(url, field + ".url")
    return webhook_service(service or {}, field + ".service")
