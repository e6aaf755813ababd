"""Python classes become kinds, with schemas that the API takes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest

from wherry.machinery.crd.models import ModelRefused, definition, schema

OPEN = {"x-kubernetes-preserve-unknown-fields": True}


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Berth:
    length: float
    covered: bool = False


@dataclass
class Boat:
    """A boat."""

    oars: int
    color: Color = Color.RED
    owner: str | None = None
    port: int | str = 80
    berth: Berth = field(default_factory=lambda: Berth(3.5))
    crew: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    built: datetime | None = None
    rig: Literal["sprit", "none"] = "none"
    more: Any = None


class PydanticBerth(pydantic.BaseModel):
    length: Annotated[float, pydantic.Field(gt=0)]
    covered: bool = False


class PydanticBoat(pydantic.BaseModel):
    oars: int = pydantic.Field(ge=1, le=8)
    berth: PydanticBerth
    spare: PydanticBerth | None = None
    port: int | str = 80


class StructBerth(msgspec.Struct):
    length: float


class StructBoat(msgspec.Struct):
    oars: Annotated[int, msgspec.Meta(ge=1)]
    berth: StructBerth
    owner: str | None = None


@dataclass
class Loop:
    inner: Loop | None = None


class PydanticLoop(pydantic.BaseModel):
    inner: PydanticLoop | None = None


@dataclass
class Whole:
    spec: Berth
    status: Berth | None = None


def test_a_dataclass_says_types_defaults_and_what_is_required() -> None:
    assert schema(Boat) == {
        "type": "object",
        "description": "A boat.",
        "required": ["oars"],
        "properties": {
            "oars": {"type": "integer"},
            "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "owner": {"type": "string", "nullable": True},
            "port": {"x-kubernetes-int-or-string": True, "default": 80},
            "berth": {
                "type": "object",
                "required": ["length"],
                "default": {"length": 3.5, "covered": False},
                "properties": {"length": {"type": "number"}, "covered": {"type": "boolean", "default": False}},
            },
            "crew": {"type": "array", "items": {"type": "string"}, "default": []},
            "flags": {"type": "array", "items": {"type": "string"}, "default": [], "x-kubernetes-list-type": "set"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
            "built": {"type": "string", "format": "date-time", "nullable": True},
            "rig": {"type": "string", "enum": ["sprit", "none"], "default": "none"},
            "more": OPEN,
        },
    }


def test_a_pydantic_model_keeps_its_limits() -> None:
    found = schema(PydanticBoat)["properties"]
    berth = {
        "type": "object",
        "required": ["length"],
        "properties": {
            "length": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "covered": {"type": "boolean", "default": False},
        },
    }
    assert found == {
        "oars": {"type": "integer", "minimum": 1, "maximum": 8},
        "berth": berth,
        "spare": {**berth, "nullable": True},
        "port": {"x-kubernetes-int-or-string": True, "default": 80},
    }


def test_a_msgspec_struct_is_described_by_msgspec() -> None:
    found = schema(StructBoat)
    assert found["required"] == ["oars", "berth"]
    assert found["properties"]["oars"] == {"type": "integer", "minimum": 1}
    assert found["properties"]["owner"] == {"type": "string", "nullable": True}
    assert found["properties"]["berth"]["properties"] == {"length": {"type": "number"}}


@pytest.mark.parametrize("model", [Loop, PydanticLoop])
def test_what_contains_itself_is_refused(model: type) -> None:
    with pytest.raises(ModelRefused, match="contains itself"):
        schema(model)


def test_other_classes_are_refused() -> None:
    with pytest.raises(ModelRefused, match="int is no dataclass"):
        schema(int)


def test_names_follow_the_class() -> None:
    made = definition(Boat, "example.com", short_names=["bt"], columns={"Oars": ".spec.oars"})
    assert made["metadata"]["name"] == "boats.example.com"
    assert made["spec"]["names"] == {
        "kind": "Boat", "listKind": "BoatList", "plural": "boats", "singular": "boat", "shortNames": ["bt"],
    }  # fmt: skip
    version = made["spec"]["versions"][0]
    assert version["additionalPrinterColumns"] == [{"name": "Oars", "jsonPath": ".spec.oars", "type": "integer"}]
    assert version["schema"]["openAPIV3Schema"]["required"] == ["spec"]
    assert "subresources" not in version


@pytest.mark.parametrize(
    ("kind", "plural"), [("Policy", "policies"), ("Switch", "switches"), ("Key", "keys"), ("Box", "boxes")]
)
def test_plurals_are_english(kind: str, plural: str) -> None:
    assert definition(Boat, "example.com", kind=kind)["spec"]["names"]["plural"] == plural


@pytest.mark.parametrize("how", [{"model": Whole}, {"model": Berth, "status": Berth}])
def test_a_status_is_a_subresource(how: dict[str, Any]) -> None:
    version = definition(how["model"], "example.com", status=how.get("status"))["spec"]["versions"][0]
    assert version["subresources"] == {"status": {}}
    assert set(version["schema"]["openAPIV3Schema"]["properties"]) == {"spec", "status"}
