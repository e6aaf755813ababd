"""Where a workspace is: from paths (`root:team:app`) to logical clusters and back.

Read from the Workspace objects once, then kept from the storage's stream. A Workspace only counts while the logical
cluster that it names says that it is its owner: a copy of a Workspace object (a fork, a restored manifest) must never
lead into somebody else's cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from wherry.storage.api import Event, Spaces, Storage
from wherry.workspaces import ROOT

WORKSPACES = "/root/tenancy.kcp.io/workspaces/"
CLUSTER_ANNOTATION = "kcp.io/cluster"
LOGICAL_CLUSTER = "/root/core.kcp.io/logicalclusters/cluster"
_MOST_STEPS = 64  # of a path; deeper trees are refused when they are made


@dataclass(slots=True)
class Node:
    """A logical cluster in the tree. `parent` is a cluster id, empty for the root and for clusters without owner."""

    cluster: str
    parent: str = ""
    name: str = ROOT
    children: dict[str, str] = field(default_factory=dict)  # name -> cluster id


class Tree:
    """A `storage.Follower`."""

    def __init__(self, spaces: Spaces):
        self._spaces = spaces
        self._nodes: dict[str, Node] = {ROOT: Node(ROOT)}
        self._unfollow = spaces.follow(self)
        for name in spaces.spaces():
            space = spaces.space(name)
            if space is not None and name != ROOT:
                self._place(space)

    def close(self) -> None:
        self._unfollow()

    # --- questions ---------------------------------------------------------------------------------------------------
    def resolve(self, path: str) -> str:
        """The cluster of a path; its first step is `root` or a cluster id. Empty when there is none."""
        first, *steps = path.split(":")
        node = self._nodes.get(first)
        if len(steps) > _MOST_STEPS:
            return ""
        for step in steps:
            if node is None:
                return ""
            node = self._nodes.get(node.children.get(step, ""))
        return node.cluster if node is not None else ""

    def path(self, cluster: str) -> str:
        """`root:team:app`; the id itself for a cluster that is in no tree."""
        steps: list[str] = []
        node = self._nodes.get(cluster)
        while node is not None and node.parent and len(steps) <= _MOST_STEPS:
            steps.append(node.name)
            node = self._nodes.get(node.parent)
        if node is None:
            return cluster
        return ":".join((node.cluster, *reversed(steps)))

    def parent(self, cluster: str) -> str:
        node = self._nodes.get(cluster)
        return node.parent if node is not None else ""

    def child(self, cluster: str, name: str) -> str:
        """The cluster of the workspace of this name directly below; empty when there is none."""
        node = self._nodes.get(cluster)
        return node.children.get(name, "") if node is not None else ""

    def name(self, cluster: str) -> str:
        """What a cluster's Workspace is called in its parent."""
        node = self._nodes.get(cluster)
        return node.name if node is not None else ""

    def children(self, cluster: str) -> dict[str, str]:
        """name -> cluster id of the workspaces directly below."""
        node = self._nodes.get(cluster)
        return dict(node.children) if node is not None else {}

    def below(self, cluster: str) -> Iterator[str]:
        """All clusters below one, parents before their children."""
        for child in self.children(cluster).values():
            yield child
            yield from self.below(child)

    def clusters(self) -> Sequence[str]:
        """All logical clusters, the root first."""
        return tuple(self._nodes)

    def __contains__(self, cluster: str) -> bool:
        return cluster in self._nodes

    # --- the stream --------------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        for event in events:
            if event.key == LOGICAL_CLUSTER:
                self._place(space)

    def made(self, space: Storage) -> None:
        """A fork has the LogicalCluster of its source until it gets its own: it is in no tree yet."""

    def dropped(self, space: Storage) -> None:
        node = self._nodes.pop(space.name, None)
        above = self._nodes.get(node.parent) if node is not None else None
        if node is not None and above is not None and above.children.get(node.name) == space.name:
            del above.children[node.name]

    def _place(self, space: Storage) -> None:
        record = space.get(LOGICAL_CLUSTER)
        if space.name == ROOT or record is None:
            return
        cluster = orjson.loads(record.value)
        if (cluster["metadata"].get("annotations") or {}).get(CLUSTER_ANNOTATION) != space.name:
            return  # a copy that came with a fork
        owner = (cluster.get("spec") or {}).get("owner") or {}
        known = self._nodes.get(space.name)
        if known is None:
            known = self._nodes[space.name] = Node(space.name)
        known.parent, known.name = owner.get("cluster", ""), owner.get("name", space.name)
        above = self._nodes.get(known.parent)
        if above is not None:
            above.children[known.name] = space.name
