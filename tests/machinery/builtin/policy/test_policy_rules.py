"""Rules of cluster policy kinds: what a fresh server creates, fixed objects, conversions, webhook addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.builtin import policy, strategy
from wherry.machinery.builtin.policy import admission_rules, bootstrap
from wherry.machinery.builtin.policy.conversion import CONVERSIONS
from wherry.machinery.builtin.policy.webhook_target import webhook_url

Obj = dict[str, Any]
DRA = "resource.k8s.io"


def copy(obj: Obj) -> Obj:
    return json.loads(json.dumps(obj))  # type: ignore[no-any-return]


SEEDS = list(bootstrap.seeds(["10.0.0.0/24"]))


def test_seeds_have_names_of_their_own() -> None:
    keys = [(s.group, s.resource, s.object["metadata"].get("namespace"), s.object["metadata"]["name"]) for s in SEEDS]
    assert len(keys) == len(set(keys)) > 150


@pytest.mark.parametrize("seed", SEEDS, ids=lambda s: f"{s.resource}/{s.object['metadata']['name']}")
def test_every_seed_passes_its_own_rules(seed: bootstrap.Seed) -> None:
    obj, rules = copy(seed.object), strategy(seed.group, seed.resource)
    rules.default(obj)
    rules.prepare_create(obj)
    assert rules.validate_create(obj) == []
    same = copy(obj)
    rules.default(same)
    assert same == obj, "defaults are settled after one pass"


def test_bindings_refer_to_seeded_roles() -> None:
    roles = {(s.resource, s.object["metadata"].get("namespace"), s.object["metadata"]["name"]) for s in SEEDS}
    for seed in SEEDS:
        if seed.resource.endswith("rolebindings"):
            ref, inside = seed.object["roleRef"], seed.object["metadata"].get("namespace")
            where = inside if ref["kind"] == "Role" else None
            assert (ref["kind"].lower() + "s", where, ref["name"]) in roles


def test_every_module_in_the_table_loads() -> None:
    for group, resource in policy.TABLE:
        assert strategy(group, resource) is not None


def test_fixed_flow_schema_may_not_change() -> None:
    obj = copy(
        next(s.object for s in SEEDS if s.resource == "flowschemas" and s.object["metadata"]["name"] == "exempt")
    )
    rules = strategy("flowcontrol.apiserver.k8s.io", "flowschemas")
    obj["spec"]["matchingPrecedence"] = 2
    texts = [str(error) for error in rules.validate_create(obj)]
    assert any(text.endswith("spec of 'exempt' must equal the fixed value") for text in texts)


def test_system_priority_is_reserved() -> None:
    rules = strategy("scheduling.k8s.io", "priorityclasses")
    obj: Obj = {"metadata": {"name": "mine"}, "value": 2_000_000_000}
    assert [error.field for error in rules.validate_create(obj)] == ["value"]


NAMES = st.sampled_from(["a", "b", "gpu"])
REQUEST = st.fixed_dictionaries(
    {"name": NAMES, "deviceClassName": NAMES, "allocationMode": st.just("ExactCount"), "count": st.integers(1, 9)},
    optional={"adminAccess": st.booleans(), "selectors": st.just([{"cel": {"expression": "true"}}])},
)
CLAIM = st.lists(REQUEST, min_size=1, max_size=3).map(
    lambda requests: {"apiVersion": DRA + "/v1beta1", "metadata": {}, "spec": {"devices": {"requests": requests}}}
)


@given(CLAIM, st.sampled_from(["v1", "v1beta2"]))
def test_claims_go_there_and_back(claim: Obj, newer: str) -> None:
    table = CONVERSIONS[DRA, "resourceclaims"]
    there = table["v1beta1", newer](copy(claim))
    assert there["apiVersion"] == f"{DRA}/{newer}"
    assert all(set(request) == {"name", "exactly"} for request in there["spec"]["devices"]["requests"])
    assert table[newer, "v1beta1"](there) == claim


def test_slices_go_there_and_back() -> None:
    table = CONVERSIONS[DRA, "resourceslices"]
    device = {"name": "d", "basic": {"attributes": {"a": {"int": 1}}, "capacity": {"mem": {"value": "1Gi"}}}}
    obj = {"apiVersion": DRA + "/v1beta1", "spec": {"driver": "x", "nodeName": "n", "devices": [device]}}
    there = table["v1beta1", "v1"](copy(obj))
    assert there["spec"]["devices"] == [{"name": "d", **device["basic"]}]  # type: ignore[dict-item]
    assert table["v1", "v1beta1"](there) == obj


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://host:8443/path", ""),
        ("http://host/", "'https' is the only allowed URL scheme"),
        ("https:///path", "host must be specified"),
        ("https://me@host/", "user information is not permitted in the URL"),
        ("https://host/#x", "fragments are not permitted in the URL"),
        ("https://host/?x", "query parameters are not permitted in the URL"),
        ("https://host:port/", 'invalid port ":port" after host'),
        ("https://host/%zz", 'invalid URL escape "%zz"'),
    ],
)
def test_webhook_urls(url: str, text: str) -> None:
    texts = [str(error) for error in webhook_url(url, "f")]
    assert len(texts) == bool(text)
    assert not text or text in texts[0]


@given(st.text(max_size=20))
def test_any_url_is_judged(url: str) -> None:
    webhook_url("https://" + url, "f")
    webhook_url(url, "f")


def test_the_engine_judges_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_rules, "_compilers", [lambda text, scope: f"no {scope.result} in {text}"])
    (error,) = admission_rules.expression("1", admission_rules.Scope("bool"), "f")
    assert str(error) == 'f: Invalid value: "1": no bool in 1'


def test_repeated_devices_are_printed_by_name() -> None:
    device = {"driver": "d.example.com", "pool": "p", "device": "x"}
    results = [{"request": "r", **device}]
    status = {"allocation": {"devices": {"results": results}}, "devices": [device, device]}
    requests = [{"name": "r", "exactly": {"deviceClassName": "c"}}]
    claim: Obj = {"metadata": {"name": "c"}, "spec": {"devices": {"requests": requests}}, "status": status}
    found = strategy(DRA, "resourceclaims").validate_status_update(claim, copy({**claim, "status": {}}))
    shown = '{"Driver":"d.example.com","Pool":"p","Device":"x","ShareID":""}'
    assert f"status.devices[1]: Duplicate value: {shown}" in [str(error) for error in found]
