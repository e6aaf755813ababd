"""The types that ownership of fields is reckoned by: which lists are sets or maps, what is atomic.

On the path of every write this is the schema under `managed` and `apply`. Built lazily from OpenAPI v3 schemas, as
k8s.io/kube-openapi/pkg/schemaconv makes schemas for sigs.k8s.io/structured-merge-diff. A Node may be a scalar, a list
and a map at once (a schema without a type); the value then decides.

Built-in kinds are compared as Go structs upstream, of which even an empty one has members: `MapType.zero`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.fields import zero

Schema = dict[str, Any]
Resolve = Callable[[str], Schema]

NUMERIC, STRING, BOOLEAN, UNTYPED = "numeric", "string", "boolean", "untyped"

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Node:
    """A type: any of a scalar, a list and a map."""

    __slots__ = ("list", "map", "scalar")

    def __init__(self, scalar: str = "", list_: ListType | None = None, map_: MapType | None = None):
        self.scalar = scalar
        self.list = list_
        self.map = map_


class ListType:
    """`associative` without keys is a set. `keys` are those of a list of maps, with their defaults."""

    __slots__ = ("_element", "_keys", "associative", "key_names")

    def __init__(self, associative: bool, keys: tuple[str, ...], element: Callable[[], Node]):
        self.associative = associative
        self.key_names = keys
        self._element: Node | Callable[[], Node] = element
        self._keys: tuple[tuple[str, Any], ...] | None = None

    @property
    def element(self) -> Node:
        node = self._element
        if not isinstance(node, Node):
            node = self._element = node()
        return node

    @property
    def keys(self) -> tuple[tuple[str, Any], ...]:
        """(name, default or None) of each key, sorted by name as path elements are."""
        keys = self._keys
        if keys is None:
            fields = self.element.map
            defaults = fields.defaults if fields is not None else {}
            keys = self._keys = tuple((name, defaults.get(name)) for name in sorted(self.key_names))
        return keys


class MapType:
    """An object with `fields`, or with values of one type `element` (None: no others allowed), or both."""

    __slots__ = ("_element", "_fields", "_zero", "atomic", "defaults", "kind", "names")

    def __init__(
        self,
        atomic: bool,
        fields: dict[str, Callable[[], Node]],
        element: Callable[[], Node] | None,
        defaults: dict[str, Any],
        kind: tuple[str, str, str] | None = None,
    ):
        self.atomic = atomic
        self.names = frozenset(fields)
        self.defaults = defaults
        self.kind = kind  # (group, version, kind) of a built-in object
        self._fields: dict[str, Node | Callable[[], Node]] = dict(fields)
        self._element: Node | Callable[[], Node] | None = element
        self._zero: dict[str, Any] | None = None

    def field(self, name: str) -> Node | None:
        """The type of a member; that of unknown ones when it is not declared, None when there may be none."""
        node = self._fields.get(name)
        if type(node) is Node:
            return node
        if node is None:
            return self.element
        made = self._fields[name] = node() if callable(node) else node
        return made

    @property
    def element(self) -> Node | None:
        node = self._element
        if node is not None and not isinstance(node, Node):
            node = self._element = node()
        return node

    @property
    def zero(self) -> dict[str, Any]:
        """The JSON of an empty Go struct of this kind; nothing for custom resources."""
        if self.kind is None:
            return {}
        found = self._zero
        if found is None:
            found = self._zero = zero.of_kind(*self.kind)
        return found

    def with_relation(self, atomic: bool) -> MapType:
        """The same type where a reference to it says atomic or granular."""
        other = MapType(atomic, {}, None, self.defaults, self.kind)
        other.names, other._fields, other._element = self.names, self._fields, self._element
        return other


def _untyped_atomic() -> Node:
    return UNTYPED_ATOMIC


def _deduced() -> Node:
    return DEDUCED


# everything below is one leaf
UNTYPED_ATOMIC = Node(
    UNTYPED,
    ListType(False, (), _untyped_atomic),
    MapType(True, {}, _untyped_atomic, {}),
)
# the type of what has no schema: maps are split, lists are leaves
DEDUCED = Node(
    UNTYPED,
    ListType(False, (), _untyped_atomic),
    MapType(False, {}, _deduced, {}),
)


class _Library:
    """The named types behind one `resolve`, made once."""

    def __init__(self, resolve: Resolve, builtin: bool):
        self.resolve = resolve
        self.builtin = builtin
        self.named: dict[str, Node] = {
            _QUANTITY: Node(UNTYPED),
            _RAW_EXTENSION: UNTYPED_ATOMIC,
        }

    def by_name(self, name: str) -> Node:
        node = self.named.get(name)
        if node is None:
            node = self.named[name] = self.build(self.resolve(name), False)
        return node

    def reference(self, schema: Schema, preserve: bool) -> Callable[[], Node]:
        """The type of a member or element, not yet built."""
        name = _ref(schema)
        if not name:
            return lambda: self.build(schema, preserve)
        relation = schema.get("x-kubernetes-map-type")
        if relation is None:
            return lambda: self.by_name(name)
        return lambda: self.overridden(name, relation == "atomic")

    def overridden(self, name: str, atomic: bool) -> Node:
        node = self.by_name(name)
        if node.map is not None:
            return Node(node.scalar, node.list, node.map.with_relation(atomic))
        return node

    def build(self, schema: Schema, preserve: bool) -> Node:
        preserve = preserve or schema.get("x-kubernetes-preserve-unknown-fields") is True
        name = _ref(schema)
        if name:
            return self.by_name(name)
        kind = schema.get("type", "")
        if kind == "object":
            return Node(map_=self.object(schema, preserve))
        if kind == "array":
            return Node(list_=self.array(schema, preserve))
        if kind == "":
            return Node(UNTYPED, self.array(schema, preserve), self.object(schema, preserve))
        return Node(_scalar(kind, schema.get("format", "")))

    def object(self, schema: Schema, preserve: bool) -> MapType:
        properties: dict[str, Schema] = schema.get("properties") or {}
        fields = {name: self.reference(field, preserve) for name, field in properties.items()}
        defaults = {name: field["default"] for name, field in properties.items() if "default" in field}
        kinds = schema.get("x-kubernetes-group-version-kind") if self.builtin else None
        kind = (kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"]) if kinds else None
        atomic = schema.get("x-kubernetes-map-type") == "atomic"
        return MapType(atomic, fields, self.unknown(schema, preserve, properties), defaults, kind)

    def unknown(self, schema: Schema, preserve: bool, properties: dict[str, Schema]) -> Callable[[], Node] | None:
        """The type of undeclared members."""
        additional = schema.get("additionalProperties")
        if additional is None:
            return _deduced if preserve or not properties else None
        if isinstance(additional, dict):
            return self.reference(additional, preserve)
        return _deduced if additional else None

    def array(self, schema: Schema, preserve: bool) -> ListType:
        items = schema.get("items")
        element = self.reference(items, preserve) if isinstance(items, dict) else _untyped_atomic
        kind = schema.get("x-kubernetes-list-type")
        if kind == "map":
            return ListType(True, tuple(schema.get("x-kubernetes-list-map-keys", ())), element)
        if kind is None and "x-kubernetes-patch-strategy" in schema:
            if "merge" in schema["x-kubernetes-patch-strategy"].split(","):
                key = schema.get("x-kubernetes-patch-merge-key")
                return ListType(True, (key,) if key else (), element)
            return ListType(False, (), element)
        return ListType(kind == "set", (), element)


def _ref(schema: Schema) -> str:
    ref = schema.get("$ref", "")
    if not ref and len(schema.get("allOf", ())) == 1:
        ref = schema["allOf"][0].get("$ref", "")
    return str(ref).rpartition("/")[2]


def _scalar(kind: str, format_: str) -> str:
    if kind in ("integer", "number"):
        return NUMERIC
    if kind == "boolean":
        return BOOLEAN
    if kind == "string" and format_ in ("", "byte"):
        return STRING
    return UNTYPED


_LIBRARIES: dict[tuple[Resolve, bool], _Library] = {}


def _library(resolve: Resolve, builtin: bool) -> _Library:
    library = _LIBRARIES.get((resolve, builtin))
    if library is None:
        library = _LIBRARIES[(resolve, builtin)] = _Library(resolve, builtin)
    return library


def from_openapi(schema: Schema, resolve: Resolve) -> Node:
    """The type of a built-in kind; `schema` may be `{"$ref": name}`. Types are kept per `resolve`, so pass the same
    function every time."""
    return _library(resolve, True).build(schema, False)


def from_structural(schema: Schema | None, resolve: Resolve, preserve_unknown: bool = False) -> Node:
    """The type of a version of a custom resource; `schema` is its openAPIV3Schema, `resolve` finds ObjectMeta.

    As upstream's OpenAPI builder, objects (and embedded resources) get apiVersion, kind and metadata."""
    if schema is None:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return _library(resolve, False).build(_with_object_fields(_embedded(schema)), preserve_unknown)


def _with_object_fields(schema: Schema) -> Schema:
    properties = dict(schema.get("properties") or {})
    properties["metadata"] = {"$ref": OBJECT_META}
    properties["apiVersion"] = properties["kind"] = {"type": "string"}
    return {**schema, "properties": properties}


def _embedded(schema: Schema) -> Schema:
    out = dict(schema)
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {name: _embedded(field) for name, field in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            out[key] = _embedded(schema[key])
    return _with_object_fields(out) if schema.get("x-kubernetes-embedded-resource") is True else out
