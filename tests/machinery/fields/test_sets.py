"""Field sets: the laws of their algebra, their order and spelling."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.fields import sets as fs

names = st.sampled_from("abc").map(lambda name: f"f:{name}")
elements = names | st.sampled_from(['k:{"n":"a"}', 'k:{"n":2}', 'v:"x"', "v:3", "v:20", "i:0"])
member_paths = st.lists(st.lists(elements, min_size=1, max_size=3).map(tuple), max_size=6)
field_sets = member_paths.map(lambda paths: fs.of_paths(*paths))


def members(fields):
    return set(fs.paths(fields))


@given(member_paths)
def test_a_set_has_the_paths_it_was_made_of(paths):
    fields = fs.of_paths(*paths)
    assert members(fields) == set(paths)
    assert all(fs.has(fields, path) for path in paths)
    assert fs.size(fields) == len(set(paths))
    assert not fs.has(fields, ())
    assert not fs.has(fields, ("f:absent", "f:x"))


@given(field_sets, field_sets)
def test_union_intersection_and_difference_are_those_of_the_paths(left, right):
    assert members(fs.union(left, right)) == members(left) | members(right)
    assert members(fs.intersection(left, right)) == members(left) & members(right)
    assert members(fs.difference(left, right)) == members(left) - members(right)


@given(field_sets, field_sets)
def test_recursive_difference_takes_what_is_below(left, right):
    gone = members(right)
    kept = {path for path in members(left) if not any(path[:length] in gone for length in range(1, len(path) + 1))}
    assert members(fs.recursive_difference(left, right)) == kept


@given(field_sets)
def test_leaves_have_nothing_below(fields):
    everything = members(fields)
    lonely = {p for p in everything if not any(q[: len(p)] == p and q != p for q in everything)}
    assert members(fs.leaves(fields)) == lonely


@given(field_sets, field_sets, field_sets)
def test_laws(a, b, c):
    assert fs.union(a, b) == fs.union(b, a)
    assert fs.union(fs.union(a, b), c) == fs.union(a, fs.union(b, c))
    assert fs.union(a, a) == a == fs.intersection(a, a)
    assert fs.intersection(a, fs.union(b, c)) == fs.union(fs.intersection(a, b), fs.intersection(a, c))
    assert fs.difference(a, fs.union(b, c)) == fs.difference(fs.difference(a, b), c)
    assert fs.union(fs.difference(a, b), fs.intersection(a, b)) == a
    assert fs.difference(a, a) == {} == fs.recursive_difference(a, a)


@given(field_sets, field_sets)
def test_arguments_are_left_alone_and_results_are_in_order(a, b):
    before = json.dumps(a), json.dumps(b)
    for result in (fs.union(a, b), fs.intersection(a, b), fs.difference(a, b), fs.recursive_difference(a, b)):
        assert_ordered(result)
    assert (json.dumps(a), json.dumps(b)) == before


def assert_ordered(fields):
    keys = [key for key in fields if key != "."]
    assert keys == sorted(keys, key=fs.order)
    assert "." not in fields or next(iter(fields)) == "."
    for key in keys:
        assert_ordered(fields[key])


@given(field_sets)
def test_codec_round_trip(fields):
    assert fs.canonical(json.loads(json.dumps(fields))) == fields


@given(field_sets, st.randoms())
def test_any_order_of_keys_reads_the_same(fields, random):
    def shuffled(node):
        keys = list(node)
        random.shuffle(keys)
        return {key: shuffled(node[key]) for key in keys}

    read = fs.canonical(shuffled(fields))
    assert read == fields
    assert_ordered(read)


def test_order_of_elements():
    given_order = [
        "i:10",
        "i:9",
        'v:"b"',
        "v:10",
        "v:9",
        "v:true",
        'k:{"a":"z"}',
        'k:{"a":2}',
        'k:{"a":1,"b":1}',
        "f:b",
        "f:a",
    ]
    assert sorted(given_order, key=fs.order) == [
        "f:a",
        "f:b",
        'k:{"a":1,"b":1}',
        'k:{"a":2}',
        'k:{"a":"z"}',
        "v:9",
        "v:10",
        'v:"b"',
        "v:true",
        "i:9",
        "i:10",
    ]


def test_spelling_of_elements():
    assert fs.key_element([("port", 80), ("protocol", "TCP")]) == 'k:{"port":80,"protocol":"TCP"}'
    assert fs.value_element('a<b>&"c') == 'v:"a\\u003cb\\u003e\\u0026\\"c"'
    assert fs.value_element(80.0) == "v:80"
    assert fs.value_element("é/x") == 'v:"é/x"'


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:a"), ".spec.a"),
        (('k:{"port":80,"proto":"TCP"}', "f:v"), '[port=80,proto="TCP"].v'),
        (('v:"x"',), '[="x"]'),
        (("v:true",), "[=true]"),
        (("i:3",), "[3]"),
    ],
)
def test_paths_as_errors_print_them(path, text):
    assert fs.path_text(path) == text


def test_foreign_documents_are_made_canonical():
    document = {
        "f:a": {".": {}},
        'k:{ "b": 1, "a": "x" }': {"f:c": {}, ".": {}},
        "x:new": {"f:z": {}},
        "f:b": {"x:new": {}},
    }
    assert fs.canonical(document) == {"f:a": {}, "f:b": {}, 'k:{"a":"x","b":1}': {".": {}, "f:c": {}}}


@pytest.mark.parametrize("key", ["a", "nocolon", "k:[]", "k:{", "v:", "i:x"])
def test_bad_elements(key):
    with pytest.raises(fs.BadElement):
        fs.canonical({key: {}})
