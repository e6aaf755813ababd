"""An operator written with Kopf: it writes down every change of a Widget and answers in the status.

    kubectl apply -f examples/operators/widgets_crd.yaml
    kopf run --all-namespaces examples/operators/kopf_widgets.py

WIDGET_LOG names the file to write to, standard output by default.
"""

from __future__ import annotations

import json
import os
from typing import Any

import kopf


def note(what: str, name: str | None, uid: str | None, size: int) -> None:
    with open(os.environ.get("WIDGET_LOG", "/dev/stdout"), "a") as file:
        file.write(json.dumps({"what": what, "name": name, "uid": uid, "size": size}) + "\n")


@kopf.on.create("example.com", "v1", "widgets")
def created(spec: kopf.Spec, name: str | None, uid: str | None, patch: kopf.Patch, **_: Any) -> None:
    note("created", name, uid, spec["size"])
    patch.status["observed"] = spec["size"]


@kopf.on.update("example.com", "v1", "widgets", field="spec.size")
def updated(new: int, name: str | None, uid: str | None, patch: kopf.Patch, **_: Any) -> None:
    note("updated", name, uid, new)
    patch.status["observed"] = new


@kopf.on.delete("example.com", "v1", "widgets")
def deleted(spec: kopf.Spec, name: str | None, uid: str | None, **_: Any) -> None:
    note("deleted", name, uid, spec["size"])
