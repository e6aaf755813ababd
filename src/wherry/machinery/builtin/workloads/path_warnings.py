"""Warnings about files in a volume that hide each other (warningsForOverlappingVirtualPaths)."""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.errors import go_quote

Obj = dict[str, Any]


class _Path(NamedTuple):
    path: str
    source: str

    def __str__(self) -> str:
        return f"{go_quote(self.path)} ({self.source})" if self.source else go_quote(self.path)


def _collisions(known: list[_Path], new: _Path) -> list[_Path]:
    if not new.path:
        return []
    return [
        old
        for old in known
        if old.path
        and (old == new or f"{old.path}/".startswith(f"{new.path}/") or f"{new.path}/".startswith(f"{old.path}/"))
    ]


def _overlaps(paths: list[_Path], known: list[_Path]) -> list[str]:
    """Texts for the collisions of `paths` with those before; `known` grows by them."""
    out: list[str] = []
    for item in paths:
        trimmed = _Path(item.path.rstrip("/"), item.source)
        out += [f"{trimmed} with {old}" for old in _collisions(known, trimmed)]
        known.append(trimmed)
    return out


def _items(source: Obj, label: str) -> list[_Path]:
    return [_Path(item.get("path", ""), label) for item in source.get("items") or ()]


def _of_projection(source: Obj) -> list[_Path]:
    for kind, label in (("configMap", "ConfigMap"), ("secret", "Secret")):
        found = source.get(kind)
        if found is not None and found.get("items") is not None:
            return _items(found, f"{label} {go_quote(found.get('name', ''))}")
    if source.get("downwardAPI") is not None and source["downwardAPI"].get("items") is not None:
        return _items(source["downwardAPI"], "DownwardAPI")
    token, bundle, certificate = (
        source.get(k) for k in ("serviceAccountToken", "clusterTrustBundle", "podCertificate")
    )
    if token is not None:
        return [_Path(token.get("path", ""), "ServiceAccountToken")]
    if bundle is not None:
        name = bundle.get("name") if bundle.get("name") is not None else bundle.get("signerName", "")
        return [_Path(bundle.get("path", ""), f"ClusterTrustBundle {go_quote(name)}")]
    parts = (("certificateChainPath", "chain"), ("keyPath", "key"), ("credentialBundlePath", "credential bundle"))
    return [_Path(path, f"PodCertificate {what}") for k, what in parts if (path := (certificate or {}).get(k))]


def overlapping_paths(volumes: list[Obj]) -> list[str]:
    out: list[str] = []
    for volume in volumes:
        name = go_quote(volume.get("name", ""))
        for kind, key, label in (("configMap", "name", "ConfigMap"), ("secret", "secretName", "Secret")):
            source = volume.get(kind)
            if source is not None:
                shown = f"{label} {go_quote(source.get(key, ''))}"
                out += [f"volume {name} ({shown}): overlapping paths: {t}" for t in _overlaps(_items(source, ""), [])]
        source = volume.get("downwardAPI")
        if source is not None:
            texts = _overlaps(_items(source, ""), [])
            out += [f"volume {name} (DownwardAPI): overlapping paths: {text}" for text in texts]
        known: list[_Path] = []
        for source in (volume.get("projected") or {}).get("sources") or ():
            if not any(value is not None for value in source.values()):
                out.append(f"volume {name} (Projected) has no sources provided")
                continue
            texts = _overlaps(_of_projection(source), known)
            out += [f"volume {name} (Projected): overlapping paths: {text}" for text in texts]
    return out
