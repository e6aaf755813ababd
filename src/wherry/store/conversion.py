"""Custom resources whose versions differ in more than their name: the asynchronous step before the synchronous verbs.

A kind with `spec.conversion.strategy: Webhook` has a `Webhooks` on each of its definitions, one that is converted by
rules has a `ByRules`; all others have None there and pay one comparison. The verbs read objects through
`Definition.view`, which is synchronous: so whoever is about to read records of such a kind awaits `prepare` first,
which converts in batches and leaves the result beside each record. Writers await `stored` for the form that goes to
storage. In between, objects are in the version of the request, in which upstream too defaults, admits and validates
them.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver (crdConversionRESTOptionsGetter: decode by the stored schema,
default, convert, prune by the wanted schema; conversion/webhook_converter.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.kit.ids import new_uid
from wherry.machinery.crd import review
from wherry.machinery.crd.review import ConversionError
from wherry.machinery.crd.versions import NO_SUCH_VERSION, CustomVersion
from wherry.machinery.fields.values import TypedError
from wherry.machinery.kinds import Obj
from wherry.machinery.schema.embedded import CoerceError
from wherry.machinery.schema.objectmeta import MetaError, coerce_object_meta
from wherry.storage.api import Record

if TYPE_CHECKING:
    from wherry.machinery.crd.rules import Rules
    from wherry.store.context import WriteContext
    from wherry.store.definition import Definition

# (webhookClientConfig, body) -> the answer. The store makes no connections: who composes it says how.
# Raises an error whose text says what went wrong.
Post = Callable[[Obj, bytes], Awaitable[bytes]]

BATCH = 500  # objects in one review


async def no_network(_: Obj, __: bytes) -> bytes:
    """What a store does that was given no way to call."""
    raise ConnectionError("this server makes no calls to webhooks")


class NeedsConversion(Exception):
    """Managed fields want an object in another version: convert it, then run the write again."""

    def __init__(self, obj: Obj, api_version: str):
        super().__init__(api_version)
        self.obj = obj
        self.api_version = api_version


class Converter:
    """Converts objects of one kind to one version (`version`), and to the storage version."""

    def __init__(self, spec: Obj, version: CustomVersion):
        self._version = version
        self._known = {f"{spec['group']}/{v['name']}" for v in spec["versions"]}
        self._group = spec["group"]
        self._underway: dict[int, asyncio.Future[None]] = {}  # id of a record -> done when its view has been made

    @property
    def api_version(self) -> str:
        return self._version.resource.api_version

    # --- reading -----------------------------------------------------------------------------------------------------
    async def prepare(self, d: Definition, records: Sequence[Record]) -> None:
        """Make `d.view` of these records answer. Raises what reading them should be answered with."""
        while missing := [r for r in records if r.cache is None or d not in r.cache]:
            ours = [r for r in missing if id(r) not in self._underway]
            if ours:
                await self._convert_records(d, ours[:BATCH])
            else:  # another request is converting them
                await asyncio.wait({self._underway[id(r)] for r in missing})

    async def _convert_records(self, d: Definition, records: Sequence[Record]) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        for record in records:
            self._underway[id(record)] = future
        try:
            objects = [self._decoded(record) for record in records]
            for record, obj in zip(records, await self._all(objects, self.api_version), strict=True):
                if record.cache is None:
                    record.cache = {}
                record.cache[d] = b"%b" % orjson.dumps(obj)
        except ConversionError as failed:
            raise _refusal(failed) from None
        finally:
            for record in records:
                self._underway.pop(id(record), None)
            future.cancel()

    def _decoded(self, record: Record) -> Obj:
        """The stored object as the schema of its stored version has it now."""
        obj: Obj = orjson.loads(record.value)
        schema = self._version.schemas.get(obj.get("apiVersion", "").rpartition("/")[2])
        if schema is not None:
            schema.default(obj)
            schema.prune(obj)
        if not obj["metadata"].get("generation"):
            obj["metadata"]["generation"] = 1
        return obj

    # --- writing -----------------------------------------------------------------------------------------------------
    async def stored(self, obj: Obj) -> Obj:
        """The object as it goes to storage. Raises what the write should be answered with."""
        return await self._one(obj, self._version.storage_api_version)

    async def shown(self, obj: Obj) -> Obj:
        """What a dry run answers: the object after its way to storage and back."""
        return await self._one(await self.stored(obj), self.api_version)

    async def into(self, obj: Obj) -> Obj:
        """An object of any version of the kind in this one."""
        return await self._one(obj, self.api_version)

    async def _one(self, obj: Obj, api_version: str) -> Obj:
        try:
            return (await self._all([obj], api_version))[0]
        except ConversionError as failed:
            raise _refusal(failed) from None

    async def other(self, obj: Obj, api_version: str) -> Obj | ConversionError:
        """An object in any version of the kind for managed fields, or why that cannot be had."""
        try:
            return (await self._all([obj], api_version))[0]
        except ConversionError as failed:
            return failed

    # --- the call ----------------------------------------------------------------------------------------------------
    async def _all(self, objects: list[Obj], api_version: str) -> list[Obj]:
        """Every object in a version, in order; those that are in it already are not sent."""
        if api_version not in self._known:
            raise ConversionError(f"{NO_SUCH_VERSION}: {api_version}")
        away = [index for index, obj in enumerate(objects) if obj.get("apiVersion") != api_version]
        for index in away:
            if (source := objects[index].get("apiVersion")) not in self._known:
                raise ConversionError(f"request to convert CR from an invalid group/version: {source}")
        out = list(objects)
        for start in range(0, len(away), BATCH):
            indexes = away[start : start + BATCH]
            for index, obj in zip(indexes, await self._call([objects[i] for i in indexes], api_version), strict=True):
                out[index] = self._coerced(obj)
        return out

    async def _call(self, objects: list[Obj], api_version: str) -> list[Obj]:
        """Objects of other versions, in this one. Raises ConversionError."""
        raise NotImplementedError

    def outside(self, record: Record) -> Obj:
        """What lists and watches over many workspaces show, which wait for nobody: the object as it is stored."""
        obj: Obj = orjson.loads(record.value)
        return obj

    def _coerced(self, obj: Obj) -> Obj:
        """A converted object keeps what the schema of its version knows."""
        schema = self._version.schemas.get(obj["apiVersion"].rpartition("/")[2])
        try:
            obj["metadata"], _ = coerce_object_meta(obj["metadata"], drop_invalid=True)
            if schema is not None:
                schema.prune(obj)
                schema.coerce_embedded(obj, drop_invalid=True)
        except (MetaError, CoerceError) as bad:
            raise ConversionError(str(bad)) from None
        return obj


class Webhooks(Converter):
    """Asks a webhook, as `post` calls it."""

    def __init__(self, spec: Obj, version: CustomVersion, post: Post):
        super().__init__(spec, version)
        webhook = spec["conversion"]["webhook"]
        self._config: Obj = webhook["clientConfig"]
        self._versions: list[str] = webhook["conversionReviewVersions"]
        self._post = post

    async def _call(self, objects: list[Obj], api_version: str) -> list[Obj]:
        uid = new_uid()
        version, body = review.request(self._versions, objects, api_version, uid)
        try:
            answer = await self._post(self._config, body)
        except Exception as failed:  # whatever kind of failure the caller knows: its text is the answer
            raise ConversionError(f"conversion webhook for {review.kind_text(objects[0])} failed: {failed}") from failed
        return review.converted(answer, version, uid, objects, api_version)


class ByRules(Converter):
    """Applies the rules of an APIConversion."""

    def __init__(self, spec: Obj, version: CustomVersion, rules: Rules):
        super().__init__(spec, version)
        self._rules = rules

    async def _call(self, objects: list[Obj], api_version: str) -> list[Obj]:
        return [self._rules.convert(obj, api_version) for obj in objects]

    def outside(self, record: Record) -> Obj:
        """The object in this version; as it is stored where the rules fail on it, so that the others can be seen."""
        obj = self._decoded(record)
        if obj.get("apiVersion") == self.api_version:
            return obj
        try:
            return self._coerced(self._rules.convert(obj, self.api_version))
        except ConversionError:
            return obj


class Memo:
    """`Convert` of managed fields for a kind with a converter: answers what it has, asks for the rest.

    The fields are synchronous, so `convert` raises NeedsConversion for an object it has not seen; the write then awaits
    `learn` and starts its round again."""

    def __init__(self, converter: Converter, nodes: Callable[[str], Any]):
        self._converter = converter
        self._nodes = nodes
        self._known: dict[tuple[bytes, str], Obj | ConversionError] = {}

    def convert(self, obj: Obj, api_version: str) -> tuple[Obj, Any]:
        node = self._nodes(api_version)
        if obj.get("apiVersion") == api_version:
            return obj, node
        key = orjson.dumps(obj), api_version
        if key not in self._known:
            raise NeedsConversion(obj, api_version)
        found = self._known[key]
        if isinstance(found, ConversionError):
            raise TypedError.saying(str(found))
        return found, node

    async def learn(self, wanted: NeedsConversion) -> None:
        key = orjson.dumps(wanted.obj), wanted.api_version
        self._known[key] = await self._converter.other(orjson.loads(key[0]), wanted.api_version)


async def converging(d: Definition, ctx: WriteContext, make: Callable[[], Obj]) -> Obj:
    """What `make` gives once every conversion that its managed fields ask for is known."""
    assert d.nodes is not None
    memo = Memo(d.conversion, d.nodes)
    ctx.convert = memo.convert
    while True:
        try:
            return make()
        except NeedsConversion as wanted:
            await memo.learn(wanted)


def _refusal(failed: ConversionError) -> errors.StatusError:
    """Upstream answers plain Go errors of its codecs with 500 and no reason."""
    return errors.StatusError(str(failed), reason="")
