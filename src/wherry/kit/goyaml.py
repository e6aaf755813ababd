"""YAML as sigs.k8s.io/yaml turns it into JSON: YAML 1.1 booleans, octal numbers, merges, sorted keys, first document.

The events come from libyaml (PyYAML's C parser), whose Go port upstream uses, so syntax errors have the same words. How
plain scalars resolve, what counts as a duplicate key and how aliases are limited follows go.yaml.in/yaml/v2.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Any

import yaml

from wherry.errors import go_quote
from wherry.kit.gojson import DEEPEST, Literal, format_float

try:
    _Loader: Any = yaml.CSafeLoader
except AttributeError:  # pragma: no cover - a PyYAML built without libyaml
    _Loader = yaml.SafeLoader


# Typed as Any: the stubs make every mark and tag optional.
_SCALAR: Any = yaml.ScalarEvent
_ALIAS: Any = yaml.AliasEvent
_MAPPING: Any = yaml.MappingStartEvent
_SEQUENCE: Any = yaml.SequenceStartEvent


class YAMLError(ValueError):
    """A document that cannot become JSON; the message is upstream's, which marks what the YAML library itself says."""

    def __init__(self, message: str, *, unmarked: bool = False):
        super().__init__(message if unmarked else f"yaml: {message}")


_LONG = "tag:yaml.org,2002:"
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_SPECIAL_FLOATS = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), "NaN"),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), "+Inf"),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), "-Inf"),
}
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_CLOCK = r"[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?"
_DATE = re.compile(rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}(?:[Tt]{_CLOCK}(?:Z|[-+][0-9]{{2}}:[0-9]{{2}})| {_CLOCK})?\Z")

SCALAR, MAPPING, SEQUENCE, ALIAS = range(4)


class _Node:
    __slots__ = ("children", "kind", "line", "plain", "tag", "target", "value")

    def __init__(self, kind: int, line: int, value: str = "", tag: str = "", plain: bool = False):
        self.kind, self.line, self.value, self.tag, self.plain = kind, line, value, tag, plain
        self.children: list[_Node] = []
        self.target: _Node | None = None


# --- events to nodes -------------------------------------------------------------------------------------------------


def _problem(error: yaml.YAMLError) -> str:
    """A syntax error in upstream's form: `line 3: did not find expected ',' or '}'`."""
    if isinstance(error, yaml.reader.ReaderError):
        return str(error.reason)
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    line = 0
    if mark is not None and mark.line:
        # Scanner errors count lines from nought, parser errors were raised one line on.
        line = mark.line + (1 if isinstance(error, yaml.scanner.ScannerError) else 0)
    elif context is not None and context.line:
        line = context.line
    where = f"line {line}: " if line else ""
    return where + str(getattr(error, "problem", None) or "unknown problem parsing YAML content")


def _first_document(body: bytes) -> _Node | None:
    """The node tree of the first document; None if there is none."""
    root: _Node | None = None
    stack: list[_Node] = []
    anchors: dict[str, _Node] = {}
    events: Any = yaml.parse(body, Loader=_Loader)
    for event in events:
        if isinstance(event, _SCALAR):
            node = _Node(SCALAR, event.start_mark.line, event.value, event.tag or "", bool(event.implicit[0]))
        elif isinstance(event, _MAPPING):
            node = _Node(MAPPING, event.start_mark.line)
        elif isinstance(event, _SEQUENCE):
            node = _Node(SEQUENCE, event.start_mark.line)
        elif isinstance(event, _ALIAS):
            node = _Node(ALIAS, event.start_mark.line, event.anchor)
            node.target = anchors.get(event.anchor)
            if node.target is None:
                raise YAMLError(f"unknown anchor '{event.anchor}' referenced")
        elif isinstance(event, yaml.DocumentEndEvent):
            return root
        else:
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
            continue
        if node.kind != ALIAS and event.anchor:
            anchors[event.anchor] = node
        if stack:
            stack[-1].children.append(node)
        else:
            root = node
        if node.kind in (MAPPING, SEQUENCE):
            stack.append(node)
            if len(stack) > DEEPEST:
                raise YAMLError("exceeded max depth")
    return root


