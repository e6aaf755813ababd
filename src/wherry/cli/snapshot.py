"""`wherry snapshot save|restore`: a whole control plane in one file.

A gzipped tar with a list of contents first: what lies in the data folder, but for the lock and the kubeconfig, which is
written anew. The folder is held meanwhile, so that nobody writes into it: a control plane that runs must be stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from wherry.controlplane.datafolder import FORMAT
from wherry.storage.api import StorageError
from wherry.storage.folder import FolderLock

CONTENTS = "contents.json"
KIND, VERSION = "wherry-snapshot", 1
_DATABASE = Path("db/wherry.db")
_MOST_FILES = 1000


class Refused(Exception):
    """What cannot be done, and why."""


def snapshot(options: argparse.Namespace) -> int:
    """`wherry snapshot` with these flags."""
    act = save if options.action == "save" else restore
    try:
        found = act(options.file, options.data)
    except (Refused, StorageError, OSError, sqlite3.Error, tarfile.TarError, EOFError) as error:
        print(f"wherry: {_words(error, options)}", file=sys.stderr)
        return 1
    size = sum(each["size"] for each in found["files"])
    done = (
        f"{options.data} is in {options.file}" if options.action == "save" else f"{options.file} is in {options.data}"
    )
    text = f"{done}: {len(found['files'])} files, {size / (1 << 20):.1f} MiB, taken {found['taken']}."
    print(json.dumps(found, indent=2) if options.output == "json" else text)
    return 0


def _words(error: Exception, options: argparse.Namespace) -> str:
    if isinstance(error, (tarfile.TarError, EOFError)):
        return f"{options.file} is no snapshot, or it is cut off: {error}"
    return str(error)


def save(file: Path, data: Path) -> dict[str, Any]:
    """Write a snapshot of a data folder; the list of its contents. Raises Refused, OSError, sqlite3.Error."""
    if not (data / _DATABASE).exists():
        raise Refused(f"{data} holds no control plane: there is no {data / _DATABASE}")
    if file.exists():
        raise Refused(f"{file} exists already; choose another name")
    beside = file.absolute().parent
    with _held(data / _DATABASE.parent), tempfile.TemporaryDirectory(prefix=".snapshot-", dir=beside) as text:
        records = Path(text) / "records"
        _back_up(data / _DATABASE, records)
        files = {str(_DATABASE): records, **{str(path.relative_to(data)): path for path in _others(data)}}
        listed = [_listed(name, path) for name, path in sorted(files.items())]
        contents = {"kind": KIND, "version": VERSION, "format": FORMAT, "taken": _now(), "files": listed}
        unfinished = Path(text) / "unfinished"
        with tarfile.open(unfinished, "w:gz", compresslevel=1) as archive:
            _add(archive, CONTENTS, json.dumps(contents).encode())
            for name, path in sorted(files.items()):
                archive.add(path, name, recursive=False)
        unfinished.chmod(0o600)  # whoever has it is the administrator
        unfinished.rename(file)
    return contents


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = FolderLock(folder)
    try:
        yield
    finally:
        lock.release()


def _listed(name: str, path: Path) -> dict[str, Any]:
    return {"name": name, "size": path.stat().st_size, "sha256": _digest(path)}


def _back_up(source: Path, target: Path) -> None:
    uri = f"file:{source.absolute()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as there, closing(sqlite3.connect(target)) as here:
        there.backup(here)
        here.execute("PRAGMA journal_mode=DELETE")


def _others(data: Path) -> Iterator[Path]:
    for path in sorted(data.rglob("*")):
        inside = path.relative_to(data)
        if path.is_file() and not path.is_symlink() and inside.parts[0] not in ("db", "kubeconfig"):
            yield path


def restore(file: Path, data: Path) -> dict[str, Any]:
    """Make a data folder of a snapshot, or leave nothing. Raises Refused, OSError, tarfile.TarError."""
    if data.exists() and any(data.iterdir()):
        raise Refused(f"{data} is not empty; restore into another folder with --data")
    data.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=data.absolute().parent) as text:
        unfinished = Path(text) / "data"
        unfinished.mkdir(mode=0o700)
        with tarfile.open(file, "r:gz") as archive:
            contents = _contents(archive, file)
            for each in contents["files"]:
                _extract(archive, each, unfinished, file)
        if data.exists():
            data.rmdir()
        unfinished.rename(data)
    return contents


def _contents(archive: tarfile.TarFile, file: Path) -> dict[str, Any]:
    member = archive.next()
    stream = archive.extractfile(member) if member is not None and member.name == CONTENTS else None
    try:
        found = json.loads(stream.read(1 << 20)) if stream is not None else {}
    except ValueError:
        found = {}
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise Refused(f"{file} is no snapshot of Wherry")
    if found.get("version", 0) > VERSION or found.get("format", 0) > FORMAT:
        raise Refused(f"{file} was written by a newer Wherry; restore it with that version")
    if len(found["files"]) > _MOST_FILES:
        raise Refused(f"{file} lists more files than a control plane has")
    return found


def _extract(archive: tarfile.TarFile, listed: dict[str, Any], folder: Path, file: Path) -> None:
    """One file, checked by name, size and digest."""
    member = archive.next()
    name = str(listed["name"])
    if member is None or member.name != name or not member.isreg() or member.size != listed["size"]:
        raise Refused(f"{file} does not hold what it lists: {name}")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Refused(f"{file} names a file outside of the data folder: {name}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream = archive.extractfile(member)
    assert stream is not None
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while block := stream.read(1 << 20):
            digest.update(block)
            out.write(block)
    if digest.hexdigest() != listed["sha256"]:
        raise Refused(f"{file} is damaged: {name} is not what was saved")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, body: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    archive.addfile(info, io.BytesIO(body))


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
