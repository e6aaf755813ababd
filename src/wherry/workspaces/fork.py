"""A workspace that begins as a copy of another: a space is forked, and the Workspace that is made next finds it."""

from __future__ import annotations

import orjson

from wherry.kit.ids import new_uid
from wherry.storage.api import Spaces
from wherry.store.store import encoder
from wherry.workspaces import ROOT
from wherry.workspaces.lifecycle import PATH, new_cluster_id
from wherry.workspaces.tree import CLUSTER_ANNOTATION, LOGICAL_CLUSTER


async def fork(spaces: Spaces, source: str, name: str) -> str:
    """Copy the cluster `source` for the Workspace `root:name`, which has yet to be made; the new cluster's id."""
    cluster = new_cluster_id()
    space = await spaces.make(cluster, source=source)
    record = space.get(LOGICAL_CLUSTER)
    assert record is not None, "the source is no logical cluster"
    obj = orjson.loads(record.value)
    meta = obj["metadata"]
    meta["uid"] = new_uid()
    meta["annotations"] = {**meta["annotations"], CLUSTER_ANNOTATION: cluster, PATH: f"{ROOT}:{name}"}
    obj["spec"]["owner"] = {**obj["spec"]["owner"], "name": name, "cluster": ROOT}
    await space.put(LOGICAL_CLUSTER, encoder(obj), expect=record.revision)
    return cluster
