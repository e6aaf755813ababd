"""A custom type with a field of every kind, and strategies that make its objects, shared by the tests here."""

from hypothesis import strategies as st

from wherry.machinery.builtins import schema
from wherry.machinery.fields.nodes import from_structural

_STRING = {"type": "string"}
_PAIR = {"type": "object", "properties": {"a": _STRING, "b": _STRING}}
_ITEM = {
    "type": "object",
    "properties": {
        "name": _STRING,
        "v": _STRING,
        "in": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
        "o": _PAIR,
    },
}
_PORT = {
    "type": "object",
    "properties": {"port": {"type": "integer"}, "proto": {**_STRING, "default": "TCP"}, "v": _STRING},
}
SPEC = {
    "s": _STRING,
    "n": {"type": "integer"},
    "b": {"type": "boolean"},
    "ios": {"x-kubernetes-int-or-string": True},
    "set": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
    "items": {"type": "array", "items": _ITEM, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    "ports": {
        "type": "array",
        "items": _PORT,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "proto"],
    },
    "list": {"type": "array", "items": _STRING},
    "atomic": {**_PAIR, "x-kubernetes-map-type": "atomic"},
    "map": {"type": "object", "additionalProperties": _STRING},
    "maps": {"type": "object", "additionalProperties": _PAIR},
    "deep": {"type": "object", "properties": {"x": {"type": "object", "properties": {"y": _STRING, "z": _STRING}}}},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"k": _STRING}},
    "self": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": SPEC},
        "status": {"type": "object", "properties": {"p": _STRING}},
    },
}
API_VERSION = "example.com/v1"
NODE = from_structural(SCHEMA, schema)


def widget(spec=None, **metadata):
    obj = {"apiVersion": API_VERSION, "kind": "Widget", "metadata": {"name": "w", **metadata}}
    if spec is not None:
        obj["spec"] = spec
    return obj


letters = st.sampled_from("abc")
pairs = st.dictionaries(st.sampled_from("ab"), letters, max_size=2)


def keyed(name, keys, others):
    """Lists of maps with unique keys."""
    item = st.fixed_dictionaries({name: keys}, optional=others)
    return st.lists(item, max_size=3, unique_by=lambda one: one[name])


sets = st.lists(letters, unique=True, max_size=3)
specs = st.fixed_dictionaries(
    {},
    optional={
        "s": letters,
        "n": st.integers(-3, 30),
        "b": st.booleans(),
        "ios": st.integers(1, 3) | st.just("50%"),
        "set": sets,
        "items": keyed("name", letters, {"v": letters, "in": sets, "o": pairs}),
        "ports": keyed("port", st.integers(80, 82), {"v": letters, "proto": st.sampled_from(["TCP", "UDP"])}),
        "list": st.lists(letters, max_size=2),
        "atomic": pairs,
        "map": st.dictionaries(st.sampled_from("xyz"), letters, max_size=3),
        "maps": st.dictionaries(st.sampled_from("xyz"), pairs, max_size=3),
        "deep": st.fixed_dictionaries({}, optional={"x": st.dictionaries(st.sampled_from("yz"), letters, max_size=2)}),
        "any": st.dictionaries(st.sampled_from("kl"), letters, max_size=2),
    },
)
