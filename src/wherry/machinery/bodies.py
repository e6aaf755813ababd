"""From the bytes of a request to an object: the first station of a write.

`decode_untyped` parses a body and finds out what it claims to be; `decode_object` goes on, for built-in kinds, to the
canonical object of the endpoint's version. Custom resources stop after the first and go through their schema.
Follows k8s.io/apimachinery/pkg/runtime/serializer (json, protobuf, versioning) and the create and update handlers of
k8s.io/apiserver, whose error texts these are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol

import orjson

from wherry.errors import BadRequest, go_quote
from wherry.kit import gojson
from wherry.machinery.builtins import AGGREGATION, EXTENSIONS, OPTION_KINDS, UNVERSIONED_KINDS
from wherry.machinery.kinds import Obj
from wherry.machinery.typed import DecodeError, NeedLiteral, decoder
from wherry.machinery.typed.context import MOST_STRICT_ERRORS

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
FieldValidation = Literal["Ignore", "Warn", "Strict"]

# Where upstream's servers keep their tables of kinds: error texts name the line.
SCHEME = "pkg/api/legacyscheme/scheme.go:30"
SCHEMES = {EXTENSIONS: "pkg/apiserver/apiserver.go:55", AGGREGATION: "pkg/apiserver/scheme/scheme.go:28"}
OPTIONS_SCHEME = "pkg/apis/meta/internalversion/scheme/register.go:27"
_FIND_KIND = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_PLAIN_KEYS = frozenset(("kind", "apiVersion", "metadata", "spec", "status", "data"))
_SUMMARY = 30  # bytes of a body that an error shows


class Target(Protocol):
    """What an endpoint speaks: a Resource or a Subresource."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Untyped(NamedTuple):
    """A parsed body and what it says it is. `group`, `version` and `kind` are as written, empty where absent."""

    raw: Any
    group: str
    version: str
    kind: str
    duplicates: list[str]  # keys a YAML body repeats; those of a JSON body are found while decoding
    plain: bool = True  # False if the document may hold `gojson.Pairs` or `gojson.Literal`


class Decoded(NamedTuple):
    obj: Obj
    warnings: list[str]


# --- texts -----------------------------------------------------------------------------------------------------------


def summary(body: bytes) -> str:
    """The start of a body, as errors show it: as text if it looks like JSON, else in hex."""
    if not body:
        return "<empty>"
    start = body[:_SUMMARY]
    text = start.decode("utf-8", "wherry-go-replace") if body[:1] == b"{" else start.hex()
    return f"{text} ..." if len(body) > _SUMMARY else text


def unrecognized(target_kind: str, why: str, body: bytes) -> BadRequest:
    return BadRequest(f"the object provided is unrecognized (must be of type {target_kind}): {why} ({summary(body)})")


def unfit(kind: str, version: str, target_kind: str, why: str) -> BadRequest:
    return BadRequest(f'{kind} in version "{version}" cannot be handled as a {target_kind}: {why}')


def group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def not_registered(group: str, version: str, kind: str, scheme: str) -> str:
    where = go_quote(group_version(group, version))
    return f"no kind {go_quote(kind)} is registered for version {where} in scheme {go_quote(scheme)}"


def strict_text(errors: list[str]) -> str:
    return "strict decoding error: " + ", ".join(errors)


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_json(body: bytes) -> Any:
    """A JSON document; objects that repeat a key come as `gojson.Pairs`. Raises `gojson.JSONError` with Go's text."""
    return gojson.loads(body)


def parse_yaml(body: bytes) -> tuple[Any, list[str]]:
    """(document, repeated keys in strict-decoding form). Raises `goyaml.YAMLError` with upstream's text."""
    value, repeated, plain = _read_yaml(body)
    return value if plain else gojson.plain(value), repeated


def parse_apply(body: bytes) -> tuple[Obj, list[str]]:
    """(object, strict errors) of a server-side apply, whose bodies are YAML whatever they look like.

    Nothing at all is an empty object. Raises BadRequest in the words of upstream's patch handler. Strict errors make
    `error strict decoding YAML: <error>` where they refuse and `strict_warnings` where they warn, both only after the
    apply itself has gone well.
    """
    try:
        value, repeated = parse_yaml(body)
    except ValueError as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if value is not None and not isinstance(value, dict):
        why = f"json: cannot unmarshal {gojson.kind_name(value)} into Go value of type map[string]interface {{}}"
        raise BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    return value or {}, [f"error converting YAML to JSON: {problem}" for problem in repeated]