# --- nodes to values -------------------------------------------------------------------------------------------------


def _integer(text: str) -> int | None:
    """strconv.ParseInt with base 0, then ParseUint: prefixes, and octal after a leading nought."""
    if len(text) > 70 or not _INTEGER.match(text):
        return None
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
    prefix = digits[:2].lower()
    if prefix in ("0x", "0b", "0o"):
        value = int(digits[2:], {"0x": 16, "0b": 2, "0o": 8}[prefix])
    else:
        value = int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    value *= sign
    # ParseUint takes no sign.
    limit = 1 << 64 if text[0] not in "+-" else 1 << 63
    return value if -(1 << 63) <= value < limit else None


def _float(text: str) -> Literal | None:
    value = float(text)
    return None if value in (float("inf"), float("-inf")) else Literal(format_float(value))


def _resolve(tag: str, text: str) -> tuple[str, Any]:
    """(short tag, value) of a scalar that is plain or has a tag."""
    if text in _NULL:
        return "null", None
    if text in _TRUE:
        return "bool", True
    if text in _FALSE:
        return "bool", False
    if text in _SPECIAL_FLOATS:
        return "float", _Unwritable(_SPECIAL_FLOATS[text])
    if text == "<<":
        return "merge", text
    if text[0] == ".":
        return ("float", _float(text)) if _FLOAT.match(text) else ("str", text)
    if text[0] in "0123456789+-":
        if tag in ("", "timestamp") and _DATE.match(text):
            return "timestamp", text
        plain = text.replace("_", "")
        if (number := _integer(plain)) is not None:
            return "int", number
        if _FLOAT.match(plain) and (value := _float(plain)) is not None:
            return "float", value
    return "str", text


class _Unwritable:
    """A float that JSON cannot hold."""

    def __init__(self, text: str):
        self.text = text


def _go_value(value: Any) -> str:
    """A value as Go's %#v prints it, for the rare texts that quote one."""
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_go_value, value)) + "}"
    if isinstance(value, dict):
        inner = ", ".join(f"{_go_value(key)}:{_go_value(item)}" for key, item in value.items())
        return "map[interface {}]interface {}{" + inner + "}"
    return str(value)


class _Builder:
    def __init__(self) -> None:
        self.duplicates: list[str] = []
        self.decoded = self.aliased = self.depth = 0
        self.open: set[int] = set()

    def value(self, node: _Node) -> Any:
        self.decoded += 1
        self.aliased += self.depth > 0
        if self.aliased > 100 and self.decoded > 1000 and self.aliased / self.decoded > _allowed(self.decoded):
            raise YAMLError("document contains excessive aliasing")
        if node.kind == SCALAR:
            return self.scalar(node)
        if node.kind == MAPPING:
            out: dict[Any, Any] = {}
            self.mapping(node, out)
            return _jsonable(out)
        if node.kind == SEQUENCE:
            return [self.value(child) for child in node.children]
        target = self.enter(node)
        found = self.value(target)
        self.leave(target)
        return found

    def enter(self, node: _Node) -> _Node:
        assert node.target is not None
        if id(node.target) in self.open:
            raise YAMLError(f"anchor '{node.value}' value contains itself")
        self.open.add(id(node.target))
        self.depth += 1
        return node.target

    def leave(self, target: _Node) -> None:
        self.open.discard(id(target))
        self.depth -= 1

    def scalar(self, node: _Node) -> Any:
        if not node.tag and not node.plain:
            return node.value
        tag = node.tag.removeprefix(_LONG)
        if tag == "str":
            return node.value
        if tag == "binary":
            try:
                return base64.b64decode(node.value, validate=True).decode("utf-8", "wherry-go-replace")
            except binascii.Error:
                raise YAMLError("!!binary value contains invalid base64 data") from None
        if tag not in ("", "bool", "int", "float", "null", "timestamp"):
            return node.value
        found, value = _resolve(tag, node.value)
        if tag == "float" and found == "int":
            return Literal(format_float(float(value)))
        if tag not in ("", found):
            raise YAMLError(f"cannot decode !!{found} `{node.value}` as a !!{tag}")
        return value

    def mapping(self, node: _Node, out: dict[Any, Any]) -> None:
        """Keys are (type, value), so that 1 and "1" and true are three."""
        children = node.children
        for index in range(0, len(children), 2):
            key_node, value_node = children[index], children[index + 1]
            if key_node.kind == SCALAR and _is_merge(key_node):
                self.merge(value_node, out)
                continue
            key = self.value(key_node)
            if isinstance(key, dict | list):
                raise YAMLError(f"invalid map key: {_go_value(key)}")
            value = self.value(value_node)
            slot = (key.__class__, key)
            if slot in out:
                self.duplicates.append(f"line {value_node.line + 1}: key {_go_value(key)} already set in map")
            out[slot] = value

    def merge(self, node: _Node, out: dict[Any, Any]) -> None:
        for one in reversed(node.children) if node.kind == SEQUENCE else (node,):
            self.decoded += 1
            target = self.enter(one) if one.kind == ALIAS else one
            if target.kind != MAPPING:
                raise YAMLError("map merge requires map or sequence of maps as the value")
            self.mapping(target, out)
            if one.kind == ALIAS:
                self.leave(target)


