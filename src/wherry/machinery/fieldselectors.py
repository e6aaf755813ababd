"""Field selectors: `metadata.name=x,spec.nodeName!=y`, and which fields each kind lets its clients select by.

On the path of LIST, WATCH and deletecollection, beside `selectors.py`. The syntax follows
k8s.io/apimachinery/pkg/fields; the labels that a kind knows, and what it says to others, follow the field label
conversions of pkg/apis/<group>/<version> and the selectable fields of pkg/registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from wherry.errors import BadRequest, go_quote
from wherry.machinery.kinds import Obj

Getter = Callable[[Obj], str]
ObjectTest = Callable[[Obj], bool]


class FieldRequirement(NamedTuple):
    """`operator` is "=" or "!="."""

    field: str
    operator: str
    value: str


class FieldLabels:
    """The fields by which one kind can be selected: label -> how to read it. Others are refused by `refuse`."""

    __slots__ = ("getters", "refuse")

    def __init__(self, getters: Mapping[str, Getter], refuse: Callable[[str], str]):
        self.getters = dict(getters)
        self.refuse = refuse


class FieldSelector:
    """A conjunction of requirements in upstream's order (the terms sorted as text)."""

    __slots__ = ("empty", "requirements")

    def __init__(self, requirements: tuple[FieldRequirement, ...]):
        self.requirements = requirements
        self.empty = not requirements

    def __str__(self) -> str:
        return ",".join(f"{r.field}{r.operator}{escape(r.value)}" for r in self.requirements)

    def matches(self, getter: Callable[[str], str]) -> bool:
        """Whether the fields, read one by one through `getter(label)`, satisfy every requirement."""
        return all((getter(r.field) == r.value) == (r.operator == "=") for r in self.requirements)

    def exact(self, field: str) -> str | None:
        """The value that the selector requires of a field, if it does (RequiresExactMatch)."""
        for requirement in self.requirements:
            if requirement.field == field and requirement.operator == "=":
                return requirement.value
        return None

    def bind(self, labels: FieldLabels) -> ObjectTest:
        """A test of objects; refuses labels that the kind does not know."""
        tests: list[tuple[Getter, bool, str]] = []
        for requirement in self.requirements:
            getter = labels.getters.get(requirement.field)
            if getter is None:
                raise BadRequest(labels.refuse(requirement.field))
            tests.append((getter, requirement.operator == "=", requirement.value))
        if not tests:
            return lambda obj: True
        if len(tests) == 1:
            get, wanted, value = tests[0]
            return (lambda obj: get(obj) == value) if wanted else (lambda obj: get(obj) != value)
        fixed = tuple(tests)

        def every(obj: Obj) -> bool:
            for get, wanted, value in fixed:  # noqa: SIM110 - a generator costs a frame for each object
                if (get(obj) == value) is not wanted:
                    return False
            return True

        return every


# --- syntax ---------------------------------------------------------------------------------------------------------


def escape(value: str) -> str:
    """A value as it must be written in a selector."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _unescape(text: str) -> str:
    if not any(c in text for c in "\\,="):
        return text
    out: list[str] = []
    slash = False
    for char in text:
        if slash:
            if char not in "\\,=":
                raise BadRequest(f"invalid field selector: invalid escape sequence: \\{char}")
            out.append(char)
            slash = False
        elif char == "\\":
            slash = True
        elif char in ",=":  # upstream prints the number of the character, not the character
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            out.append(char)
    if slash:
        raise BadRequest("invalid field selector: invalid escape sequence: \\")
    return "".join(out)


def _terms(text: str) -> list[str]:
    """Split at commas that no backslash escapes; the escapes stay."""
    out: list[str] = []
    start, slash = 0, False
    for index, char in enumerate(text):
        if slash:
            slash = False
        elif char == "\\":
            slash = True
        elif char == ",":
            out.append(text[start:index])
            start = index + 1
    out.append(text[start:])
    return out


def _split(term: str) -> tuple[str, str, str] | None:
    """(field, operator, value) at the first operator, `!=` and `==` before `=`."""
    for index in range(len(term)):
        for operator in ("!=", "==", "="):
            if term.startswith(operator, index):
                return term[:index], operator, term[index + len(operator) :]
    return None


def parse_field_selector(text: str) -> FieldSelector:
    """The selector that a `fieldSelector` parameter means; empty terms (a trailing comma) are skipped."""
    out: list[FieldRequirement] = []
    for term in sorted(_terms(text)):
        if not term:
            continue
        parts = _split(term)
        if parts is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        field, operator, value = parts
        value = _unescape(value)
        if field or value:  # a requirement that is empty on both sides selects everything
            out.append(FieldRequirement(field, "!=" if operator == "!=" else "=", value))
    return FieldSelector(tuple(out))


# --- what each kind can be selected by ------------------------------------------------------------------------------


def _name(obj: Obj) -> str:
    return obj["metadata"].get("name", "")  # type: ignore[no-any-return]


def _namespace(obj: Obj) -> str:
    return obj["metadata"].get("namespace", "")  # type: ignore[no-any-return]


_BOTH: dict[str, Getter] = {"metadata.name": _name, "metadata.namespace": _namespace}
_ONLY_NAME: dict[str, Getter] = {"metadata.name": _name}


def _text(value: object) -> str:
    """A scalar as fmt.Sprint writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _at(*path: str, absent: str = "") -> Getter:
    """Read a scalar two or one levels down; `absent` is the zero value of its Go type."""
    if len(path) == 1:
        only = path[0]
        return lambda obj: _text(obj[only]) if only in obj else absent
    first, second = path

    def get(obj: Obj) -> str:
        outer = obj.get(first)
        if not outer:
            return absent
        value = outer.get(second)
        return absent if value is None else value if value.__class__ is str else _text(value)

    return get