def _read_yaml(body: bytes) -> tuple[Any, list[str], bool]:
    """As `parse_yaml`, but floats are `gojson.Literal` unless the third part of the answer says otherwise.

    Most of what is sent as YAML is JSON, which is read a hundred times faster. Left to the YAML reader are documents
    that repeat a key, and the few characters that JSON may hold and YAML may not.
    """
    if body[:1] == b"{" and b"\\u" not in body and b"\x7f" not in body and body.isascii():
        try:
            found, plain = gojson.read(body)
            if plain:
                return orjson.loads(orjson.dumps(found, option=orjson.OPT_SORT_KEYS)), [], True
        except ValueError:
            pass  # YAML after all
    from wherry.kit import goyaml

    value, repeated = goyaml.loads(body)
    return value, ["yaml: unmarshal errors:\n  " + "\n  ".join(repeated)] if repeated else [], False


def duplicate_keys(raw: Any, path: str = "") -> list[str]:
    """`duplicate field "spec.x"` for every repeated key of an untyped document (or part of one, at `path`), in its
    order."""
    found: dict[str, None] = {}

    def visit(value: Any, path: str) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                visit(item, f"{path}[{index}]")
        elif isinstance(value, dict):
            seen: set[str] = set()
            for key, item in value.pairs if isinstance(value, gojson.Pairs) else value.items():
                here = f"{path}.{key}" if path else key
                if key in seen:
                    found[f"duplicate field {go_quote(here)}"] = None
                seen.add(key)
                visit(item, here)

    visit(raw, path)
    return list(found)[:MOST_STRICT_ERRORS]


@lru_cache(maxsize=1024)
def split_api_version(text: str) -> tuple[str, str]:
    """schema.ParseGroupVersion; ValueError with its text."""
    if text in ("", "/"):
        return "", ""
    group, slash, version = text.partition("/")
    if not slash:
        return "", text
    if "/" in version:
        raise ValueError(f"unexpected GroupVersion string: {text}")
    return group, version


def _claims(raw: Any) -> tuple[str, str]:
    """(apiVersion, kind) of a document, found as Go's case-insensitive decoder finds them; ValueError with its text."""
    if not isinstance(raw, dict):
        if raw is None:
            return "", ""
        raise ValueError(f"json: cannot unmarshal {gojson.kind_name(raw)} into Go value of type {_FIND_KIND}")
    if _PLAIN_KEYS.issuperset(raw) and raw.__class__ is dict:
        api_version, kind = raw.get("apiVersion", ""), raw.get("kind", "")
        if api_version.__class__ is str and kind.__class__ is str:
            return api_version, kind
    found = {"apiVersion": "", "kind": ""}
    names = {"apiversion": "apiVersion", "kind": "kind"}
    fault = ""
    for key, value in raw.pairs if isinstance(raw, gojson.Pairs) else raw.items():
        name = names.get(key.casefold())
        if name is None or value is None:
            continue
        if isinstance(value, str):
            found[name] = value
        else:
            fault = fault or (
                f"json: cannot unmarshal {gojson.kind_name(value)} into Go struct field .{name} of type string"
            )
    if fault:
        raise ValueError(fault)
    return found["apiVersion"], found["kind"]


def decode_untyped(body: bytes, media_type: str, target_kind: str) -> Untyped:
    """Parse a JSON or YAML body and read what it claims to be; refusals name the endpoint's kind."""
    duplicates: list[str] = []
    plain = False
    try:
        if media_type == YAML:
            raw, duplicates, plain = _read_yaml(body)
        else:
            raw, plain = gojson.read(body)
    except gojson.JSONError as error:
        raise unrecognized(target_kind, f"couldn't get version/kind; json parse error: {error}", body) from None
    except ValueError as error:
        raise unrecognized(target_kind, str(error), body) from None
    try:
        api_version, kind = _claims(raw)
    except ValueError as error:
        raise unrecognized(target_kind, f"couldn't get version/kind; json parse error: {error}", body) from None
    try:
        group, version = split_api_version(api_version)
    except ValueError as error:
        raise unrecognized(target_kind, str(error), body) from None
    return Untyped(raw, group, version, kind, duplicates, plain)


