"""Rollouts step by step: a model of replica sets and pods is driven by the pure functions alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.objects import NOW, workload

from wherry.features.workloads import deployment_parts as parts
from wherry.features.workloads.common import template_hash
from wherry.features.workloads.deployment_reconcile import complete, counts, split, status, step
from wherry.runtime.writes import Delete, Update

Obj = dict[str, Any]


class World:
    """A deployment and its sets; `settle` lets every pod of every set become ready."""

    def __init__(self, replicas: int = 4, **spec: Any):
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
        spec = {"strategy": strategy, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10, **spec}
        self.deployment = workload("Deployment", replicas=replicas, **spec)
        self.sets: list[Obj] = []
        self.lowest = replicas
        self.highest = 0
        self.broken: set[str] = set()  # images whose pods never become ready

    def image(self, image: str) -> None:
        template = self.deployment["spec"]["template"]
        spec = {**template["spec"], "containers": [{"name": "c", "image": image}]}
        self.deployment["spec"]["template"] = {**template, "spec": spec}
        self.deployment["metadata"]["generation"] += 1

    def step(self) -> bool:
        """Whether anything was done."""
        wanted = step(self.deployment, self.sets, False)
        for write in wanted.writes:
            if isinstance(write, Update):
                self.sets = [
                    write.obj if s["metadata"]["uid"] == write.obj["metadata"]["uid"] else s for s in self.sets
                ]
            elif isinstance(write, Delete):
                self.sets = [s for s in self.sets if s["metadata"]["uid"] != write.obj["metadata"]["uid"]]
        if wanted.create is not None:
            made = wanted.create
            made["metadata"].update(uid=f"rs{len(self.sets)}-{made['metadata']['name']}", creationTimestamp=None)
            self.sets.append(made)
        self.deployment["status"] = status(self.deployment, self.sets, NOW, made=wanted.create is not None)
        return bool(wanted.writes) or wanted.create is not None

    def settle(self) -> None:
        for rs in self.sets:
            size = rs["spec"]["replicas"]
            bad = rs["spec"]["template"]["spec"]["containers"][0]["image"] in self.broken
            good = 0 if bad else size
            rs["status"] = {
                "replicas": size,
                "readyReplicas": good,
                "availableReplicas": good,
                "terminatingReplicas": 0,
            }
        available = sum(rs["status"]["availableReplicas"] for rs in self.sets)
        self.lowest = min(self.lowest, available)
        self.highest = max(self.highest, sum(rs["spec"]["replicas"] for rs in self.sets))

    def run(self, steps: int = 50) -> None:
        for _ in range(steps):
            busy = self.step()
            self.settle()
            if not busy and not self.step():
                return

    def reason(self, type_: str = "Progressing") -> str:
        return next((c["reason"] for c in self.deployment["status"].get("conditions", ()) if c["type"] == type_), "")

    def sizes(self) -> dict[str, int]:
        found = {}
        for rs in self.sets:
            found[rs["spec"]["template"]["spec"]["containers"][0]["image"]] = rs["spec"]["replicas"]
        return found


@pytest.mark.parametrize("replicas", [1, 3, 4, 10])
def test_a_rollout_ends_and_keeps_its_limits(replicas: int) -> None:
    world = World(replicas)
    world.run()
    assert world.reason() == "NewReplicaSetAvailable"
    world.lowest, world.highest = replicas, 0
    world.image("x:2")
    world.run()
    assert world.sizes() == {"x:1": 0, "x:2": replicas}
    assert world.reason() == "NewReplicaSetAvailable"
    surge, unavailable = parts.fenceposts(world.deployment)
    assert world.highest <= replicas + surge
    assert world.lowest >= replicas - unavailable


def test_a_rollout_that_stalls_keeps_the_old_pods_and_can_be_undone() -> None:
    world = World(4)
    world.run()
    world.broken.add("x:2")
    world.image("x:2")
    world.run()
    assert world.sizes() == {"x:1": 3, "x:2": 2}
    late = status(world.deployment, world.sets, NOW + 601)
    progressing = next(c for c in late["conditions"] if c["type"] == "Progressing")
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert "has timed out progressing." in progressing["message"]
    world.image("x:1")
    world.run()
    assert world.sizes() == {"x:1": 4, "x:2": 0}
    new, _ = split(world.deployment, world.sets)
    assert new is not None
    assert parts.revision(new) == 3
    assert parts.annotation(new, parts.HISTORY) == "1"


def test_recreate_takes_the_old_away_first() -> None:
    world = World(3, strategy={"type": "Recreate"})
    world.run()
    world.image("x:2")
    assert world.step()
    assert world.sizes() == {"x:1": 0}
    assert step(world.deployment, world.sets, True).create is None  # old pods still run
    world.settle()
    world.run()
    assert world.sizes() == {"x:1": 0, "x:2": 3}


def test_a_paused_deployment_is_scaled_but_not_rolled_out() -> None:
    world = World(2)
    world.run()
    world.deployment["spec"]["paused"] = True
    world.image("x:2")
    world.deployment["spec"]["replicas"] = 5
    world.run()
    assert world.sizes() == {"x:1": 5}
    assert world.reason() == "DeploymentPaused"
    world.deployment["spec"]["paused"] = False
    world.step()
    assert world.sizes() == {"x:1": 5, "x:2": 2}


def test_scaling_in_the_middle_of_a_rollout_is_in_proportion() -> None:
    world = World(10, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}})
    world.run()
    world.broken.add("x:2")
    world.image("x:2")
    world.run()
    assert world.sizes() == {"x:1": 8, "x:2": 5}
    world.deployment["spec"]["replicas"] = 15
    world.run(1)
    assert world.sizes() == {"x:1": 11, "x:2": 7}


def test_the_oldest_revisions_are_forgotten() -> None:
    world = World(1, revisionHistoryLimit=1)
    for image in ("x:1", "x:2", "x:3", "x:4"):
        world.image(image)
        world.run()
        for rs in world.sets:
            rs["status"]["observedGeneration"] = 1
    world.run()
    assert sorted(world.sizes()) == ["x:3", "x:4"]


def test_names_are_stable_and_differ_by_template_and_collision() -> None:
    one = workload("Deployment")["spec"]["template"]
    shuffled = {"spec": one["spec"], "metadata": one["metadata"]}
    assert template_hash(one, None) == template_hash(shuffled, None)
    assert len({template_hash(one, n) for n in (None, 0, 1, 2)}) == 4
    assert template_hash(one, None) != template_hash(workload("Deployment", image="y")["spec"]["template"], None)


def test_minimum_availability_is_told() -> None:
    world = World(4)
    world.step()
    assert world.reason("Available") == "MinimumReplicasUnavailable"
    world.settle()
    world.step()
    assert world.reason("Available") == "MinimumReplicasAvailable"
    new, old = split(world.deployment, world.sets)
    assert complete(world.deployment, counts(world.deployment, new, [*old, *([new] if new else [])]))
