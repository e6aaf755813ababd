"""The audit policy: how much is told of which request (k8s.io/apiserver/pkg/audit/policy).

Rules are tried in order and the first that matches counts; what none matches is not audited. Evaluated answers are kept
per caller and question, as the same few callers ask for the same few things.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from wherry.access.user import Attributes
from wherry.errors import FieldError, invalid, not_supported, required

API_VERSION = "audit.k8s.io/v1"
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_MANY = 4096  # answers kept
_RULE = {
    "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages",
    "omitManagedFields",
}  # fmt: skip


class PolicyError(ValueError):
    """A policy that cannot be used; says what is wrong with it."""


class Level(IntEnum):
    """How much is told. The names are the policy's words."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def word(self) -> str:
        return WORDS[self]


WORDS = ("None", "Metadata", "Request", "RequestResponse")


@dataclass(frozen=True, slots=True)
class Config:
    """What the policy says about one request."""

    level: Level
    omit: frozenset[str] = frozenset()  # stages without an event
    omit_managed_fields: bool = False


@dataclass(frozen=True, slots=True)
class _Resources:
    """One entry of a rule's `resources`."""

    group: str
    resources: tuple[str, ...]
    names: frozenset[str]

    def matches(self, asked: Attributes) -> bool:
        if self.group not in (asked.group, "*"):
            return False
        if not self.resources:
            return True
        if self.names and asked.name not in self.names:
            return False
        whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        for wanted in self.resources:
            if wanted in (whole, "*") or (wanted.endswith("/*") and wanted[:-2] == asked.resource):
                return True
            if asked.subresource and wanted.startswith("*/") and wanted[2:] == asked.subresource:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; an empty member means everything."""

    config: Config
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    resources: tuple[_Resources, ...] = ()
    urls: tuple[str, ...] = ()

    def matches(self, asked: Attributes, user: tuple[str, tuple[str, ...]]) -> bool:
        if self.users and user[0] not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(user[1]):
            return False
        if self.verbs and asked.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            if not asked.resource_request or (self.namespaces and asked.namespace not in self.namespaces):
                return False
            return not self.resources or any(entry.matches(asked) for entry in self.resources)
        if self.urls:
            return not asked.resource_request and any(_covers(url, asked.path) for url in self.urls)
        return True


def _covers(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


@dataclass(slots=True)
class Policy:
    """Rules in order. `for_nobody` is what holds where none matches."""

    rules: tuple[Rule, ...]
    for_nobody: Config = Config(Level.NONE)
    _known: dict[tuple[object, ...], Config] = field(default_factory=dict)
    _by_name: bool = False

    def __post_init__(self) -> None:
        self._by_name = any(entry.names for rule in self.rules for entry in rule.resources)

    def evaluate(self, asked: Attributes) -> Config:
        """The first rule that matches."""
        user = (asked.user.name, asked.user.groups)
        place = (asked.group, asked.resource, asked.subresource, asked.namespace) if asked.resource_request else ()
        key = (user, asked.verb, place or asked.path, asked.name if self._by_name else "")
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MANY:  # callers choose what fills it
                self._known.clear()
            found = self._known[key] = self._evaluate(asked, user)
        return found

    def _evaluate(self, asked: Attributes, user: tuple[str, tuple[str, ...]]) -> Config:
        for rule in self.rules:
            if rule.matches(asked, user):
                return rule.config
        return self.for_nobody


def everything(level: Level) -> Policy:
    """The policy of those who configure none: all requests at one level, told once."""
    return Policy((Rule(Config(level, frozenset(("RequestReceived",)))),))


def load(path: Path) -> Policy:
    """The policy of a file. Raises PolicyError."""
    import yaml

    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"loading audit policy file: failed to read file path {str(path)!r}: {error}") from None
    try:
        return parse(yaml.safe_load(text))
    except (yaml.YAMLError, PolicyError) as error:
        raise PolicyError(f"loading audit policy file: {error}: from file {path}") from None


def parse(doc: Any) -> Policy:
    """The policy of a document. Raises PolicyError."""
    if not isinstance(doc, dict) or doc.get("kind") != "Policy" or doc.get("apiVersion") != API_VERSION:
        raise PolicyError(f"an audit policy has apiVersion: {API_VERSION} and kind: Policy")
    rules = doc.get("rules") or []
    shaped(rules, list, "rules")
    found = [problem for index, rule in enumerate(rules) for problem in _problems(rule, f"rules[{index}]")]
    found += _stage_problems(doc.get("omitStages") or [], "omitStages")
    if found:
        texts = [str(problem) for problem in found]
        raise PolicyError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    if not rules:
        raise PolicyError("loaded illegal policy with 0 rules")
    omit, managed = frozenset(doc.get("omitStages") or ()), bool(doc.get("omitManagedFields"))
    made = tuple(_rule(rule, omit, managed) for rule in rules)
    return Policy(made, Config(Level.NONE, omit, managed))


def shaped(value: Any, kind: type, where: str) -> None:
    """Raises PolicyError for a value of another shape."""
    if not isinstance(value, kind):
        word = {list: "a list", dict: "an object", bool: "true or false", str: "a string"}[kind]
        raise PolicyError(f"{where} must be {word}")


def _rule(rule: dict[str, Any], omit: frozenset[str], managed: bool) -> Rule:
    own = rule.get("omitManagedFields")
    config = Config(
        Level(WORDS.index(rule["level"])),
        omit | frozenset(rule.get("omitStages") or ()),
        managed if own is None else bool(own),
    )
    resources = tuple(
        _Resources(
            entry.get("group") or "",
            tuple(entry.get("resources") or ()),
            frozenset(entry.get("resourceNames") or ()),
        )
        for entry in rule.get("resources") or ()
    )
    users, groups, verbs, namespaces = (
        frozenset(rule.get(key) or ()) for key in ("users", "userGroups", "verbs", "namespaces")
    )
    return Rule(config, users, groups, verbs, namespaces, resources, tuple(rule.get("nonResourceURLs") or ()))


def _problems(rule: Any, where: str) -> list[FieldError]:
    """apis/audit/validation."""
    shaped(rule, dict, where)
    unknown = sorted(set(rule) - _RULE)
    if unknown:  # a misspelt member would silently widen a rule
        raise PolicyError(f"{where}: unknown field {unknown[0]!r}")
    for key in _RULE - {"level", "omitManagedFields"}:
        shaped(rule.get(key) or [], list, f"{where}.{key}")
    out: list[FieldError] = []
    level = rule.get("level")
    if not level:
        out.append(required(f"{where}.level", ""))
    elif level not in WORDS:
        out.append(not_supported(f"{where}.level", level, sorted(WORDS)))
    urls, resources = rule.get("nonResourceURLs") or [], rule.get("resources") or []
    for index, url in enumerate(urls):
        out += _url_problems(str(url), f"{where}.nonResourceURLs[{index}]")
    for index, entry in enumerate(resources):
        shaped(entry, dict, f"{where}.resources[{index}]")
        if entry.get("resourceNames") and not entry.get("resources"):
            text = "using resourceNames requires at least one resource"
            out.append(invalid(f"{where}.resources.resourceNames", entry["resourceNames"], text))
    out += _stage_problems(rule.get("omitStages") or [], f"{where}.omitStages")
    if urls and (resources or rule.get("namespaces")):
        text = "rules cannot apply to both regular resources and non-resource URLs"
        out.append(invalid(f"{where}.nonResourceURLs", urls, text))
    return out


def _url_problems(url: str, where: str) -> list[FieldError]:
    out: list[FieldError] = []
    if url == "*":
        return out
    if not url.startswith("/"):
        out.append(invalid(where, url, "non-resource URL rules must begin with a '/' character"))
    if "*" in url[:-1]:
        text = "non-resource URL wildcards '*' must be the final character of the rule"
        out.append(invalid(where, url, text))
    return out


def _stage_problems(stages: list[Any], where: str) -> list[FieldError]:
    shaped(stages, list, where)
    return [
        invalid(f"{where}[{index}]", stage, f"allowed stages are {','.join(STAGES)}")
        for index, stage in enumerate(stages)
        if stage not in STAGES
    ]