def decode_custom(body: bytes, media_type: str, target: Target) -> Untyped:
    """The head for custom resources: kind and version have to be there, and the version has to be the endpoint's."""
    found = decode_untyped(body, media_type, target.kind)
    if not found.kind or not isinstance(found.raw, dict):
        shown = body.decode("utf-8", "wherry-go-replace")
        raise unrecognized(target.kind, f"Object 'Kind' is missing in '{shown}'", body)
    check_version(found.group, found.version, target)
    raw = found.raw
    if not found.plain:
        if media_type == JSON and (text := _beyond_float(gojson.read_exactly(body))):
            why = f"json: cannot unmarshal number {text} into Go value of type float64"
            raise unfit(found.kind, found.version, target.kind, why)
        found = found._replace(duplicates=[*found.duplicates, *duplicate_keys(raw)], plain=True)
        raw = gojson.plain(raw)
    # Untyped integers are 64 bits with a sign; what is larger is a float.
    return found._replace(raw=_fitting(raw)) if _LONG_NUMBER.search(body) else found._replace(raw=raw)


_LONG_NUMBER = re.compile(rb"\d{19}")


def _fitting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _fitting(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_fitting(item) for item in value]
    return float(value) if value.__class__ is int and not -(1 << 63) <= value < 1 << 63 else value


def _beyond_float(value: Any) -> str:
    """The text of the first number that no float64 can hold."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return next(filter(None, map(_beyond_float, items)), "")
    return value.text if isinstance(value, gojson.Literal) and value in (float("inf"), float("-inf")) else ""


# --- what a body may claim -------------------------------------------------------------------------------------------

_META_KINDS = OPTION_KINDS | UNVERSIONED_KINDS
# Kinds that moved: where their one internal form lives.
_MOVED = {
    "Deployment": "apps", "DaemonSet": "apps", "ReplicaSet": "apps", "Ingress": "networking",
    "NetworkPolicy": "networking", "Scale": "autoscaling", "Event": "core",
}  # fmt: skip
# Endpoints that take bodies of other versions than the one they list.
_ALSO_ACCEPTED = {
    ("policy", "Eviction"): {"policy/v1beta1"},
    ("autoscaling", "Scale"): {"extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"},
}


def _internal(group: str, version: str, kind: str) -> str:
    """`apps.Deployment`: the internal type that all versions of a kind share."""
    from wherry.machinery.builtins import type_facts

    if kind in _META_KINDS:
        return f"meta.{kind}"
    package = type_facts()["packages"][f"{group}/{version}"].partition("/")[0]
    if package in ("extensions", "apps", "events"):
        package = _MOVED.get(kind.removesuffix("List"), package)
    return f"{package}.{kind}"


def check_version(group: str, version: str, target: Target) -> None:
    """Refuse a body of another version than the endpoint's."""
    if (group, version) == (target.group, target.version):
        return
    written = group_version(group, version)
    if written in _ALSO_ACCEPTED.get((target.group, target.kind), ()):
        return
    expected = group_version(target.group, target.version)
    raise BadRequest(f"the API version in the data ({written}) does not match the expected API version ({expected})")


def _complete(found: Untyped, target: Target) -> tuple[str, str, str]:
    """What the body claims, with the endpoint's word where it says nothing (gvkWithDefaults)."""
    group, version, kind = found.group, found.version, found.kind or target.kind
    if not version and not group:
        group, version = target.group, target.version
    elif not version and group == target.group:
        version = target.version
    return group, version, kind


# --- typed -----------------------------------------------------------------------------------------------------------


def decode_object(body: bytes, media_type: str, target: Target, field_validation: FieldValidation = "Warn") -> Decoded:
    """A body as the canonical object of a built-in endpoint, with the warnings that go with it.

    Raises BadRequest, worded as upstream words it, for anything that is not an object of the endpoint's kind and
    version; with "Strict", for unknown and repeated fields too.
    """
    if media_type == PROTOBUF:
        return _decode_protobuf(body, target)
    found = decode_untyped(body, media_type, target.kind)
    shown = "" if found.version or not found.group else body.decode("utf-8", "wherry-go-replace")
    try:
        return decode_parsed(found, target, field_validation, shown)
    except NeedLiteral:
        raw = gojson.literal(found.raw) if media_type == YAML else gojson.read_exactly(body)
        return decode_parsed(found._replace(raw=raw, plain=False), target, field_validation, shown)


