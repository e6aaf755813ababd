"""The RBAC authorizer: roles and bindings as they stand in the storage, compiled per user.

Follows plugin/pkg/auth/authorizer/rbac and pkg/registry/rbac/validation. A workspace is read once, then kept up by the
storage's events; every change of a role or binding forgets what was compiled, so a decision is never older than them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from wherry.access.chain import Rules
from wherry.access.user import Attributes, Decision, User
from wherry.storage.api import Event, Storage

GROUP = "rbac.authorization.k8s.io"
_KINDS = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")
_MANY_USERS, _MANY_QUESTIONS = 1024, 4096  # then a cache starts anew: callers choose what fills it

Rule = dict[str, Any]
Subject = tuple[str, str]
Question = tuple[str, str, str, str, str]  # verb, group, resource, subresource, namespace
Grant = tuple[frozenset[str] | None, str]  # the names that it is about, or all; the reason


@dataclass(slots=True)
class _Compiled:
    """One user's rules: (namespace or "" for everywhere, rule, reason), and what was asked of them."""

    rules: list[tuple[str, Rule, str]]
    errors: list[tuple[str, str]]
    answers: dict[Question, list[Grant]] = field(default_factory=dict)
    paths: dict[tuple[str, str], Decision] = field(default_factory=dict)


@dataclass(slots=True)
class _Workspace:
    """Roles and bindings by storage key, and the bindings of each subject."""

    roles: dict[str, list[Rule]] = field(default_factory=dict)
    bindings: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_subject: dict[Subject, set[str]] = field(default_factory=dict)
    users: dict[tuple[str, tuple[str, ...]], _Compiled] = field(default_factory=dict)


class Rbac:
    """An authorizer over one storage; `close` ends its subscription."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self._workspaces: dict[str, _Workspace] = {}
        self.close = storage.subscribe(self._follow)

    def __call__(self, asked: Attributes) -> Decision:
        compiled = self._compiled(asked.user, asked.workspace)
        if not asked.resource_request:
            return _path(compiled, asked)
        question = (asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace)
        grants = compiled.answers.get(question)
        if grants is None:
            if len(compiled.answers) >= _MANY_QUESTIONS:
                compiled.answers.clear()
            grants = compiled.answers[question] = list(_grants(compiled, question))
        for names, reason in grants:
            if names is None or asked.name in names:
                return Decision(True, reason)
        return _denied(compiled, asked.namespace)

    def rules(self, user: User, namespace: str, workspace: str) -> Iterator[Rule]:
        """The user's rules that hold in a namespace."""
        for where, rule, _ in self._compiled(user, workspace).rules:
            if where in ("", namespace):
                yield rule

    def resolve(self, user: User, namespace: str, workspace: str) -> Rules:
        """The same for rules reviews, with what the user's bindings refer to in vain."""
        return Rules(self.rules(user, namespace, workspace), self.missing(user, namespace, workspace))

    def missing(self, user: User, namespace: str, workspace: str) -> str:
        """What the user's bindings refer to in vain, as an evaluation error; empty if there is nothing."""
        return _errors(self._compiled(user, workspace), namespace)

    def role(self, kind: str, namespace: str, name: str, workspace: str) -> list[Rule] | None:
        """The rules of a role that a binding refers to, None when it is not there."""
        known = self._workspaces.get(workspace) or self._load(workspace)
        return known.roles.get(_role_key(f"/{workspace}/{GROUP}/", kind, namespace, name))

    def _compiled(self, user: User, workspace: str) -> _Compiled:
        known = self._workspaces.get(workspace)
        if known is None:
            known = self._load(workspace)
        who = (user.name, user.groups)
        compiled = known.users.get(who)
        if compiled is None:
            if len(known.users) >= _MANY_USERS:
                known.users.clear()
            compiled = known.users[who] = _compile(known, user, f"/{workspace}/{GROUP}/")
        return compiled

    def _load(self, workspace: str) -> _Workspace:
        known = self._workspaces[workspace] = _Workspace()
        for kind in _KINDS:
            for record in self._storage.range(f"/{workspace}/{GROUP}/{kind}/").records:
                _put(known, kind, record.key, orjson.loads(record.value))
        return known

    def _follow(self, events: Sequence[Event]) -> None:
        for event in events:
            if f"/{GROUP}/" not in event.key:
                continue
            _, workspace, group, kind, *_rest = event.key.split("/")
            known = self._workspaces.get(workspace)
            if known is None or group != GROUP or kind not in _KINDS:
                continue
            _put(known, kind, event.key, orjson.loads(event.record.value) if event.record else None)
            known.users.clear()


def _put(known: _Workspace, kind: str, key: str, obj: dict[str, Any] | None) -> None:
    if kind.endswith("roles"):
        known.roles.pop(key, None)
        if obj is not None:
            known.roles[key] = obj.get("rules") or []
        return
    for subject in _subjects(known.bindings.pop(key, None)):
        known.by_subject[subject].discard(key)
    if obj is not None:
        known.bindings[key] = obj
    for subject in _subjects(obj):
        known.by_subject.setdefault(subject, set()).add(key)


