"""The life of a simulated pod by its rules, with a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.objects import NOW

from wherry.features.simulation.behaviour import behaviour_of, rules_of
from wherry.features.simulation.kinds import CONDITION
from wherry.features.simulation.kubelet_reconcile import advance, ended_by_deletion

Obj = dict[str, Any]
IPS = ("10.0.0.1", "172.18.0.2")


class Life:
    """One pod; `at(seconds)` lets its kubelet look at it until then, whenever it wants to."""

    def __init__(self, policy: str = "Always", **rules: Any):
        meta = {"name": "p", "namespace": "default", "uid": "u", "generation": 1}
        spec = {"restartPolicy": policy, "containers": [{"name": "c", "image": "x"}]}
        self.pod: Obj = {"metadata": meta, "spec": spec}
        self.rules, self.now = rules, NOW
        self.seen: list[str] = []

    def at(self, seconds: float) -> str:
        for _ in range(200):
            status, again = advance(self.pod, self.rules, IPS, self.now)
            if status != self.pod.get("status"):
                self.pod["status"] = status
                self.seen.append(self.word())
            if again is None or self.now + again > NOW + seconds:
                break
            self.now += max(again, 0.001)
        self.now = NOW + seconds
        self.pod["status"] = advance(self.pod, self.rules, IPS, self.now)[0]
        return self.word()

    def word(self) -> str:
        """As `kubectl get pods` shows it, more or less."""
        status = self.pod["status"]
        container = status["containerStatuses"][0]
        state = container["state"]
        reason = next((s["reason"] for s in state.values() if s.get("reason")), status["phase"])
        return f"{reason} {'1/1' if container['ready'] else '0/1'}"


def test_without_rules_a_pod_runs_at_once_and_stays() -> None:
    life = Life()
    assert life.at(0) == "Running 1/1"
    before = life.pod["status"]
    assert life.at(10_000) == "Running 1/1"
    assert life.pod["status"] == before
    assert life.seen == ["Running 1/1"]
    conditions = {c["type"]: c["status"] for c in before["conditions"]}
    assert conditions["Ready"] == conditions[CONDITION] == "True"


def test_a_pod_goes_through_its_states() -> None:
    life = Life(pullSeconds=5, readyAfterSeconds=3)
    assert life.at(0) == "ContainerCreating 0/1"
    assert life.pod["status"]["phase"] == "Pending"
    assert life.at(6) == "Running 0/1"
    assert life.at(9) == "Running 1/1"
    assert life.seen == ["ContainerCreating 0/1", "Running 0/1", "Running 1/1"]


@pytest.mark.parametrize(
    ("policy", "rules", "end", "phase"),
    [
        ("Never", {}, "Completed 0/1", "Succeeded"),
        ("OnFailure", {}, "Completed 0/1", "Succeeded"),
        ("Never", {"exitCode": 3}, "Error 0/1", "Failed"),
        ("Never", {"reason": "OOMKilled"}, "OOMKilled 0/1", "Failed"),
        ("Never", {"runSeconds": 60}, "Running 1/1", "Running"),
    ],
)
def test_pods_that_end(policy: str, rules: Obj, end: str, phase: str) -> None:
    life = Life(policy, **rules)
    assert life.at(1) == end
    assert life.pod["status"]["phase"] == phase


def test_a_crash_loop_backs_off_longer_and_longer() -> None:
    life = Life(exitCode=1, runSeconds=1)
    life.at(0)
    assert life.at(5) == "CrashLoopBackOff 0/1"
    container = life.pod["status"]["containerStatuses"][0]
    assert container["restartCount"] == 1  # the first restart is at once
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert container["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=c pod=p_default(u)"
    )
    life.at(20)
    assert life.pod["status"]["containerStatuses"][0]["restartCount"] == 2
    life.at(300)
    assert life.pod["status"]["containerStatuses"][0]["restartCount"] in (5, 6)
    assert life.pod["status"]["phase"] == "Running"


def test_a_pod_recovers_after_its_failures() -> None:
    life = Life(exitCode=1, runSeconds=1, failures=2, recovers=True, restartBackoffSeconds=1)
    assert life.at(60) == "Running 1/1"
    assert life.pod["status"]["containerStatuses"][0]["restartCount"] == 2


def test_an_image_that_cannot_be_pulled() -> None:
    life = Life(pullError="not found")
    assert life.at(0) == "ErrImagePull 0/1"
    assert life.at(10) == "ImagePullBackOff 0/1"
    assert life.pod["status"]["phase"] == "Pending"


def test_readiness_flaps() -> None:
    life = Life(readySeconds=5, unreadySeconds=2)
    assert [life.at(t) for t in (0, 4, 6, 8, 13)] == [
        "Running 1/1", "Running 1/1", "Running 0/1", "Running 1/1", "Running 0/1",
    ]  # fmt: skip


def test_rules_without_duration_do_not_spin_for_ever() -> None:
    life = Life(exitCode=1, restartBackoffSeconds=0, runSeconds=0)
    _, again = advance(life.pod, life.rules, IPS, NOW)
    assert again is not None
    assert again > 0


def test_the_heaviest_matching_behaviour_counts_and_containers_have_their_own() -> None:
    def behaviour(name: str, app: str, weight: int, **rules: Any) -> Obj:
        spec = {"selector": {"matchLabels": {"app": app}}, "weight": weight, **rules}
        return {"metadata": {"name": name}, "spec": spec}

    every: Obj = {"metadata": {"name": "all"}, "spec": {"exitCode": 9}}
    listed = [every, behaviour("b", "web", 1, exitCode=1), behaviour("a", "web", 1, exitCode=2)]
    assert behaviour_of({"metadata": {"labels": {"app": "web"}}}, listed)["exitCode"] == 2
    assert behaviour_of({"metadata": {}}, listed)["exitCode"] == 9
    assert behaviour_of({"metadata": {}}, []) == {}
    rules = {"pullSeconds": 1, "containers": [{"name": "x", "pullSeconds": 2, "log": ["hi"]}]}
    assert (rules_of(rules, "x")["pullSeconds"], rules_of(rules, "y")["pullSeconds"]) == (2, 1)


def test_a_deleted_pod_says_how_it_ended() -> None:
    life = Life()
    life.at(0)
    ended = ended_by_deletion(life.pod["status"], NOW)
    assert ended["phase"] == "Failed"
    assert ended["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    assert {c["status"] for c in ended["conditions"] if c["type"] in ("Ready", "ContainersReady")} == {"False"}