def decode_parsed(
    found: Untyped, target: Target, field_validation: FieldValidation = "Warn", shown: str = ""
) -> Decoded:
    """The second half of `decode_object`; `shown` is the document where an error quotes it whole.

    Raises NeedLiteral if the digits of a number matter and are lost."""
    group, version, kind, duplicates = found.group, found.version, found.kind, found.duplicates
    same = _is(group, version, kind, target)
    if not same:
        group, version, kind = _complete(found, target)
        same = _is(group, version, kind, target)
    try:
        made, strict = _as_claimed(group, version, kind, found.raw, target, shown)
    except DecodeError as error:
        raise unfit(kind, version, target.kind, str(error)) from None
    warnings: list[str] = []
    if (strict or duplicates) and field_validation != "Ignore":
        problems = [*duplicates, *strict]
        if field_validation == "Strict":
            raise unfit(kind, version, target.kind, strict_text(problems))
        warnings = strict_warnings(problems)
    if not same:
        check_version(group, version, target)
    return Decoded(named(made if found.plain else gojson.plain(made), target), warnings)


def _is(group: str, version: str, kind: str, target: Target) -> bool:
    return kind == target.kind and version == target.version and group == target.group


def _as_claimed(
    group: str, version: str, kind: str, raw: Any, target: Target, shown: str = ""
) -> tuple[Obj, list[str]]:
    """(object, strict errors) through the type that a document claims, which must be convertible to the endpoint's.

    Raises DecodeError, and NeedLiteral if the digits of a number matter and are lost."""
    if _is(group, version, kind, target):
        return _decode(group, version, kind, raw, target)
    _check_known(group, version, kind, target, shown)
    made = _decode(group, version, kind, raw, target)
    ours = _internal(target.group, target.version, target.kind)
    if _internal(group, version, kind) != ours:
        package = "v1" if kind in _META_KINDS else version
        raise DecodeError(f"converting ({package}.{kind}) to ({ours}): unknown conversion")
    return made


def _check_known(group: str, version: str, kind: str, target: Target, shown: str) -> None:
    from wherry.machinery.typed.facts import registered_kinds

    if not version:
        raise DecodeError(f"Object 'apiVersion' is missing in '{shown}'")
    if kind not in UNVERSIONED_KINDS and kind not in registered_kinds(group, version, target.group):
        raise DecodeError(not_registered(group, version, kind, SCHEMES.get(target.group, SCHEME)))


def decode_patched(raw: Any, target: Target) -> tuple[Obj, list[str]]:
    """(object, strict errors) of the document that a JSON or merge patch made.

    It is read as a stored document is: into the internal type, so that it may leave out its kind, but one without a
    version is taken for internal, of whose members only kind and apiVersion have names in JSON. Raises BadRequest whose
    message is the bare text."""
    try:
        api_version, kind = _claims(raw)
        group, version = split_api_version(api_version)
        kind = kind or target.kind
        if not group and not version:
            unknown = [f"unknown field {go_quote(key)}" for key in raw if key not in ("kind", "apiVersion")]
            return {"kind": target.kind, "apiVersion": group_version(target.group, target.version)}, unknown
        made, strict = _patched(group, version, kind, raw, target)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return named(made, target), strict


def _patched(group: str, version: str, kind: str, raw: Any, target: Target) -> tuple[Obj, list[str]]:
    """Nobody has the bytes any more: where the digits of a number matter, those that Go would write have to do."""
    shown = "" if version else orjson.dumps(raw).decode()
    try:
        return _as_claimed(group, version, kind, raw, target, shown)
    except NeedLiteral:
        made, strict = _as_claimed(group, version, kind, gojson.literal(raw), target, shown)
        return gojson.plain(made), strict


