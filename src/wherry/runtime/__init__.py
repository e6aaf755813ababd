"""Controllers: informer, queue, reconciler; against Wherry in process or any other API through `client`."""

from wherry.runtime.controller import Controller, Reconcile
from wherry.runtime.informer import Informer, cluster_of, key_of, place_of
from wherry.runtime.queue import WorkQueue

__all__ = ["Controller", "Informer", "Reconcile", "WorkQueue", "cluster_of", "key_of", "place_of"]
