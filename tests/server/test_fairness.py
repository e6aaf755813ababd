"""Requests and their seats, and lists in slices: the same bytes, and nobody waits for all of them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from tests.server.handler_face import MAPS, Face

from wherry.access.user import User
from wherry.server import slices
from wherry.server.http import Request
from wherry.server.limits import Limits, Watches
from wherry.server.slices import Sliced
from wherry.server.turns import Turns

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
ANN = User("ann", groups=("system:authenticated",))


@pytest.fixture(scope="module")
def api() -> Iterator[Face]:
    face = Face()
    for number in range(150):
        face.config_map(f"cm-{number:03}", data={"n": str(number)}, metadata={"labels": {"odd": str(number % 2)}})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}
    binding = {"metadata": {"name": "ann"}, "roleRef": role, "subjects": [subject]}
    face("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    yield face
    face.close()


async def ask(
    api: Face, path: str, user: User | None = ANN, accept: str = "application/json", gzip: bool = False
) -> Any:
    raw, _, query = path.partition("?")
    headers = [("accept", "application/json"), *([("accept-encoding", "gzip")] if gzip else [])]
    return await api.app.respond(Request("GET", raw, raw, query, headers, user=user))


@pytest.mark.parametrize("accept", ["application/json", TABLE, PARTIAL])
@pytest.mark.parametrize("query", ["", "?labelSelector=odd%3D1", "?labelSelector=odd!%3D1", "?limit=100"])
def test_lists_in_slices_are_the_lists_in_one_piece(
    api: Face, accept: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {}
    for most in (10_000, 20):
        monkeypatch.setattr(slices, "PLAIN", most)
        monkeypatch.setattr(slices, "MADE", most)
        answer = api("GET", MAPS + query, accept=accept)
        assert answer.status == 200
        whole[most] = answer.doc
    assert whole[20] == whole[10_000]


def test_long_lists_are_compressed_as_they_are_written(api: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "PLAIN", 20)

    async def scenario() -> bytes:
        response = await ask(api, MAPS, gzip=True)
        assert isinstance(response.body, Sliced)
        assert ("Content-Encoding", "gzip") in response.headers
        return await response.body.whole()

    items = orjson.loads(zlib.decompress(api.loop.run_until_complete(scenario()), 31))["items"]
    assert len(items) >= 150


def test_a_list_keeps_its_seats_until_it_is_written_or_given_up(api: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "PLAIN", 20)
    fairness = api.handler.api.fairness
    assert fairness is not None

    async def scenario() -> None:
        response = await ask(api, MAPS)
        level = fairness.levels["global-default"]
        assert level.seats == 2  # 150 objects
        await response.body.whole()
        assert level.seats == 0
        response = await ask(api, MAPS)
        await response.body.aclose()
        assert level.seats == 0
        response = await ask(api, MAPS)
        del response
        assert level.seats == 0

    api.loop.run_until_complete(scenario())


def test_answers_say_where_they_belonged(api: Face) -> None:
    def named(kind: str, name: str) -> str:
        return str(api("GET", f"/apis/flowcontrol.apiserver.k8s.io/v1/{kind}/{name}").doc["metadata"]["uid"])

    for user, schema, level in ((ANN, "global-default", "global-default"), (None, "catch-all", "catch-all")):
        response = api.loop.run_until_complete(ask(api, "/version", user))
        headers = dict(response.headers)
        if user is not None:
            assert headers["X-Kubernetes-Pf-Flowschema-Uid"] == named("flowschemas", schema)
            assert headers["X-Kubernetes-Pf-Prioritylevel-Uid"] == named("prioritylevelconfigurations", level)


def test_too_many_are_refused_and_told_when_to_come_again() -> None:
    face = Face()
    try:
        fairness = face.handler.api.fairness
        assert fairness is not None
        fairness.resize(1)
        levels = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
        found = face("GET", f"{levels}/global-default").doc
        found["spec"]["limited"]["limitResponse"] = {"type": "Reject"}
        assert face("PUT", f"{levels}/global-default", found).status == 200
        ann = User("ann", groups=("system:authenticated",))
        place = fairness.place(ann, "root", "get", "/version", "", "", "")
        assert place.level.enter("someone else", 1, 1.0) is None
        response = face.loop.run_until_complete(ask(face, "/version", ann))
        assert response.status == 429
        assert dict(response.headers)["retry-after"] == "1"
        assert face("GET", "/version").status == 200  # administrators are exempt
        page = face("GET", "/metrics").body.decode()
        row = 'rejected_requests_total{priority_level="global-default",flow_schema="global-default"'
        assert f'{row},reason="concurrency-limit"}} 1' in page
    finally:
        face.close()


def test_watches_are_counted_and_bounded() -> None:
    face = Face()
    try:
        face.handler.api.watches = Watches(Limits(watches=3, watches_per_user=2))
        path = f"{MAPS}?watch=true"
        admin = User("admin", groups=("system:masters",))

        async def scenario() -> None:
            first, second = await ask(face, path, admin), await ask(face, path, admin)
            refused = await ask(face, path, admin)
            assert refused.status == 429
            assert b"This user has too many watches open" in refused.body
            third = await ask(face, path, User("other", groups=("system:masters",)))
            assert (await ask(face, path, User("third", groups=("system:masters",)))).status == 429
            for one in (first, second, third):
                await one.body.aclose()
                await one.body.aclose()
            assert (face.handler.api.watches.open, face.handler.api.watches.by_user) == (0, {})

        face.loop.run_until_complete(scenario())
    finally:
        face.close()


def test_flows_take_turns_and_others_get_in_between() -> None:
    async def scenario() -> list[str]:
        turns, order = Turns(), []

        async def work(flow: str, count: int) -> None:
            for _ in range(count):
                await turns.turn(flow)
                order.append(flow)

        async def other() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append("other")

        await asyncio.gather(*(work("storm", 4) for _ in range(5)), work("calm", 2), other())
        return order

    order = asyncio.run(scenario())
    assert order.index("other") < 4
    assert max(at for at, flow in enumerate(order) if flow == "calm") < 7
