"""The path of a request: parse -> authenticate -> authorize -> route -> answer.

Everything that enters the control plane, over HTTP or in process, is one call of `ApiHandler`.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

from wherry import errors
from wherry.access.admission import Admission
from wherry.access.chain import MASTERS, Chain, Credentials, Undecided, judge, refuse
from wherry.access.impersonation import Impersonation
from wherry.access.pending import Pending, settled
from wherry.access.user import Attributes, User
from wherry.kit.ids import new_uid
from wherry.server import answers, negotiate
from wherry.server.http import Request, Response
from wherry.server.limits import Limits, Watches, is_long_running
from wherry.server.options import check_timeout
from wherry.server.requestinfo import ROOT, BadPath, RequestInfo, parse
from wherry.server.turns import Turns
from wherry.store.crds import CustomResources
from wherry.store.definition import Definition
from wherry.store.registry import Registry
from wherry.store.store import Store
from wherry.store.watch import WatchHub

if TYPE_CHECKING:
    from wherry.access.audit.auditor import Auditor
    from wherry.access.audit.trail import Trail
    from wherry.access.authorization.selectors import Selectors
    from wherry.access.fairness.fairness import Fairness
    from wherry.access.tokens import AccountTokens
    from wherry.runtime.nodes import NodeRuntime
    from wherry.server.aggregation.table import Aggregation
    from wherry.server.auditing import Audit
    from wherry.server.documents import Documents
    from wherry.server.metrics import Recorder

log = logging.getLogger("wherry.server")

EVERYWHERE = "/clusters/*"
DIFFERENCE, MERGE, HISTORY = "/difference", "/merge", "/history"
_BAD_REQUEST = b"400 Bad Request"  # of Go's HTTP server, before any handler
_CACHE = ("cache-control", "no-cache, private")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_SPACED_TOKEN = re.compile(r"\s*bearer  \s*\S", re.IGNORECASE)
_SPACED = "the provided Authorization header contains extra space before the bearer token, and is ignored"


@dataclass(slots=True)
class Api:
    """What the endpoints need of the rooms below."""

    store: Store
    registry: Registry
    hub: WatchHub
    chain: Chain
    documents: Documents
    admission: Admission
    recorder: Recorder
    accounts: AccountTokens | None = None  # who issues tokens
    reloads: Counter[tuple[str, str]] = field(default_factory=Counter)  # of access configuration, by outcome
    custom: CustomResources | None = None
    # (group, resource) -> with a name: waits until an object that was just written has got as far as it gets by itself
    settling: dict[tuple[str, str], Callable[[str], Awaitable[None]]] = field(default_factory=dict)
    place: object | None = None  # what the workspace binds; lives as long as its handler
    aggregation: Aggregation | None = None  # which group versions other servers serve
    runtimes: list[NodeRuntime] = field(default_factory=list)  # what runs pods, for logs and exec
    auditor: Auditor | None = None  # where requests are audited
    fairness: Fairness | None = None  # where requests share seats
    turns: Turns = field(default_factory=Turns)
    watches: Watches = field(default_factory=lambda: Watches(Limits()))
    workspaces: frozenset[str] = frozenset((ROOT,))  # a handler serves one; `server/clusters.py` finds the others
    everywhere: Callable[[Call], Awaitable[Response]] | None = None  # serves `/clusters/*`
    difference: Callable[[Call], Awaitable[Response]] | None = None  # compares with another workspace


@dataclass(slots=True)
class Call:
    """One authorized request on its way to an endpoint."""

    api: Api
    request: Request
    info: RequestInfo
    user: User
    definition: Definition | None = None
    warnings: list[str] = field(default_factory=list)  # go out with the answer, a refusal included
    annotations: dict[str, str] = field(default_factory=dict)  # what admission notes for the audit event
    flow: str = ""  # whose turn long work of this request waits for
    payer: str = ""  # whom its watch counts for
    trail: Trail | None = None  # where the request is audited; `annotations` go into its events

    @property
    def namespace(self) -> str:
        """The namespace of the request's objects; none for cluster-scoped kinds (namespaces among them)."""
        d = self.definition
        return self.info.namespace if d is not None and d.resource.namespaced else ""


