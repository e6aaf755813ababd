"""Results of strategic merge patches that do not fit; texts as recorded, and from the converter's own cases."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.kit.quantity import FORMAT_WRONG
from wherry.machinery.typed import DecodeError, decoder


@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        ("ConfigMap", {"data": []}, "cannot restore map from slice"),
        ("ConfigMap", {"data": {"a": 1}}, "cannot convert int64 to string"),
        ("ConfigMap", {"data": {"a": True}}, "unrecognized type: string"),
        ("ConfigMap", {"metadata": {"ownerReferences": {}}}, "cannot restore slice from map"),
        ("ConfigMap", {"metadata": {"finalizers": "x"}}, "cannot restore slice from string"),
        ("ConfigMap", {"metadata": "x"}, "cannot restore struct from: string"),
        ("ConfigMap", {"immutable": "x"}, "unrecognized type: bool"),
        ("ConfigMap", {"binaryData": {"a": "!"}}, "error decoding from json: illegal base64 data at input byte 0"),
        ("Service", {"spec": {"type": 1}}, "cannot convert int64 to v1.ServiceType"),
        ("Pod", {"spec": {"containers": [{"ports": [{"containerPort": "81"}]}]}}, "unrecognized type: int32"),
        ("Pod", {"spec": {"priority": 1.5}}, "cannot convert float64 to int32"),
        ("Pod", {"spec": {"overhead": {"cpu": "x"}}}, FORMAT_WRONG),
        (
            "Service",
            {"spec": {"ports": [{"targetPort": True}]}},
            "json: cannot unmarshal bool into Go value of type int32",
        ),
    ],
)
def test_what_does_not_fit(kind: str, raw: Any, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decoder("", "v1", kind).convert(raw)
    assert str(caught.value) == message


def test_numbers_are_taken_more_freely() -> None:
    found = decoder("", "v1", "Pod").convert({"spec": {"priority": 8.0, "containers": []}}).obj
    assert found["spec"]["priority"] == 8
    assert type(found["spec"]["priority"]) is int


def test_what_fits_is_decoded_as_ever() -> None:
    raw = {"data": {"b": "1", "a": "2"}, "extra": 1}
    found = decoder("", "v1", "ConfigMap").convert(raw)
    assert found.obj == {"metadata": {}, "data": {"a": "2", "b": "1"}}
    assert found.unknown == ['unknown field "extra"']
