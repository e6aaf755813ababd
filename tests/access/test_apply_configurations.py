"""MutatingAdmissionPolicies that give apply configurations: merged as by server-side apply, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from .admission_world import GROUP, World, rule, with_world

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def policy(world: World, expression: str) -> None:
    spec = {
        "matchConstraints": {"resourceRules": [rule("deployments", group="apps")]},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
    }
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "p"}}
    await world.made(f"{GROUP}/mutatingadmissionpolicies", {**head, "kind": "MutatingAdmissionPolicy", "spec": spec})
    binding = {**head, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": "p"}}
    await world.made(f"{GROUP}/mutatingadmissionpolicybindings", binding)


def deployment(**pod: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}], **pod}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def created(expression: str, **pod: Any) -> tuple[int, Any]:
    """What creating a Deployment is answered under a policy."""
    answers: list[tuple[int, Any]] = []

    async def test(world: World) -> None:
        await policy(world, expression)
        answers.append(await world.call("POST", DEPLOYMENTS, deployment(**pod)))

    with_world(test)
    return answers[0]


def test_annotations_are_added():
    status, obj = created('Object{metadata: Object.metadata{annotations: {"my-annotation": "set"}}}')
    assert status == 201
    assert obj["metadata"]["annotations"] == {"my-annotation": "set"}
    assert obj["spec"]["replicas"] == 2


VOLUME = "Object.spec.template.spec.volumes"


def volumes(items: str) -> str:
    pod = f"Object.spec.template.spec{{volumes: [{items}]}}"
    return f"Object{{spec: Object.spec{{template: Object.spec.template{{spec: {pod}}}}}}}"


def test_lists_of_maps_are_merged_by_key():
    given = [{"name": "x", "emptyDir": {}}, {"name": "y", "emptyDir": {}}]
    status, obj = created(
        volumes(f'{VOLUME}{{name: "y", emptyDir: {VOLUME}.emptyDir{{medium: "Memory"}}}}'), volumes=given
    )
    assert status == 201
    assert obj["spec"]["template"]["spec"]["volumes"] == [given[0], {"name": "y", "emptyDir": {"medium": "Memory"}}]


def test_what_is_added_gets_its_defaults():
    status, obj = created(volumes(f'{VOLUME}{{name: "z", hostPath: {VOLUME}.hostPath{{path: "/a"}}}}'))
    assert status == 201
    assert obj["spec"]["template"]["spec"]["volumes"] == [{"name": "z", "hostPath": {"path": "/a", "type": ""}}]


def test_expressions_see_the_object():
    status, obj = created("Object{spec: Object.spec{replicas: object.spec.replicas + 1}}")
    assert (status, obj["spec"]["replicas"]) == (201, 3)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (
            'Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {"l": "v"}}}}',
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
            ".spec.selector",
        ),
        (
            "Object{spec: Object.specx{replicas: 1}}",
            'type mismatch: unexpected type name "Object.specx", expected "Object.spec", which matches field name path '
            "from root Object type",
        ),
        (
            "Object{spec: Object.spec{replicasx: 1}}",
            "error applying patch: failed to convert patch object to typed object: .spec.replicasx: field not declared "
            "in schema",
        ),
        (
            "Object{metadata: Object.metadata{labels: {1: 'a'}}}",
            'map key "1" is of type types.Int, not string',
        ),
    ],
)
def test_configurations_that_do_not_fit(expression: str, text: str):
    status, answer = created(expression)
    assert status == 403
    assert answer["message"] == f"policy 'p' with binding 'p' denied request: {text}"
