"""ObjectMeta of custom objects: canonical form, unknown fields, wrong types, and what is kept of stored metadata."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.machinery.schema.objectmeta import _FIELDS, MetaError, _Decoder, _quick, coerce_object_meta


def test_canonical_form() -> None:
    meta = {
        "name": "a",
        "generateName": "",
        "labels": {"a": "b"},
        "annotations": {},
        "generation": 0,
        "deletionGracePeriodSeconds": 0,
        "creationTimestamp": "2026-01-01T01:00:00.5+01:00",
        "deletionTimestamp": None,
        "finalizers": [],
        "ownerReferences": [{"name": "o", "controller": False, "zzz": 1}],
        "managedFields": [{"manager": "m", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:x": {}}, "yyy": 1}],
        "xxx": 1,
    }
    out, unknown = coerce_object_meta(meta)
    assert out == {
        "name": "a",
        "labels": {"a": "b"},
        "deletionGracePeriodSeconds": 0,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"apiVersion": "", "kind": "", "name": "o", "uid": "", "controller": False}],
        "managedFields": [{"manager": "m", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:x": {}}}],
    }
    assert unknown == ["managedFields[0].yyy", "ownerReferences[0].zzz", "xxx"]


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"name": 1}, "json: cannot unmarshal number into Go struct field ObjectMeta.name of type string"),
        ({"uid": True}, "json: cannot unmarshal bool into Go struct field ObjectMeta.uid of type types.UID"),
        (
            {"finalizers": "x"},
            "json: cannot unmarshal string into Go struct field ObjectMeta.finalizers of type []string",
        ),
        (
            {"ownerReferences": [{"uid": 1}]},
            "json: cannot unmarshal number into Go struct field OwnerReference.ownerReferences.uid of type types.UID",
        ),
        ({"creationTimestamp": 1}, "json: cannot unmarshal number into Go value of type string"),
        ({"creationTimestamp": "x"}, 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ([], "json: cannot unmarshal array into Go value of type v1.ObjectMeta"),
    ],
)
def test_wrong_types(meta: Any, why: str) -> None:
    with pytest.raises(MetaError) as caught:
        coerce_object_meta(meta)
    assert str(caught.value) == why


def test_stored_metadata_loses_only_what_is_wrong() -> None:
    meta = {"name": "a", "labels": {"a": 1}, "generation": "x"}
    assert coerce_object_meta(meta, drop_invalid=True) == ({"name": "a"}, [])


_TEXTS = st.sampled_from(["", "x", "2026-01-01T00:00:00Z"])
_LISTS = st.lists(st.sampled_from(["", "x", 1]), max_size=2)
_MAPS = st.dictionaries(st.just("k"), st.sampled_from(["", "v", 1]), max_size=1)
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-1, 1), st.just(1.5), _TEXTS, _LISTS, _MAPS)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(meta=st.dictionaries(st.sampled_from([*_FIELDS, "other"]), _VALUES, max_size=4))
def test_the_quick_way_gives_what_the_decoder_gives(meta: dict[str, Any]) -> None:
    quick = _quick(meta)
    if quick is not None:
        decoder = _Decoder()
        assert quick == decoder.struct(meta, "ObjectMeta", _FIELDS, "", "")
        assert (decoder.error, decoder.unknown) == (None, [])
