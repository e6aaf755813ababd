"""managedFields and server-side apply against everything that a kube-apiserver was recorded to answer.

The recordings tell the object after admission, strategy and storage, ownership was reckoned before them. So a created
object may own less than it shows (only what the request did not say) and more than it shows (only what the server
dropped from the request); updates and applies are checked from one answer to the next.
"""

import json

from wherry.errors import StatusError
from wherry.machinery.fields import managed
from wherry.machinery.fields import sets as fs
from wherry.machinery.fields.apply import apply
from wherry.machinery.fields.typed import to_set
from wherry.machinery.fields.values import TypedError
from wherry.machinery.kinds import GroupVersionKind

from .recorded import steps

AGENT = "transcript"
# what the recorder masks, and what the server fills in after ownership is reckoned (ports of nodes, say)
# written by a scale that was not seen, and by the server itself
LATER = {".spec.replicas", ".status.acceptedNames.categories"}
# what a change of a service's type drops or allocates afterwards
DROPPED = {
    f".spec.{name}"
    for name in (
        "allocateLoadBalancerNodePorts",
        "clusterIP",
        "clusterIPs",
        "externalTrafficPolicy",
        "internalTrafficPolicy",
        "ipFamilies",
        "ipFamilyPolicy",
    )
}
UNTELLING = ("<masked>", "lastTransitionTime", "lastScaleTime", 'uid="', "nodePort")


def entries(obj):
    listed = (obj.get("metadata") or {}).get("managedFields") or []
    return {
        (one.get("manager"), one["operation"], one["apiVersion"], one.get("subresource"), "time" in one): one[
            "fieldsV1"
        ]
        for one in listed
    }


def told(fields):
    return {path for path in map(fs.path_text, fs.paths(fields)) if not any(word in path for word in UNTELLING)}


def bare(obj):
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def leaves_set(obj, node):
    """What an object says, without nulls; nothing for one that does not fit its type."""
    try:
        return told(fs.leaves(to_set(without_nulls(obj), node)))
    except TypedError:
        return set()


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_creates():
    exact = 0
    for step in steps():
        if step.method != "POST" or step.status != 201 or step.subresource or not step.is_object:
            continue
        if not isinstance(step.body, dict) or "managedFields" in (step.body.get("metadata") or {}):
            continue
        known = step.type_and_reset(step.answer)
        recorded = step.answer["metadata"].get("managedFields") or []
        if known is None or len(recorded) > 1 or "Review" in step.answer["kind"]:
            continue
        node, reset = known
        mine = managed.create(bare(step.answer), AGENT, step.answer["apiVersion"], "T", node, reset)
        ours = told(mine[0]["fieldsV1"]) if mine else set()
        theirs = told(recorded[0]["fieldsV1"]) if recorded else set()
        assert not (ours - theirs) & leaves_set(step.body, node), (step.scenario, step.url)
        assert not (theirs - ours) & leaves_set(step.answer, node), (step.scenario, step.url)
        exact += ours == theirs
    assert exact > 850


def test_updates():
    seen = 0
    for step in steps():
        if step.method not in ("PUT", "PATCH") or "apply" in step.content_type or not step.is_object:
            continue
        if (
            step.live is None
            or step.live["apiVersion"] != step.answer["apiVersion"]
            or step.subresource in ("scale", "resize")
        ):
            continue  # they write less than they own
        known = step.type_and_reset(step.answer)
        if known is None or any(
            one["apiVersion"] != step.answer["apiVersion"] for one in step.live["metadata"].get("managedFields") or []
        ):
            continue
        node, reset = known
        new = bare(step.answer)
        if isinstance(step.body, dict) and "managedFields" in (step.body.get("metadata") or {}):
            new["metadata"]["managedFields"] = step.body["metadata"]["managedFields"]
        name = managed.manager_name(AGENT, step.query.get("fieldManager", ""))
        mine = managed.update(step.live, new, name, step.answer["apiVersion"], "T", node, reset, step.subresource)
        ours, theirs = entries({"metadata": {"managedFields": mine}}), entries(step.answer)
        if ours.keys() != theirs.keys():
            continue  # somebody wrote in between, or an entry of masked fields
        for key, fields in theirs.items():
            assert told(ours[key]) ^ told(fields) <= (DROPPED if step.resource == "services" else LATER), (
                step.scenario,
                step.url,
                key,
            )
        seen += 1
    assert seen > 400


def test_applies():
    answers = refusals = 0
    for step in steps():
        manager = step.query.get("fieldManager", "")
        if "apply-patch" not in step.content_type or not isinstance(step.body, dict) or step.subresource == "scale":
            continue
        known = step.type_and_reset({**step.body, "apiVersion": f"{step.group}/{step.version}".lstrip("/")})
        if known is None or not 0 < len(manager) <= 128 or "\n" in manager:
            continue
        api_version = f"{step.group}/{step.version}".lstrip("/")
        if step.live is not None and step.live["apiVersion"] != api_version:
            continue
        node, reset = known
        force = step.query.get("force", "false") not in ("false", "0", "")
        kind = GroupVersionKind(step.group, step.version, step.body.get("kind"))
        try:
            mine = apply(step.live, step.body, manager, force, kind, "T", node, reset, step.subresource)
        except StatusError as refused:
            if "nodePort" in refused.message or step.query.get("fieldValidation") == "Bogus":
                continue  # the recorder masks ports with a text
            status = refused.to_status()
        else:
            status = None
        if status is not None:
            assert status == step.answer, (step.scenario, step.url)
            refusals += 1
            continue
        if not step.is_object or (step.live is None and step.status == 200):
            continue  # refused by a later station, or the object before was not seen
        ours, theirs = entries({"metadata": {"managedFields": mine.managed_fields}}), entries(step.answer)
        assert {key[:4] for key in ours} == {key[:4] for key in theirs}, (step.scenario, step.url)
        for key, fields in theirs.items():
            other = ours.get(key) or ours[next(one for one in ours if one[:4] == key[:4])]
            assert told(other) == told(fields), (step.scenario, step.url, key)
        answers += 1
    assert answers > 250
    assert refusals > 30


def test_recorded_field_sets_are_canonical():
    """Every FieldsV1 that was recorded reads and writes unchanged, in the same order."""
    seen = 0
    for step in steps():
        if step.is_object:
            for one in step.answer["metadata"].get("managedFields") or []:
                document = one["fieldsV1"]
                assert json.dumps(fs.canonical(document)) == json.dumps(document), step.url
                seen += 1
    assert seen > 1500
