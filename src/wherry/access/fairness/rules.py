"""Which FlowSchema a request belongs to (flowcontrol/rule.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wherry.access.user import User

Obj = dict[str, Any]
Matches = Callable[[User, "Ask"], bool]
_ACCOUNT = "system:serviceaccount:"


class Ask:
    """What a request is for."""

    __slots__ = ("group", "is_resource", "namespace", "path", "resource", "verb")

    def __init__(self, verb: str, path: str, is_resource: bool, group: str, resource: str, namespace: str):
        self.verb = verb
        self.path = path
        self.is_resource = is_resource
        self.group = group
        self.resource = resource  # with its subresource: pods/log
        self.namespace = namespace


def compiled(schema: Obj) -> Matches:
    """Whether a FlowSchema takes a request."""
    rules = [_rule(rule) for rule in schema["spec"].get("rules") or ()]

    def matches(user: User, ask: Ask) -> bool:
        return any(rule(user, ask) for rule in rules)

    return matches


def _rule(rule: Obj) -> Matches:
    subjects = [_subject(subject) for subject in rule.get("subjects") or ()]
    resources = [_resource(entry) for entry in rule.get("resourceRules") or ()]
    paths = [_path(entry) for entry in rule.get("nonResourceRules") or ()]

    def matches(user: User, ask: Ask) -> bool:
        if not any(subject(user) for subject in subjects):
            return False
        return any(entry(ask) for entry in (resources if ask.is_resource else paths))

    return matches


def _subject(subject: Obj) -> Callable[[User], bool]:
    kind = subject["kind"]
    if kind == "User":
        name = (subject.get("user") or {}).get("name")
        return lambda user: name in ("*", user.name)
    if kind == "Group":
        name = (subject.get("group") or {}).get("name")
        return lambda user: name == "*" or name in user.groups
    account = subject.get("serviceAccount") or {}
    name, start = account.get("name"), f"{_ACCOUNT}{account.get('namespace')}:"
    if name == "*":
        return lambda user: user.name.startswith(start)
    return lambda user: user.name == f"{start}{name}"


def _among(values: Iterable[str]) -> Callable[[str], bool]:
    wanted = frozenset(values)
    return (lambda _: True) if wanted == {"*"} else (lambda value: value in wanted)


def _resource(entry: Obj) -> Callable[[Ask], bool]:
    verbs, groups, resources = (_among(entry.get(key) or ()) for key in ("verbs", "apiGroups", "resources"))
    namespaces, everywhere = _among(entry.get("namespaces") or ()), bool(entry.get("clusterScope"))

    def matches(ask: Ask) -> bool:
        if not (verbs(ask.verb) and resources(ask.resource) and groups(ask.group)):
            return False
        return namespaces(ask.namespace) if ask.namespace else everywhere

    return matches


def _path(entry: Obj) -> Callable[[Ask], bool]:
    verbs, urls = _among(entry.get("verbs") or ()), tuple(entry.get("nonResourceURLs") or ())
    starts = tuple(url.removesuffix("*").rstrip("/") + "/" for url in urls)

    def matches(ask: Ask) -> bool:
        return verbs(ask.verb) and ("*" in urls or ask.path in urls or ask.path.startswith(starts))

    return matches