def _pod_ip(obj: Obj) -> str:
    ips = (obj.get("status") or {}).get("podIPs")
    return ips[0].get("ip", "") if ips else ""


def _nothing(_obj: Obj) -> str:
    return ""


def _involved(member: str) -> Getter:
    """Events are stored once and served by two groups, which name the same fields differently."""

    def get(obj: Obj) -> str:
        reference = obj.get("involvedObject") or obj.get("regarding") or {}
        return reference.get(member, "")  # type: ignore[no-any-return]

    return get


def _reporter(obj: Obj) -> str:
    return obj.get("reportingComponent") or obj.get("reportingController") or ""


def _source(obj: Obj) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    return source.get("component") or _reporter(obj)


_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT = _BOTH | {"reason": _at("reason"), "type": _at("type")}


def _unsupported(label: str) -> str:
    return f"field label not supported: {label}"


def _unknown(label: str) -> str:
    return f'{go_quote(label)} is not a known field selector: only "metadata.name", "metadata.namespace"'


def _unsupported_job(label: str) -> str:
    return f"field label {go_quote(label)} not supported for Job"


def _resource_slice(version: str) -> FieldLabels:
    return FieldLabels(
        _ONLY_NAME | {"spec.nodeName": _at("spec", "nodeName"), "spec.driver": _at("spec", "driver")},
        lambda label: f"field label not supported for resource.k8s.io/{version}, Kind=ResourceSlice: {label}",
    )


_POD = _BOTH | {
    "spec.nodeName": _at("spec", "nodeName"),
    "spec.host": _at("spec", "nodeName"),  # the name of very old clients
    "spec.restartPolicy": _at("spec", "restartPolicy"),
    "spec.schedulerName": _at("spec", "schedulerName"),
    "spec.serviceAccountName": _at("spec", "serviceAccountName"),
    "spec.hostNetwork": _at("spec", "hostNetwork", absent="false"),
    "status.phase": _at("status", "phase"),
    "status.podIP": _pod_ip,
    "status.podIPs": _nothing,  # accepted, but never filled
    "status.nominatedNodeName": _at("status", "nominatedNodeName"),
}

DEFAULT = FieldLabels(_BOTH, _unknown)

SELECTABLE: dict[tuple[str, str], FieldLabels] = {
    ("", "pods"): FieldLabels(_POD, _unsupported),
    ("", "nodes"): FieldLabels(
        _ONLY_NAME | {"spec.unschedulable": _at("spec", "unschedulable", absent="false")}, _unsupported
    ),
    ("", "replicationcontrollers"): FieldLabels(
        _BOTH | {"status.replicas": _at("status", "replicas", absent="0")}, _unsupported
    ),
    ("", "events"): FieldLabels(
        _EVENT
        | {f"involvedObject.{member}": _involved(member) for member in _REFERENCE}
        | {"reportingComponent": _reporter, "source": _source},
        _unsupported,
    ),
    ("events.k8s.io", "events"): FieldLabels(
        _EVENT
        | {f"regarding.{member}": _involved(member) for member in _REFERENCE}
        | {"reportingController": _reporter},
        _unsupported,
    ),
    ("", "namespaces"): FieldLabels(_ONLY_NAME | {"status.phase": _at("status", "phase")}, _unsupported),
    ("", "secrets"): FieldLabels(_BOTH | {"type": _at("type")}, _unsupported),
    ("", "services"): FieldLabels(
        _BOTH | {"spec.clusterIP": _at("spec", "clusterIP"), "spec.type": _at("spec", "type")}, _unsupported
    ),
    ("batch", "jobs"): FieldLabels(
        _BOTH | {"status.successful": _at("status", "succeeded", absent="0")}, _unsupported_job
    ),
    ("certificates.k8s.io", "certificatesigningrequests"): FieldLabels(
        _ONLY_NAME | {"spec.signerName": _at("spec", "signerName")}, _unsupported
    ),
    ("resource.k8s.io", "resourceslices"): _resource_slice("v1"),
}


def field_labels(group: str, resource: str) -> FieldLabels:
    """What a built-in kind can be selected by; kinds without rules of their own know name and namespace."""
    return SELECTABLE.get((group, resource), DEFAULT)


def custom_field_labels(getters: Mapping[str, Getter], *, namespaced: bool = True) -> FieldLabels:
    """The same for a custom kind: name, namespace and its `selectableFields` (label without the leading dot)."""
    base = _BOTH if namespaced else _ONLY_NAME
    return FieldLabels({**base, **getters}, _unsupported)