def _decode(group: str, version: str, kind: str, raw: Any, target: Target) -> tuple[Obj, list[str]]:
    """Through the type that the body claims; versions whose types are not kept are read as the endpoint's."""
    try:
        found = decoder(group, version, kind)
    except KeyError:
        if kind != target.kind:
            return {}, []
        found = decoder(target.group, target.version, target.kind)
    obj, strict = found.attempt(raw)
    return keep_reset(raw, obj), strict


def keep_reset(raw: Any, obj: Obj) -> Obj:
    """`managedFields: []` asks to forget all owners, which the canonical form can't tell from saying nothing."""
    meta = raw.get("metadata") if isinstance(raw, dict) else None
    if isinstance(meta, dict) and meta.get("managedFields") == [] and "metadata" in obj:
        obj["metadata"]["managedFields"] = []
    return obj


def named(obj: Obj, target: Target) -> Obj:
    """The object with kind and apiVersion of the endpoint, in front."""
    api_version = group_version(target.group, target.version)
    if obj.get("kind") == target.kind and obj.get("apiVersion") == api_version:
        return obj
    obj.pop("kind", None)
    obj.pop("apiVersion", None)
    return {"kind": target.kind, "apiVersion": api_version, **obj}


def strict_warnings(problems: list[str]) -> list[str]:
    """Strict errors as warnings: what the YAML reader says in one breath becomes one warning a line."""
    out: list[str] = []
    for problem in problems:
        if problem.removeprefix("error converting YAML to JSON: ").startswith("yaml: unmarshal errors:\n"):
            out += [line.strip() for line in problem.split("\n")[1:]]
        else:
            out.append(problem)
    return out


def _decode_protobuf(body: bytes, target: Target) -> Decoded:
    from wherry.machinery.protobuf import ProtobufError, decode_message, unwrap

    try:
        envelope = unwrap(body)
        group, version = split_api_version(envelope.api_version)
    except ValueError as error:
        raise unrecognized(target.kind, str(error), body) from None
    found = Untyped(None, group, version, envelope.kind, [])
    group, version, kind = _complete(found, target)
    if (group, version, kind) != (target.group, target.version, target.kind):
        try:
            _check_known(group, version, kind, target, "")
        except DecodeError as error:
            raise unfit(kind, version, target.kind, str(error)) from None
    try:
        raw = decode_message(group, version, kind, envelope.raw)
    except ProtobufError as error:
        raise unfit(kind, version, target.kind, str(error)) from None
    return decode_parsed(Untyped(raw, group, version, kind, []), target, "Ignore")


# --- options ---------------------------------------------------------------------------------------------------------


def decode_options(body: bytes, media_type: str, kind: str, group: str = "", version: str = "v1") -> Obj:
    """The body of a DELETE or similar: DeleteOptions of any group, in canonical form.

    `group` and `version` are the endpoint's. The text of a refusal stands alone here, as upstream's handler has it.
    """
    if media_type == PROTOBUF:
        return _protobuf_options(body, kind, group, version)
    try:
        if media_type == YAML:
            raw, _, _ = _read_yaml(body)
        else:
            raw = gojson.loads(body)
        return _options(raw, *_claimed_options(raw, kind, group, version), kind)
    except gojson.JSONError as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _claimed_options(raw: Any, kind: str, group: str, version: str) -> tuple[str, str, str]:
    try:
        api_version, found_kind = _claims(raw)
    except ValueError as error:
        raise ValueError(f"couldn't get version/kind; json parse error: {error}") from None
    found_group, found_version = split_api_version(api_version)
    if not found_group and not found_version:
        found_group, found_version = group, version
    return found_group, found_version, found_kind or kind


def _options(raw: Any, group: str, version: str, found_kind: str, kind: str) -> Obj:
    if found_kind != kind:
        raise ValueError(not_registered(group, version, found_kind, OPTIONS_SCHEME))
    return decoder("", "v1", kind).decode(raw).obj


def _protobuf_options(body: bytes, kind: str, group: str, version: str) -> Obj:
    from wherry.machinery.protobuf import decode_message, unwrap

    try:
        envelope = unwrap(body)
        raw = decode_message("", "v1", kind, envelope.raw)
        found_group, found_version = split_api_version(envelope.api_version)
        return _options(raw, found_group or group, found_version or version, envelope.kind or kind, kind)
    except ValueError as error:
        raise BadRequest(str(error)) from None