def _subjects(binding: dict[str, Any] | None) -> Iterator[Subject]:
    for subject in (binding or {}).get("subjects") or ():
        yield _subject(binding or {}, subject)


def _subject(binding: dict[str, Any], subject: dict[str, Any]) -> Subject:
    """Whom a subject means; service accounts are users with a long name."""
    if subject["kind"] != "ServiceAccount":
        return subject["kind"], subject["name"]
    namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
    return "User", f"system:serviceaccount:{namespace}:{subject['name']}"


def _compile(known: _Workspace, user: User, prefix: str) -> _Compiled:
    mine: set[Subject] = {("User", user.name), *(("Group", group) for group in user.groups)}
    keys = {key for subject in mine for key in known.by_subject.get(subject, ())}
    compiled = _Compiled([], [])
    for key in sorted(keys):  # cluster-wide bindings come first, as upstream visits them
        binding = known.bindings[key]
        subject = next(s for s in binding["subjects"] if _subject(binding, s) in mine)
        namespace, ref = binding["metadata"].get("namespace", ""), binding["roleRef"]
        rules = known.roles.get(_role_key(prefix, ref["kind"], namespace, ref["name"]))
        if rules is None:
            text = f'{ref["kind"].lower()}.{GROUP} "{ref["name"]}" not found'
            compiled.errors.append((namespace, text))
            continue
        reason = f"RBAC: allowed by {_source(binding, namespace, ref, subject)}"
        compiled.rules.extend((namespace, rule, reason) for rule in rules)
    return compiled


def _role_key(prefix: str, kind: str, namespace: str, name: str) -> str:
    return f"{prefix}clusterroles/{name}" if kind == "ClusterRole" else f"{prefix}roles/{namespace}/{name}"


def _source(binding: dict[str, Any], namespace: str, ref: dict[str, Any], subject: dict[str, Any]) -> str:
    name, whom = binding["metadata"]["name"], subject["name"]
    if subject["kind"] == "ServiceAccount":
        whom = f"{whom}/{subject.get('namespace') or namespace}"
    kind, shown = ("RoleBinding", f"{name}/{namespace}") if namespace else ("ClusterRoleBinding", name)
    return f'{kind} "{shown}" of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{whom}"'


def _grants(compiled: _Compiled, question: Question) -> Iterator[Grant]:
    verb, group, resource, subresource, namespace = question
    wanted = {"*", f"{resource}/{subresource}", f"*/{subresource}"} if subresource else {"*", resource}
    for where, rule, reason in compiled.rules:
        if where and where != namespace:
            continue
        if _has(rule, "verbs", verb) and _has(rule, "apiGroups", group):
            if wanted.isdisjoint(rule.get("resources") or ()):
                continue
            names = rule.get("resourceNames")
            yield (frozenset(names) if names else None), reason


def _has(rule: Rule, what: str, value: str) -> bool:
    values = rule.get(what) or ()
    return value in values or "*" in values


def _path(compiled: _Compiled, asked: Attributes) -> Decision:
    question = (asked.verb, asked.path)
    decision = compiled.paths.get(question)
    if decision is None:
        if len(compiled.paths) >= _MANY_QUESTIONS:
            compiled.paths.clear()
        decision = compiled.paths[question] = _decide_path(compiled, asked)
    return decision


def _decide_path(compiled: _Compiled, asked: Attributes) -> Decision:
    for where, rule, reason in compiled.rules:
        if not where and _has(rule, "verbs", asked.verb) and _covers(rule, asked.path):
            return Decision(True, reason)
    return _denied(compiled, "")


def _covers(rule: Rule, path: str) -> bool:
    for url in rule.get("nonResourceURLs") or ():
        if url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*"))):
            return True
    return False


def rule_covers(rule: Rule, asked: Attributes) -> bool:
    """Whether one rule by itself allows a request (rbac.RuleAllows)."""
    if not asked.resource_request:
        return _has(rule, "verbs", asked.verb) and _covers(rule, asked.path)
    if not (_has(rule, "verbs", asked.verb) and _has(rule, "apiGroups", asked.group)):
        return False
    resource, subresource = asked.resource, asked.subresource
    wanted = {"*", f"{resource}/{subresource}", f"*/{subresource}"} if subresource else {"*", resource}
    names = rule.get("resourceNames")
    return not wanted.isdisjoint(rule.get("resources") or ()) and (not names or asked.name in names)


def _denied(compiled: _Compiled, namespace: str) -> Decision:
    error = _errors(compiled, namespace)
    return Decision(False, f"RBAC: {error}" if error else "")


def _errors(compiled: _Compiled, namespace: str) -> str:
    """The errors that count in a namespace, as one (utilerrors.Aggregate)."""
    if not compiled.errors:
        return ""
    texts = list(dict.fromkeys(text for where, text in compiled.errors if where in ("", namespace)))
    return "[" + ", ".join(texts) + "]" if len(texts) > 1 else "".join(texts)
