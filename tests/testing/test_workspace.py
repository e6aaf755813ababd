"""What the fixtures give: workspaces of one's own, a clock, patience, faults, and what happened."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.client import Kind
from wherry.errors import Conflict, NotFound, ServiceUnavailable
from wherry.testing.harness import Harness
from wherry.testing.workspace import Workspace

MAPS, EVENTS = Kind("", "v1", "configmaps"), Kind("", "v1", "events")
SECRETS = Kind("", "v1", "secrets")
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default/token"
SEED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seed}\ndata: {from: template}\n"


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_begins_with_nothing_of_the_others(workspace: Workspace, turn: int) -> None:
    assert workspace.client().list(MAPS, "default")["items"] == []
    workspace.client().create(MAPS, config_map("a"), "default")


@pytest.mark.wherry(manifests=[SEED])
@pytest.mark.parametrize("turn", [1, 2])
def test_a_marker_names_what_is_there_from_the_beginning(workspace: Workspace, turn: int) -> None:
    client = workspace.client()
    assert client.get(MAPS, "seed", "default")["data"] == {"from": "template"}
    client.delete(MAPS, "seed", "default")
    assert workspace.difference() == ["- ConfigMap default/seed"]


def test_a_kubeconfig_leads_into_the_workspace(workspace: Workspace, kubeconfig: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == workspace.url
    assert workspace.url.endswith(f"/clusters/{workspace.path}")
    assert kubeconfig.stat().st_mode & 0o077 == 0


def test_the_official_client_reaches_it(kubernetes_client: Any, workspace: Workspace) -> None:
    from kubernetes.client import CoreV1Api

    workspace.client().create(MAPS, config_map("a"), "default")
    found = CoreV1Api(kubernetes_client).list_namespaced_config_map("default").items
    assert [obj.metadata.name for obj in found] == ["a"]
    assert workspace.traffic.matching("list", "configmaps")[-1].user_agent.startswith("OpenAPI-Generator")


def test_lightkube_reaches_it(lightkube_client: Any, workspace: Workspace) -> None:
    from lightkube.resources.core_v1 import ConfigMap

    workspace.client().create(MAPS, config_map("a", x="1"), "default")
    assert lightkube_client.get(ConfigMap, "a").data == {"x": "1"}


# --- time ------------------------------------------------------------------------------------------------------------
def test_time_passes_when_the_test_says_so(workspace: Workspace) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    client = workspace.client()
    request = workspace.eventually(lambda: client.request("POST", ACCOUNT, body=body))  # once its controller was there
    token = request["status"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}

    def known() -> bool:
        found = client.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=review)["status"]
        return bool(found.get("authenticated"))

    assert known()
    workspace.clock.advance(700)
    assert not known()


def test_timers_go_by_the_same_clock(workspace: Workspace) -> None:
    client = workspace.client()
    watch = client.watch(MAPS, "default", timeoutSeconds="3600", fieldSelector="metadata.name=nobody")
    ended = threading.Thread(target=lambda: list(watch))
    ended.start()
    workspace.eventually(lambda: workspace.traffic.matching("watch"))
    workspace.clock.advance(3700)
    ended.join(5)
    assert not ended.is_alive()


# --- patience --------------------------------------------------------------------------------------------------------
def test_eventually_is_woken_by_a_write(workspace: Workspace) -> None:
    client = workspace.client()
    later = threading.Timer(0.02, lambda: client.create(MAPS, config_map("late"), "default"))
    later.start()
    found = workspace.eventually(lambda: client.get(MAPS, "late", "default"), timeout=30)
    assert found["metadata"]["name"] == "late"
    later.join()


def test_eventually_says_what_was_wrong_last(workspace: Workspace) -> None:
    client = workspace.client()
    with pytest.raises(NotFound, match='configmaps "never" not found'):
        workspace.eventually(lambda: client.get(MAPS, "never", "default"), timeout=0)
    with pytest.raises(AssertionError, match="was not true within 0 s"):
        workspace.eventually(lambda: False, timeout=0)


def test_coroutines_wait_as_well(workspace: Workspace) -> None:
    async def main() -> Any:
        seen: list[int] = []

        async def third() -> bool:
            seen.append(1)
            return len(seen) == 3

        return await workspace.eventually_async(third)

    assert asyncio.run(main()) is True


# --- faults ----------------------------------------------------------------------------------------------------------
def test_the_nth_update_conflicts(workspace: Workspace) -> None:
    client = workspace.client()
    made = client.create(MAPS, config_map("a"), "default")
    fault = workspace.traffic.fail("update", "configmaps", nth=2)
    made = client.update(MAPS, {**made, "data": {"n": "1"}})
    with pytest.raises(Conflict, match=r'on configmaps "a": the object has been modified'):
        client.update(MAPS, {**made, "data": {"n": "2"}})
    assert client.update(MAPS, {**made, "data": {"n": "3"}})["data"] == {"n": "3"}
    assert fault.hits == 1
    assert [r.status for r in workspace.traffic.matching("update")] == [200, 409, 200]


def test_an_outage_lasts_until_it_is_healed(workspace: Workspace) -> None:
    client = workspace.client()
    workspace.traffic.fail(error=ServiceUnavailable("down"), times=0)
    for _ in range(3):
        with pytest.raises(ServiceUnavailable, match="down"):
            client.list(MAPS, "default")
    workspace.traffic.heal()
    client.list(MAPS, "default")


def test_a_delay_ends_with_the_clock(workspace: Workspace) -> None:
    client = workspace.client()
    fault = workspace.traffic.delay(3600, "list", "configmaps")
    waiting = threading.Thread(target=lambda: client.list(MAPS, "default"))
    waiting.start()
    workspace.eventually(lambda: fault.hits)
    workspace.clock.advance(3600)
    waiting.join(5)
    assert not waiting.is_alive()


def test_watches_are_cut(workspace: Workspace) -> None:
    client = workspace.client()
    client.create(MAPS, config_map("a"), "default")
    with closing(client.watch(MAPS, "default")) as events:  # type: ignore[type-var]
        assert next(events)[0] == "ADDED"
        assert workspace.traffic.cut_watches("secrets") == 0
        assert workspace.traffic.cut_watches("configmaps") == 1
        assert list(events) == []


def test_a_watch_over_http_is_cut_as_well(workspace: Workspace, lightkube_client: Any) -> None:
    from lightkube.resources.core_v1 import ConfigMap

    workspace.client().create(MAPS, config_map("a"), "default")
    seen = []
    for event, obj in lightkube_client.watch(ConfigMap, on_error=lambda *_: _stop()):
        seen.append((event, obj.metadata.name))
        workspace.traffic.fail("watch", times=0)
        workspace.traffic.cut_watches("configmaps")
    assert seen == [("ADDED", "a")]


def _stop() -> Any:
    from lightkube.core.exceptions import LoadResourceError  # noqa: F401 - the library is there
    from lightkube.types import OnErrorAction, OnErrorResult

    return OnErrorResult(OnErrorAction.STOP)


# --- what happened ---------------------------------------------------------------------------------------------------
def test_requests_are_remembered_with_their_bodies(workspace: Workspace) -> None:
    client = workspace.client(field_manager="my-operator")
    client.create(MAPS, config_map("a", x="1"), "default")
    client.patch(MAPS, "a", {"data": {"x": "2"}}, "default")
    (patch,) = workspace.traffic.matching("patch", "configmaps", "a")
    assert (patch.body, patch.status, patch.namespace) == ({"data": {"x": "2"}}, 200, "default")
    assert patch.query == "fieldManager=my-operator"
    workspace.traffic.clear()
    assert len(workspace.traffic) == 0


def test_the_difference_is_for_a_reader(workspace: Workspace) -> None:
    client = workspace.client()
    made = client.create(MAPS, config_map("a", x="1"), "default")
    found = workspace.difference()
    assert found[0] == "+ ConfigMap default/a"
    assert "    +  x: '1'" in found
    workspace._start = {**workspace._start, **{r.key: r for r in workspace._space.records()}}
    client.update(MAPS, {**made, "data": {"x": "2"}})
    assert workspace.difference() == ["~ ConfigMap default/a", "     data:", "    -  x: '1'", "    +  x: '2'"]


@dataclass
class Lamp:
    on: bool = False


def test_kinds_of_one_test_are_unknown_to_others(workspace: Workspace, control_plane: Harness) -> None:
    lamps = workspace.register(Lamp, "example.com")
    lamp = {"apiVersion": "example.com/v1", "kind": "Lamp", "metadata": {"name": "l"}, "spec": {}}
    assert workspace.client().create(lamps, lamp, "default")["spec"] == {"on": False}
    with pytest.raises(NotFound):
        control_plane.control_plane.client().list(lamps, "default")
