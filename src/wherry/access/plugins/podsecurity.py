"""Pod Security: namespaces say by labels which pods they take; what they forbid is refused, warned of or noted
(plugin/pkg/admission/security/podsecurity, k8s.io/pod-security-admission/admission).

The rules are pure (`machinery.podsecurity`) and imported when the first namespace asks for any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import orjson

from wherry import errors
from wherry.access.admission import CREATE, UPDATE, Ask
from wherry.machinery.kinds import Obj
from wherry.store.definition import labels_of
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.machinery.podsecurity import LevelVersion, Policy

PREFIX = "pod-security.kubernetes.io/"
_TEMPLATES = {
    ("", "replicationcontrollers"): ("spec", "template"),
    ("", "podtemplates"): ("template",),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
KINDS = frozenset([("", "pods"), ("", "namespaces"), *_TEMPLATES])
_IGNORED = frozenset(("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"))
MOST_PODS = 3000
MOST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Exemptions:
    """Who and what is let through (PodSecurityConfiguration.exemptions)."""

    usernames: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()


class PodSecurity:
    """The plugin. `defaults` is what holds in namespaces without labels."""

    def __init__(self, store: Store, defaults: Policy | None = None, exemptions: Exemptions | None = None):
        self._store = store
        self._defaults = defaults
        self._exempt = exemptions or Exemptions()

    async def plugin(self, ask: Ask) -> None:
        res = ask.definition.resource
        if (res.group, res.name) == ("", "namespaces"):
            if not ask.subresource:
                self._namespace(ask)
        elif (res.group, res.name) == ("", "pods"):
            if ask.subresource not in _IGNORED:
                self._pod(ask)
        elif not ask.subresource:
            self._template(ask)

    # --- pods and their templates ------------------------------------------------------------------------------------
    def _pod(self, ask: Ask) -> None:
        if self._exempt_caller(ask):
            return
        labels = self._labels(ask)
        if labels is None:
            raise _internal(f'failed to lookup namespace "{ask.namespace}"')
        policy = self._policy(labels)
        if policy is None:
            ask.annotate(PREFIX + "enforce-policy", "privileged:latest")
            return
        assert ask.obj is not None
        if ask.operation == UPDATE and ask.old is not None and not _significant(ask.obj, ask.old):
            return
        self._judge(ask, policy, labels, ask.obj["metadata"], ask.obj["spec"], enforce=True)

    def _template(self, ask: Ask) -> None:
        if self._exempt_caller(ask):
            return
        labels = self._labels(ask)
        policy = self._policy(labels or {})
        if labels is None or policy is None:
            return
        if policy.warn.level == policy.audit.level == "privileged" and not _mistaken(labels):
            return
        template: Obj | None = ask.obj
        res = ask.definition.resource
        for member in _TEMPLATES[res.group, res.name]:
            template = (template or {}).get(member)
        if template is not None:
            meta, spec = template.get("metadata") or {}, template.get("spec") or {}
            self._judge(ask, policy, labels, meta, spec, enforce=False)

    def _exempt_caller(self, ask: Ask) -> bool:
        why = ""
        if ask.namespace in self._exempt.namespaces:
            why = "namespace"
        elif ask.user.name in self._exempt.usernames:
            why = "user"
        if why:
            ask.annotate(PREFIX + "exempt", why)
        return bool(why)

    def _labels(self, ask: Ask) -> dict[str, str] | None:
        record = self._store.storage.newest(f"/{ask.definition.workspace}/core/namespaces/{ask.namespace}")
        return labels_of(record) if record is not None else None

    def _policy(self, labels: dict[str, str]) -> Policy | None:
        """What a namespace asks for; None where it lets everything pass in silence."""
        if self._defaults is None and not any(label.startswith(PREFIX) for label in labels):
            return None  # most namespaces: nothing is imported for them
        from wherry.machinery.podsecurity import policy_of

        policy, mistakes = policy_of(labels, *self._default())
        return None if policy.privileged and not mistakes else policy

    def _default(self) -> tuple[Policy, ...]:
        return () if self._defaults is None else (self._defaults,)

    def _judge(self, ask: Ask, policy: Policy, labels: dict[str, str], meta: Obj, spec: Obj, *, enforce: bool) -> None:
        from wherry.machinery.podsecurity import evaluate, policy_of

        if spec.get("runtimeClassName") in self._exempt.runtime_classes:
            ask.annotate(PREFIX + "exempt", "runtimeClass")
            return
        mistakes = policy_of(labels, *self._default())[1]
        if mistakes:
            ask.annotate(PREFIX + "error", f"Failed to parse policy: {_together(mistakes)}")
        verdicts = {wanted: evaluate(wanted, meta, spec) for wanted in set(policy)}
        if not verdicts[policy.audit].allowed:
            detail = verdicts[policy.audit].detail()
            ask.annotate(PREFIX + "audit-violations", f'would violate PodSecurity "{policy.audit}": {detail}')
        if enforce:
            ask.annotate(PREFIX + "enforce-policy", str(policy.enforce))
            if not verdicts[policy.enforce].allowed:
                detail = verdicts[policy.enforce].detail()
                raise _forbidden(ask, f'violates PodSecurity "{policy.enforce}": {detail}')
        if not verdicts[policy.warn].allowed:
            detail = verdicts[policy.warn].detail()
            ask.ctx.warnings.append(f'would violate PodSecurity "{policy.warn}": {detail}')

    # --- namespaces --------------------------------------------------------------------------------------------------
    def _namespace(self, ask: Ask) -> None:
        """Labels must be valid when they are set; a stricter level warns of the pods that are there already."""
        assert ask.obj is not None
        labels = ask.obj["metadata"].get("labels") or {}
        before = ((ask.old or {}).get("metadata") or {}).get("labels") or {}
        if not any(label.startswith(PREFIX) for label in (*labels, *before)):
            return
        from wherry.machinery.podsecurity import policy_of
        from wherry.machinery.podsecurity.levels import PRIVILEGED, stricter

        policy, mistakes = policy_of(labels, *self._default())
        if ask.operation == CREATE:
            if mistakes:
                raise _invalid(ask, mistakes)
            self._warn_exempt(ask, policy, labels)
            return
        old, old_mistakes = policy_of(before, *self._default())
        if mistakes and mistakes != old_mistakes:
            raise _invalid(ask, mistakes)
        new = policy.enforce
        if new == old.enforce or new.level == PRIVILEGED:
            return
        if new.version == old.enforce.version and not stricter(new.level, old.enforce.level):
            return
        if ask.name in self._exempt.namespaces:
            self._warn_exempt(ask, policy, labels)
            return
        ask.ctx.warnings.extend(self._existing(ask, new))

    def _warn_exempt(self, ask: Ask, policy: Policy, labels: dict[str, str]) -> None:
        from wherry.machinery.podsecurity import Policy as Declared
        from wherry.machinery.podsecurity.levels import labelled

        if ask.name not in self._exempt.namespaces or policy.privileged:
            return
        if not policy.equivalent(self._defaults or Declared()):
            text = f'namespace "{ask.name}" is exempt from Pod Security, and the policy ({labelled(labels, policy)})'
            ask.ctx.warnings.append(f"{text} will be ignored")

    def _existing(self, ask: Ask, enforce: LevelVersion) -> Iterable[str]:
        """What is there already and would not be let in any more; bounded in number and time."""
        from wherry.machinery.podsecurity import evaluate

        records = self._store.storage.range(f"/{ask.definition.workspace}/core/pods/{ask.name}/").records
        pods = self._prioritized(orjson.loads(record.value) for record in records)
        until, checked = monotonic() + MOST_SECONDS, 0
        names: dict[str, list[str]] = {}
        for pod in pods[:MOST_PODS]:
            verdict = evaluate(enforce, pod["metadata"], pod["spec"])
            checked += 1
            if not verdict.allowed:
                names.setdefault(verdict.reason(), []).append(pod["metadata"]["name"])
            if monotonic() > until:
                break
        if checked < len(pods):
            text = (
                f"new PodSecurity enforce level only checked against the first {checked} of {len(pods)} existing pods"
            )
            yield text
        if names:
            yield f'existing pods in namespace "{ask.name}" violate the new PodSecurity enforce level "{enforce}"'
        yield from sorted(f"{_counted(found)}: {reason}" for reason, found in names.items())

    def _prioritized(self, pods: Iterable[Obj]) -> list[Obj]:
        """One pod of each controller first: the others are like it."""
        first: list[Obj] = []
        rest: list[Obj] = []
        seen: set[str] = set()
        for pod in pods:
            if pod["spec"].get("runtimeClassName") in self._exempt.runtime_classes:
                continue
            owners = pod["metadata"].get("ownerReferences") or ()
            uid = next((owner["uid"] for owner in owners if owner.get("controller")), "")
            (rest if uid in seen else first).append(pod)
            if uid:
                seen.add(uid)
        return first + rest


def _counted(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"


def _mistaken(labels: dict[str, str]) -> bool:
    from wherry.machinery.podsecurity import policy_of

    return bool(policy_of(labels)[1])


def _significant(new: Obj, old: Obj) -> bool:
    """Whether an update changes something that the checks may look at: images, and which containers there are."""
    after, before = new["spec"], old["spec"]
    for field in ("containers", "initContainers"):
        ours, theirs = after.get(field) or (), before.get(field) or ()
        if len(ours) != len(theirs):
            return True
        if any(a.get("image") != b.get("image") for a, b in zip(ours, theirs, strict=True)):
            return True
    known = {c["name"]: c for c in before.get("ephemeralContainers") or ()}
    for container in after.get("ephemeralContainers") or ():
        was = known.get(container["name"])
        if was is None or was.get("image") != container.get("image"):
            return True
    return False


def _together(mistakes: list[errors.FieldError]) -> str:
    texts = list(dict.fromkeys(str(mistake) for mistake in mistakes))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _forbidden(ask: Ask, why: str) -> errors.Forbidden:
    text = f'{errors.qualified("", "pods")} "{ask.name}" is forbidden: {why}'
    return errors.Forbidden(text, details=errors.resource_details("", "pods", ask.name))


def _invalid(ask: Ask, mistakes: list[errors.FieldError]) -> errors.Invalid:
    return errors.Invalid.of("", "Namespace", ask.name, mistakes)


def _internal(why: str) -> errors.InternalError:
    return errors.InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
