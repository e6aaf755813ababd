"""An operator written with lightkube: list, watch, resume. It notes each change of a Widget and answers in the status.

    kubectl apply -f examples/operators/widgets_crd.yaml
    python examples/operators/lightkube_widgets.py

WIDGET_LOG names the file to write to, standard output by default.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from lightkube import ApiError, Client
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import PatchType

Widget = create_namespaced_resource("example.com", "v1", "Widget", "widgets")
FINALIZER = "example.com/widgets"


def note(what: str, widget: Any) -> None:
    meta = widget.metadata
    line = {"what": what, "name": meta.name, "uid": meta.uid, "size": widget.spec["size"]}
    with open(os.environ.get("WIDGET_LOG", "/dev/stdout"), "a") as file:
        file.write(json.dumps(line) + "\n")


class Operator:
    def __init__(self) -> None:
        self.client = Client()
        self.done: dict[str, int] = {}  # by uid, the size that has been dealt with; -1 after the deletion

    def reconcile(self, widget: Any) -> None:
        meta = widget.metadata
        size, observed = widget.spec["size"], (widget.status or {}).get("observed")
        if meta.deletionTimestamp:
            if FINALIZER in (meta.finalizers or ()) and self.done.get(meta.uid) != -1:
                note("deleted", widget)
                self.done[meta.uid] = -1
                self.finalizers(meta, [name for name in meta.finalizers if name != FINALIZER])
            return
        if FINALIZER not in (meta.finalizers or ()):
            self.finalizers(meta, [*(meta.finalizers or ()), FINALIZER])
        if observed != size and self.done.get(meta.uid) != size:
            note("created" if observed is None else "updated", widget)
            self.done[meta.uid] = size
            status = {"status": {"observed": size}}
            self.client.patch(Widget.Status, meta.name, status, namespace=meta.namespace, patch_type=PatchType.MERGE)

    def finalizers(self, meta: Any, names: list[str]) -> None:
        patch = {"metadata": {"finalizers": names}}
        try:
            self.client.patch(Widget, meta.name, patch, namespace=meta.namespace, patch_type=PatchType.MERGE)
        except ApiError as error:
            if error.status.code != 404:
                raise

    def list(self) -> str:
        found = self.client.list(Widget, namespace="*", chunk_size=100)
        for widget in found:
            self.reconcile(widget)
        return str(found.resourceVersion)

    def run(self) -> None:
        version: str | None = None
        newest: dict[str, int] = {}
        while True:
            try:
                version = version or self.list()
                for what, widget in self.client.watch(Widget, namespace="*", resource_version=version):
                    version = widget.metadata.resourceVersion
                    if newest.get(widget.metadata.uid, 0) >= int(version):
                        note("repeated", widget)
                    newest[widget.metadata.uid] = int(version)
                    if what != "DELETED":
                        self.reconcile(widget)
            except ApiError as error:
                if error.status.code == 410:
                    version = None
                else:
                    time.sleep(0.2)
            except OSError:
                time.sleep(0.2)
            except Exception as error:  # the HTTP library's own, when the connection breaks
                if "http" not in type(error).__module__:
                    raise
                time.sleep(0.2)


if __name__ == "__main__":
    Operator().run()
