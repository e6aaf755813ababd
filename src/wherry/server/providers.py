"""What a provider sees of its consumers: `/services/apiexport/<cluster>/<export>/clusters/<* or cluster>/...`.

kcp's virtual workspace of an APIExport. Below a cluster stands an API with the kinds of the export and those that were
claimed and accepted; below `*` lists and watches over all consumers. It takes the verb of the request on
`apiexports/content`, in the provider's workspace. Views are made from the export and the binding as they are, and end,
watches included, when either changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from wherry import errors
from wherry.access.admission import Admission, Ask
from wherry.access.chain import Chain
from wherry.access.user import Attributes, Decision
from wherry.machinery.kinds import Resource
from wherry.machinery.selectors import Selector
from wherry.server import documents
from wherry.server.documents import Documents
from wherry.server.everywhere import Everywhere, View
from wherry.server.handler import EVERYWHERE, Api, ApiHandler, Call
from wherry.server.http import Request, Response
from wherry.server.requestinfo import Query
from wherry.store.definition import Definition, labels_of
from wherry.store.registry import Registry
from wherry.store.watch import WatchHub
from wherry.workspaces.objects import read
from wherry.workspaces.sharing import GROUP, SCHEMAS, Kind
from wherry.workspaces.sharing.controller import Sharing
from wherry.workspaces.sharing.exports import PREFIX
from wherry.workspaces.sharing.index import Binding, Bound, Export
from wherry.workspaces.sharing.views import Sights, members, of_consumer, of_export

ALL = "*"
_MOST = 1000  # views that are kept
_DOCUMENTS = frozenset(("", "api", "apis", "openapi", "version", "healthz", "livez", "readyz"))
_PARTS = frozenset(("", "status", "scale"))  # of objects: a token, a shell or a log is no object that a claim speaks of
_NARROWED = frozenset(("list", "watch", "deletecollection"))

Open = Callable[[str], Awaitable[ApiHandler | None]]


class Providers:
    """An `http.Handler`. `opened` gives the handler of a cluster, `nowhere` answers where there is nothing to see."""

    def __init__(self, sharing: Sharing, opened: Open, nowhere: Callable[[Request], Awaitable[Response]]):
        self._sharing = sharing
        self._open = opened
        self._nowhere = nowhere
        self._views: dict[tuple[str, str, str], _View] = {}
        sharing.index.listen(lambda *_: self._refresh())

    async def __call__(self, request: Request) -> Response:
        provider, export, place, path = _split(request.path)
        found = await self._view(provider, export, place) if place else None
        if found is None:
            return await self._nowhere(replace(request, path=path))
        prefix = EVERYWHERE if place == ALL else request.path.removesuffix(path)
        return await found(replace(request, path=path, prefix=prefix))

    async def _view(self, provider: str, name: str, place: str) -> _View | None:
        sharing = self._sharing
        home = sharing.tree.resolve(provider)
        cluster = ALL if place == ALL else sharing.tree.resolve(place)
        export = sharing.index.export((home, name)) if home else None
        if export is None:
            return None
        binding = sharing.index.consumer(export.ref, cluster) if cluster != ALL else None
        if cluster != ALL and binding is None:
            return None
        known = self._views.get((home, name, cluster))
        if known is not None and known.made_from == (export, binding):
            return known
        owner, consumer = await self._open(home), await self._open(home if cluster == ALL else cluster)
        if owner is None or consumer is None:
            return None
        if binding is not None:
            made = _View(export, binding, of_consumer(sharing.index, sharing.schemas, export, binding), owner, consumer)
        else:
            offered = await self._offered(export)
            made = _View(export, None, of_export(sharing.index, sharing.schemas, export, offered), owner, consumer)
            made.over_all(sharing)
        self._keep((home, name, cluster), made)
        return made

    async def _offered(self, export: Export) -> list[Bound]:
        """What an export offers now, as those who bind it today get it."""
        space, found = self._sharing.spaces.space(export.cluster), []
        for offer in export.offers:
            schema = read(space, SCHEMAS + offer.schema) if space is not None else None
            if space is not None and schema is not None:
                await self._sharing.schemas.keep(space, schema)
                uid = schema["metadata"]["uid"]
                found.append(Bound(offer.group, offer.resource, offer.schema, uid, export.identity))
        return found

    def _keep(self, key: tuple[str, str, str], made: _View) -> None:
        old = self._views.pop(key, None)
        if old is not None:
            old.close()
        self._views[key] = made
        while len(self._views) > _MOST:
            self._views.pop(next(iter(self._views))).close()

    def _refresh(self) -> None:
        """End the views of single consumers that are not what they were: at once, whoever watches through them."""
        index = self._sharing.index
        for key, view in tuple(self._views.items()):
            home, name, cluster = key
            export = index.export((home, name))
            binding = index.consumer((home, name), cluster) if cluster != ALL else None
            if view.made_from != (export, binding):
                if cluster == ALL and export is not None:
                    continue  # its watches hear of consumers themselves; the next request gets another view
                del self._views[key]
                view.close()

    def close(self) -> None:
        while self._views:
            self._views.popitem()[1].close()


class _View:
    """An API with some kinds of one workspace, or of all that bind an export."""

    def __init__(
        self, export: Export, binding: Binding | None, sights: Sights, owner: ApiHandler, consumer: ApiHandler
    ):
        self.made_from = export, binding
        self._export, self._sights, self._owner = export, sights, owner
        api = consumer.api
        registry = _Narrow(sights)
        self._storage = api.store.storage
        self._hub = WatchHub(self._storage)
        self.api: Api = replace(
            api,
            registry=registry,
            documents=Documents(registry),
            hub=self._hub,
            chain=Chain(owner.api.chain.authenticators, [self._decide], owner.api.chain.anonymous),
            admission=self._admission(api.admission),
            aggregation=None,
            everywhere=None,
            difference=None,
        )
        self._handler = _Handler(self)

    def over_all(self, sharing: Sharing) -> None:
        """Lists and watches go over all consumers."""
        api, export = self.api, self._export
        everywhere = Everywhere(sharing.spaces, sharing.tree.clusters, _no_handler)

        async def answer(call: Call) -> Response:
            if not call.info.is_resource:
                return documents.route(call)
            return everywhere.answer(call, self._members(call, sharing, export))

        api.everywhere = answer

    def close(self) -> None:
        self._hub.close()

    async def __call__(self, request: Request) -> Response:
        return await self._handler(request)

    # --- who may -----------------------------------------------------------------------------------------------------
    def _decide(self, asked: Attributes) -> Decision:
        """An authorizer. Raises Pending."""
        if asked.verb == "impersonate":
            return Decision(False, "in a consumer's workspace a provider is who he is")
        content = Attributes(
            asked.user, asked.verb, "", True, GROUP, "v1alpha1", "apiexports", "content", "", self._export.name
        )  # fmt: skip
        decision = self._owner.api.chain.ask(content)
        if not decision.allowed or not asked.resource_request:
            return decision
        sight = self._sights.get((asked.group, asked.resource))
        if sight is not None and not sight.allows(asked.verb):
            return Decision(False, f"the permission claim on {asked.resource} does not include {asked.verb}")
        return decision

    # --- which objects -----------------------------------------------------------------------------------------------
    def _admission(self, admission: Admission) -> Admission:
        """That of the workspace, and what claims by selector leave to the provider."""
        if all(sight.selector.empty for sight in self._sights.values()):
            return admission
        mutating, validating = [self._label, *admission.mutating], [*admission.validating, self._check]
        return Admission(mutating, validating, admission.preparing)

    async def _label(self, ask: Ask) -> None:
        """What a provider makes under a claim gets the labels by which the claim sees it."""
        sight = self._sights.get((ask.definition.resource.group, ask.definition.resource.name))
        if sight is not None and ask.obj is not None and ask.old is None and not ask.subresource and sight.labels:
            meta = ask.obj["metadata"]
            meta["labels"] = {**(meta.get("labels") or {}), **sight.labels}

    def narrow(self, call: Call) -> None:
        """Raises NotFound for what the provider does not see."""
        info = call.info
        if info.subresource not in _PARTS or (not info.is_resource and info.path.split("/")[1] not in _DOCUMENTS):
            raise errors.NotFound.path()
        sight = self._sights.get((info.group, info.resource)) if info.is_resource else None
        if sight is None or sight.selector.empty:
            return
        if info.verb in _NARROWED:
            info.query = _narrowed(info.query, sight.selector)
        elif info.name:
            d = self.api.registry.find("root", info.group, info.version, info.resource)
            place = f"{info.namespace}/{info.name}" if d is not None and d.resource.namespaced else info.name
            record = self._storage.get(f"{d.prefix}{place}") if d is not None else None
            if record is not None and not sight.selector.matches(labels_of(record)):
                raise errors.NotFound.of(info.group, info.resource, info.name)

    async def _check(self, ask: Ask) -> None:
        """Raises NotFound for what the provider does not see, Forbidden for what it would not see afterwards."""
        res = ask.definition.resource
        sight = self._sights.get((res.group, res.name))
        if sight is None or sight.selector.empty or ask.subresource not in ("", "status"):
            return
        for obj in (ask.old, ask.obj):
            if obj is None or sight.selector.matches(obj["metadata"].get("labels") or {}):
                continue
            if obj is ask.old:
                raise errors.NotFound.of(res.group, res.name, ask.name)
            text = f"the permission claim only covers objects that match {sight.selector}"
            raise errors.Forbidden(
                f"{errors.qualified(res.group, res.name)} {errors.go_quote(ask.name)} is forbidden: {text}",
                details=errors.resource_details(res.group, res.name, ask.name),
            )

    def _members(self, call: Call, sharing: Sharing, export: Export) -> View:
        """Raises MethodNotAllowed, NotFound."""
        info = call.info
        if info.verb not in ("list", "watch") or info.subresource:
            raise errors.MethodNotAllowed("only lists and watches go over all workspaces", details={})
        d = self.api.registry.find("root", info.group, info.version, info.resource)
        if d is None:
            raise errors.NotFound.path()
        kind, verb = (info.group, info.resource), info.verb
        current: dict[str, Selector] = {}

        def refresh() -> None:
            now = sharing.index.export(export.ref)
            current.clear()
            current.update(members(sharing.index, now, kind, verb) if now is not None else {})

        def listen(changed: Callable[[], None]) -> Callable[[], None]:
            def told(*_: object) -> None:
                refresh()
                changed()

            return sharing.index.listen(told)

        refresh()
        return View(d, lambda: current, current.__getitem__, listen)


class _Handler(ApiHandler):
    """Answers with what is in sight."""

    def __init__(self, view: _View):
        super().__init__(view.api)
        self._view = view

    async def _endpoint(self, call: Call) -> Response:
        self._view.narrow(call)
        return await super()._endpoint(call)


class _Narrow(Registry):
    """Only what is in sight."""

    def __init__(self, sights: Sights):
        super().__init__()
        self._sights = sights
        for kind, sight in sights.items():
            if sight.custom:
                self.replace_custom("root", *kind, list(sight.custom))

    def find(self, workspace: str, group: str, version: str, resource: str) -> Definition | None:
        seen = (group, resource) in self._sights
        return super().find(workspace, group, version, resource) if seen else None

    def builtin_resources(self) -> dict[tuple[str, str], list[Resource]]:
        found = {}
        for group_version, resources in super().builtin_resources().items():
            seen = [_without_parts(res) for res in resources if self._shows((group_version[0], res.name))]
            if seen:
                found[group_version] = seen
        return found

    def _shows(self, kind: Kind) -> bool:
        sight = self._sights.get(kind)
        return sight is not None and not sight.custom


def _without_parts(res: Resource) -> Resource:
    return replace(res, subresources={name: part for name, part in res.subresources.items() if name in _PARTS})


def _narrowed(query: Query | tuple[()], selector: Selector) -> Query:
    """A query whose label selector also says what the claim does."""
    asked = [value for name, value in query if name == "labelSelector"][:1]
    others = [(name, value) for name, value in query if name != "labelSelector"]
    return [*others, ("labelSelector", ",".join(filter(None, (*asked, str(selector)))))]


def _split(path: str) -> tuple[str, str, str, str]:
    """(provider, export, place, path inside); no place in what is no such address."""
    provider, _, rest = path.removeprefix(PREFIX).partition("/")
    export, _, rest = rest.partition("/")
    word, _, rest = rest.partition("/")
    place, slash, rest = rest.partition("/")
    if not path.startswith(PREFIX) or word != "clusters":
        return "", "", "", path
    return provider, export, place, f"{slash}{rest}" or "/"


async def _no_handler(cluster: str) -> None:
    return None
