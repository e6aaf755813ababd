"""kubectl with a custom kind: columns, explain, scale and status subresources, refusals, describe."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from .conftest import Kubectl

BOATS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.e2e.example.com}
spec:
  group: e2e.example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat, shortNames: [bt], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.oars, statusReplicasPath: .status.oars}
    additionalPrinterColumns:
    - {name: Oars, type: integer, jsonPath: .spec.oars}
    - {name: Afloat, type: string, jsonPath: .status.afloat}
    - {name: Depth, type: integer, jsonPath: .spec.depth, priority: 1}
    schema:
      openAPIV3Schema:
        type: object
        description: A boat is for rowing.
        properties:
          spec:
            type: object
            properties:
              oars: {type: integer, minimum: 1, default: 2, description: How many oars it has.}
              depth: {type: integer}
          status:
            type: object
            properties:
              oars: {type: integer}
              afloat: {type: string}
"""
DINGHY = {"apiVersion": "e2e.example.com/v1", "kind": "Boat", "metadata": {"name": "dinghy"}, "spec": {"depth": 3}}


@pytest.fixture
def boats(kubectl: Kubectl) -> Iterator[Kubectl]:
    kubectl("apply", "-f", "-", stdin=BOATS)
    kubectl("wait", "--for=condition=Established", "crd/boats.e2e.example.com", "--timeout=10s")
    yield kubectl
    kubectl("delete", "crd", "boats.e2e.example.com", "--timeout=10s")


def test_a_custom_kind_is_like_any_other(boats: Kubectl) -> None:
    manifest = yaml.safe_dump(DINGHY)
    assert boats("apply", "-f", "-", stdin=manifest) == "boat.e2e.example.com/dinghy created\n"
    assert boats("apply", "-f", "-", stdin=manifest) == "boat.e2e.example.com/dinghy unchanged\n"
    assert boats("patch", "bt", "dinghy", "--subresource=status", "--type=merge", "-p", '{"status":{"afloat":"yes"}}')
    header, row = (line.split() for line in boats("get", "bt").splitlines())
    assert header == ["NAME", "OARS", "AFLOAT"]
    assert row == ["dinghy", "2", "yes"]
    assert boats("get", "boats", "-o", "wide").splitlines()[1].split() == ["dinghy", "2", "yes", "3"]
    assert boats("scale", "boat/dinghy", "--replicas=6") == "boat.e2e.example.com/dinghy scaled\n"
    assert boats("get", "boat", "dinghy", "-o", "jsonpath={.spec.oars},{.status.afloat}") == "6,yes"
    assert boats("wait", "boat/dinghy", "--for=jsonpath={.status.afloat}=yes").endswith("condition met\n")
    assert "Afloat:" in boats("describe", "boat", "dinghy")
    assert "boat.e2e.example.com/dinghy" in boats("get", "all", "-o", "name").split()
    assert boats("get", "crd", "boats.e2e.example.com").splitlines()[0].split() == ["NAME", "CREATED", "AT"]


def test_it_is_explained(boats: Kubectl) -> None:
    shown = boats("explain", "boat.spec.oars")
    assert "GROUP:      e2e.example.com" in shown
    assert "How many oars it has." in shown
    assert "oars\t<integer>" in boats("explain", "boats", "--recursive")


def test_what_does_not_fit_is_refused(boats: Kubectl) -> None:
    few = json.dumps({**DINGHY, "spec": {"oars": 0}})
    said = boats.refused("create", "-f", "-", stdin=few)
    assert 'The Boat "dinghy" is invalid: spec.oars: Invalid value: 0: ' in said
    unknown = json.dumps({**DINGHY, "spec": {"sails": 1}})
    assert 'strict decoding error: unknown field "spec.sails"' in boats.refused("create", "-f", "-", stdin=unknown)
