"""Ready-made sets of libraries: what an API server of 1.36 offers to rules, and everything there is."""

from __future__ import annotations

from functools import cache

from wherry.machinery.cel.env import Env
from wherry.machinery.cel.library import collections as c
from wherry.machinery.cel.library.authz import AUTHZ
from wherry.machinery.cel.library.kubernetes import FORMATS, QUANTITIES, SEMVER
from wherry.machinery.cel.library.net import CIDRS, IPS
from wherry.machinery.cel.library.regex import REGEX
from wherry.machinery.cel.library.std import STD
from wherry.machinery.cel.library.strings import MORE_STRINGS, STRINGS
from wherry.machinery.cel.library.times import TIMES
from wherry.machinery.cel.library.url import URLS
from wherry.machinery.cel.registry import Library

_KUBERNETES = (
    STD,
    TIMES,
    URLS,
    REGEX,
    c.K8S_LISTS,
    c.OPTIONALS,
    QUANTITIES,
    STRINGS,
    c.SETS,
    IPS,
    CIDRS,
    FORMATS,
    c.COMPREHENSIONS,
    SEMVER,
    c.LISTS_EXT,
)


def kubernetes_libraries() -> tuple[Library, ...]:
    """The libraries of every Kubernetes expression."""
    return _KUBERNETES


@cache
def kubernetes() -> Env:
    """The functions of CRD rules and admission policies, without variables."""
    return Env(libraries=(*_KUBERNETES, AUTHZ))


@cache
def everything() -> Env:
    """All libraries, lists of mixed types allowed."""
    return Env(libraries=(*_KUBERNETES, c.ENCODERS, MORE_STRINGS), homogeneous=False)