def _is_merge(node: _Node) -> bool:
    return node.value == "<<" and (node.plain or node.tag in ("!!merge", _LONG + "merge"))


def _allowed(decoded: int) -> float:
    """The share of nodes that aliases may bring in; large documents may have less."""
    if decoded <= 400_000:
        return 0.99
    if decoded >= 4_000_000:
        return 0.10
    return 0.99 - 0.89 * ((decoded - 400_000) / 3_600_000)


def _jsonable(slots: dict[Any, Any]) -> dict[str, Any]:
    """String keys in sorted order, as a Go map is written."""
    out: dict[str, Any] = {}
    for (_, key), value in slots.items():
        if isinstance(key, bool):
            name = "true" if key else "false"
        elif isinstance(key, str):
            name = key
        elif isinstance(key, Literal):
            name = _short_float(key)
        elif isinstance(key, _Unwritable):
            name = {"NaN": ".nan", "+Inf": ".inf", "-Inf": "-.inf"}[key.text]
        elif isinstance(key, int) and key < 1 << 63:
            name = str(key)
        else:
            kind, shown = ("%!s(<nil>)", "<nil>") if key is None else ("uint64", hex(key))
            held = "<nil>" if value is None else _go_value(value)
            text = f"unsupported map key of type: {kind}, key: {shown}, value: {held}"
            raise YAMLError(text, unmarked=True)
        out[name] = value
    return {key: out[key] for key in sorted(out)}


def _short_float(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 32): the shortest digits that are the same float32."""
    try:
        single = struct.pack("<f", value)
    except OverflowError:
        return "-.inf" if value < 0 else ".inf"
    digits = 1
    while digits < 9 and struct.pack("<f", float(f"{value:.{digits}g}")) != single:
        digits += 1
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if -4 <= int(exponent) < 21:
        return format_float(float(f"{value:.{digits}g}"))
    return f"{mantissa}e{exponent}"


def _check_writable(value: Any) -> None:
    if isinstance(value, _Unwritable):
        raise YAMLError(f"json: unsupported value: {value.text}", unmarked=True)
    if isinstance(value, dict):
        for item in value.values():
            _check_writable(item)
    elif isinstance(value, list):
        for item in value:
            _check_writable(item)


def loads(body: bytes) -> tuple[Any, list[str]]:
    """(the first document as JSON, repeated keys as upstream words them). Raises YAMLError with upstream's text."""
    builder = _Builder()
    try:
        root = _first_document(body)
        value = None if root is None else builder.value(root)
    except yaml.YAMLError as error:
        raise YAMLError(_problem(error)) from None
    if any(name in body for name in (b".n", b".N", b".i", b".I")):
        _check_writable(value)
    return value, builder.duplicates
