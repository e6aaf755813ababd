"""Default roles on a later start: what is missing comes back, what was added stays, who says no is left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from tests.access.outside import Clock

from wherry.access.authorization.defaults import become, reconcile
from wherry.storage import open_storage
from wherry.store.bootstrap import ensure_defaults
from wherry.store.registry import Registry
from wherry.store.store import Store, encoder

GROUP = "rbac.authorization.k8s.io"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
VIEW = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


def role(rules: list[dict[str, Any]], **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": "r", **meta}, "rules": rules}


def test_missing_rights_are_added_as_rules() -> None:
    live = role([{**VIEW, "verbs": ["get"]}, {"apiGroups": ["x"], "resources": ["y"], "verbs": ["*"]}])
    changed = become(live, role([VIEW]))
    assert changed is not None
    assert changed["rules"] == [*live["rules"], {**VIEW, "verbs": ["list"]}]
    assert become(changed, role([VIEW])) is None


def test_more_than_the_default_is_enough() -> None:
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    assert become(role([everything]), role([VIEW])) is None


def test_whoever_is_protected_stays_as_it_is() -> None:
    assert become(role([], annotations={AUTOUPDATE: "false"}), role([VIEW], annotations={AUTOUPDATE: "true"})) is None


def test_labels_and_annotations_come_back_but_do_not_change() -> None:
    live = role([VIEW], labels={"a": "mine"})
    changed = become(live, role([VIEW], labels={"a": "default", "b": "default"}, annotations={AUTOUPDATE: "true"}))
    assert changed is not None
    assert changed["metadata"]["labels"] == {"a": "mine", "b": "default"}
    assert changed["metadata"]["annotations"] == {AUTOUPDATE: "true"}


def test_selectors_of_aggregated_roles() -> None:
    selector = {"matchLabels": {"a": "b"}}
    live, wanted = role([]), {**role([]), "aggregationRule": {"clusterRoleSelectors": [selector]}}
    changed = become(live, wanted)
    assert changed is not None
    assert changed["aggregationRule"] == {"clusterRoleSelectors": [selector]}
    assert become(changed, wanted) is None
    gone = become({**live, "aggregationRule": {}}, live)
    assert gone is not None
    assert gone["aggregationRule"] is None


def test_subjects_come_back_and_others_stay() -> None:
    ref = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "r"}
    group = {"kind": "Group", "apiGroup": GROUP, "name": "system:masters"}
    eve = {"kind": "User", "apiGroup": GROUP, "name": "eve"}
    live = {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [eve]}
    changed = become(live, {**live, "subjects": [group]})
    assert changed is not None
    assert changed["subjects"] == [eve, group]
    assert become(changed, {**live, "subjects": [group]}) is None


def test_a_store_is_completed() -> None:
    async def work() -> None:
        storage = open_storage("memory:")
        store, registry = Store(storage, Clock()), Registry()
        await ensure_defaults(store)
        assert await reconcile(store, registry) == 0
        deleted, emptied = f"/root/{GROUP}/clusterroles/view", f"/root/{GROUP}/clusterrolebindings/system:basic-user"
        before = storage.get(deleted)
        assert before is not None
        await storage.delete(deleted, lambda revision: b"{}")
        record = storage.get(emptied)
        assert record is not None
        obj = {**orjson.loads(record.value), "subjects": []}
        await storage.put(emptied, encoder(obj))
        assert await reconcile(store, registry) == 2
        assert await reconcile(store, registry) == 0
        restored, filled = storage.get(deleted), storage.get(emptied)
        assert restored is not None
        assert filled is not None
        assert orjson.loads(restored.value).get("aggregationRule") == orjson.loads(before.value).get("aggregationRule")
        assert orjson.loads(restored.value)["metadata"]["labels"] == orjson.loads(before.value)["metadata"]["labels"]
        (subject,) = orjson.loads(filled.value)["subjects"]
        assert subject["name"] == "system:authenticated"
        ref = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"}
        turned = {**orjson.loads(filled.value), "roleRef": ref}
        await storage.put(emptied, encoder(turned))
        assert await reconcile(store, registry) == 1
        again = storage.get(emptied)
        assert again is not None
        assert orjson.loads(again.value)["roleRef"]["name"] == "system:basic-user"
        assert orjson.loads(again.value)["metadata"]["uid"] != turned["metadata"]["uid"]
        await storage.close()

    asyncio.run(work())