def _always(request: Request, response: Response) -> list[tuple[str, str]]:
    """What every answer says: the id of the request, and that nobody is to keep it, where the endpoint has not said
    something else (endpoints/filters: WithAuditInit, WithCacheControl)."""
    said = {name.lower() for name, _ in response.headers}
    added = [] if "cache-control" in said else [_CACHE]
    if "audit-id" not in said:  # auditing has given it already
        added.append(("audit-id", request.header("audit-id") or new_uid()))
    return added


class ApiHandler:
    """An `http.Handler`."""

    def __init__(
        self,
        api: Api,
        close: Callable[[], Awaitable[None]] | None = None,
        settled: Callable[[], Awaitable[None]] | None = None,
    ):
        self.api = api
        self._impersonate = Impersonation()
        self._close = close
        self._settled = settled

    async def settled(self) -> None:
        """Wait until garbage collection has nothing left to do: for tests that look at what it leaves."""
        if self._settled is not None:
            await self._settled()

    async def close(self) -> None:
        """End watches and background work; the storage stays open. Idempotent."""
        close, self._close = self._close, None
        if close is not None:
            await close()

    async def __call__(self, request: Request) -> Response:
        if "%" in request.raw_path and _BAD_ESCAPE.search(request.raw_path):
            return Response(400, [("content-type", "text/plain; charset=utf-8"), ("Connection", "close")], _BAD_REQUEST)
        try:
            info = parse(request.method, request.path, request.query)
        except BadPath as bad:
            shown = f'Internal Server Error: "{request.path}": failed to create RequestInfo: {bad}\n'
            return answers.text(500, shown)
        if request.prefix:
            info.prefix = request.prefix
        began = perf_counter()
        response = await self._answer(request, info)
        response.headers = [*response.headers, *_always(request, response)]
        known = response.status != 404 or self._known(info)
        self.api.recorder.count(info, request.method, response.status, perf_counter() - began, known=known)
        return response

    def _known(self, info: RequestInfo) -> bool:
        """Whether a URL names something that is served: what is not must not become a label of a metric."""
        d = self.api.registry.find(info.workspace, info.group, info.version, info.resource)
        return d is not None and (not info.subresource or info.subresource in d.resource.subresources)

    async def _answer(self, request: Request, info: RequestInfo) -> Response:
        auditor = self.api.auditor
        if auditor is None:
            return await self._serve(request, info, None)
        from wherry.server.auditing import audited

        return await audited(auditor, request, lambda audit: self._serve(request, info, audit), info)

    async def _serve(self, request: Request, info: RequestInfo, audit: Audit | None) -> Response:
        warnings: list[str] = []
        try:
            if "timeout=" in request.query and not is_long_running(request.path, request.query):
                check_timeout(info)  # before anyone is asked who they are
            if info.prefix == EVERYWHERE and self.api.everywhere is not None:
                info.workspace = ROOT  # who may look at all workspaces is said in the root
            user, caller = await self._admitted(request, info, audit, warnings)
            call = Call(self.api, request, info, user, warnings=warnings)
            cluster = self.api.store.storage.name
            if cluster == ROOT:
                payer, call.payer = user, user.name
            else:  # an owner may impersonate anyone in his workspace; what that costs is his all the same
                payer, call.payer = caller, f"{cluster}/{caller.name}"
            if audit is not None:
                call.annotations, call.trail = audit.annotations, audit.trail
            fairness = self.api.fairness
            if fairness is None:
                return await self._endpoint(call)
            resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
            place = fairness.place(payer, cluster, info.verb, info.path, info.group, resource, info.namespace)
            call.flow = place.flow
            if not place.level.exempt:
                from wherry.server.seats import seated

                return await seated(fairness, place, call, self._endpoint)
            place.dispatched += 1
            response = await self._endpoint(call)
            response.headers = [*response.headers, *place.headers]
            return response
        except errors.StatusError as error:
            return answers.refusal(error, _status_form(request), warnings)
        except Undecided as error:
            uri = f"{request.raw_path}?{request.query}" if request.query else request.raw_path
            return answers.text(500, f"Internal Server Error: {errors.go_quote(uri)}: {error}\n")

    async def _endpoint(self, call: Call) -> Response:
        if call.info.prefix == EVERYWHERE and self.api.everywhere is not None:
            return await self.api.everywhere(call)
        others = self.api.aggregation
        if others is not None and others.remotes and (found := others.find(call.info)) is not None:
            return await others.serve(call, found)
        if call.info.is_resource:
            from wherry.server.resources import serve

            return await serve(call)
        return await self._other(call)

    async def _admitted(
        self, request: Request, info: RequestInfo, audit: Audit | None, warnings: list[str]
    ) -> tuple[User, User]:
        """Who the request is by, once it is clear that it may be made, and who that really is. Raises StatusError,
        Undecided.

        Hardly ever does it wait: only where someone outside has to be asked."""
        chain = self.api.chain
        try:
            user = self._who(request, warnings)
        except Pending as pending:
            await pending.bring()
            user = await settled(lambda: self._who(request, warnings))
        caller, asked = user, attributes(user, info)
        if audit is not None:
            audit.begin(asked)
        if info.workspace not in self.api.workspaces:
            if MASTERS not in user.groups:  # who has no rights must not learn which workspaces there are
                raise refuse(asked)
            raise errors.NotFound.path()
        try:
            user = self._impersonate(request.headers, asked, chain.authorize)
        except Pending as pending:
            await pending.bring()
            own = asked
            user = await settled(lambda: self._impersonate(request.headers, own, chain.authorize))
        if user is not asked.user:
            asked = replace(asked, user=user)
            if audit is not None:
                audit.become(user)
        try:
            decision = chain.ask(asked)
        except Pending as pending:
            await pending.bring()
            wanted = asked
            decision = await settled(lambda: chain.ask(wanted))
        if audit is not None:
            audit.decided(decision)
        judge(asked, decision)
        return user, caller

    async def who(self, request: Request) -> User:
        """The caller. Raises Unauthorized."""
        try:
            return self._who(request, [])
        except Pending as pending:
            await pending.bring()
            return await settled(lambda: self._who(request, []))

    def _who(self, request: Request, warnings: list[str]) -> User:
        if isinstance(request.user, User):
            return request.user
        authorization = request.header("authorization")
        if not authorization and request.header("sec-websocket-protocol"):
            from wherry.server.websocket import bearer

            authorization = bearer(request)
        if "  " in authorization and _SPACED_TOKEN.match(authorization) and _SPACED not in warnings:
            warnings.append(_SPACED)
        return self.api.chain.authenticate(
            Credentials(
                authorization, request.peer, (), request.proxy, request.headers, request.path, request.peer_problem
            )
        )

    async def _other(self, call: Call) -> Response:
        """Everything that is not a resource: discovery, OpenAPI, health, version, metrics."""
        if call.info.path in (DIFFERENCE, MERGE) and self.api.difference is not None:
            return await self.api.difference(call)
        if call.info.path == HISTORY:
            from wherry.server.history import serve

            return await serve(call)
        from wherry.server.documents import route

        return route(call)


def attributes(user: User, info: RequestInfo) -> Attributes:
    """What a request asks of the authorizers."""
    if not info.is_resource:
        return Attributes(user, info.verb, info.path, workspace=info.workspace)
    return Attributes(
        user, info.verb, info.path, True, info.group, info.version, info.resource, info.subresource,
        info.namespace, info.name, info.workspace, _selectors(info) if info.query else None,
    )  # fmt: skip


def _selectors(info: RequestInfo) -> Selectors | None:
    """What narrows a list; authorizers read it if they care. Not for the old `watch` paths, which hardly know any."""
    if info.verb not in ("list", "watch", "deletecollection") or f"/{info.version}/watch/" in info.path:
        return None
    fields, labels = info.first("fieldSelector"), info.first("labelSelector")
    if not fields and not labels:
        return None
    from wherry.access.authorization.selectors import Selectors

    return Selectors(fields, labels)


def _status_form(request: Request) -> negotiate.Form:
    """The media type of a refusal: what was asked for, else JSON."""
    try:
        return negotiate.of(request)
    except errors.NotAcceptable:
        return negotiate.PRETTY if negotiate.indented(request) else negotiate.PLAIN
