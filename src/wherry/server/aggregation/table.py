"""Which group versions lead elsewhere: read from storage, kept by its events (kube-aggregator/pkg/apiserver)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from wherry.storage.api import Event
from wherry.store.registry import ROOT, Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.access.outgoing import Outgoing
    from wherry.machinery.aggregation import Remote
    from wherry.server.aggregation.keeper import Keeper
    from wherry.server.aggregation.wire import Wires
    from wherry.server.documents import Documents
    from wherry.server.handler import Call
    from wherry.server.http import Response
    from wherry.server.requestinfo import RequestInfo

Obj = dict[str, Any]
GroupVersion = tuple[str, str]
_PREFIX = f"/{ROOT}/apiregistration.k8s.io/apiservices/"
_BEHIND = (f"/{ROOT}/core/services/", f"/{ROOT}/core/endpoints/", f"/{ROOT}/discovery.k8s.io/endpointslices/")


class Aggregation:
    """One per handler. `remotes` are the APIServices that lead elsewhere; while there are none nothing else is looked
    at. `identity` gives the certificate and key, PEM, by which those servers know that it is us who forward."""

    def __init__(self, store: Store, registry: Registry, outgoing: Outgoing, documents: Documents):
        self.store, self.registry, self.outgoing, self.documents = store, registry, outgoing, documents
        self.identity: Callable[[], bytes] = bytes
        self.remotes: dict[GroupVersion, Obj] = {}
        self._keeper: Keeper | None = None
        self._wires: Wires | None = None
        documents.remotes = self.served
        documents.remote_specs = self.specs

    def start(self) -> None:
        """Read what is there and follow."""
        self.store.storage.subscribe(self._on_events)
        for record in self.store.storage.range(_PREFIX).records:
            if b'"service":' in record.value:
                self._take(orjson.loads(record.value))

    async def stop(self) -> None:
        if self._keeper is not None:
            await self._keeper.stop()
        if self._wires is not None:
            self._wires.close()

    def wires(self) -> Wires:
        """The connections to the other servers."""
        if self._wires is None:
            from wherry.server.aggregation.wire import Wires

            self._wires = Wires(self.outgoing.caller)
        return self._wires

    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith(_PREFIX):
                self._changed(event)
            elif self._keeper is not None and event.key.startswith(_BEHIND):
                self._keeper.behind(event.key)

    def _changed(self, event: Event) -> None:
        if event.record is not None:
            self._take(orjson.loads(event.record.value))
        elif event.previous is not None:
            self._drop(orjson.loads(event.previous.value))

    def _take(self, obj: Obj) -> None:
        spec = obj["spec"]
        if spec.get("service") is None:
            self._drop(obj)
            return
        key = spec.get("group", ""), spec["version"]
        before, self.remotes[key] = self.remotes.get(key), obj
        if self._keeper is None:
            from wherry.server.aggregation.keeper import Keeper

            self._keeper = Keeper(self)
        if before is None or before["spec"] != spec:
            self._keeper.look(key)
            self.documents.forget(ROOT)

    def _drop(self, obj: Obj) -> None:
        key = obj["spec"].get("group", ""), obj["spec"]["version"]
        if self.remotes.pop(key, None) is not None:
            assert self._keeper is not None
            self._keeper.look(key)
            self.documents.forget(ROOT)

    # --- for requests ------------------------------------------------------------------------------------------------
    def find(self, info: RequestInfo) -> Obj | None:
        """The APIService that a request falls under, if that leads elsewhere."""
        if info.is_resource:
            return self.remotes.get((info.group, info.version))
        parts = info.path.rstrip("/").split("/")[1:]
        if parts[:2] == ["openapi", "v3"]:
            parts = parts[2:]
        if len(parts) == 3 and parts[0] == "apis":
            return self.remotes.get((parts[1], parts[2]))
        return self.remotes.get(("", parts[1])) if len(parts) == 2 and parts[0] == "api" else None

    async def serve(self, call: Call, found: Obj) -> Response:
        """What the other server answers, to the caller; documents are asked for in our own name."""
        from wherry.server.aggregation.proxy import DOCUMENTS, forward

        return await forward(self, call, found, DOCUMENTS if call.info.path.startswith("/openapi/") else None)

    # --- for documents -----------------------------------------------------------------------------------------------
    def served(self) -> Sequence[Remote]:
        """What discovery says of the others."""
        return self._keeper.served() if self._keeper is not None else ()

    def specs(self) -> tuple[Mapping[str, str], Sequence[Obj]]:
        """OpenAPI of the others: hashes of their v3 documents by path, and what to add to the v2 document."""
        return self._keeper.specs() if self._keeper is not None else ({}, ())
