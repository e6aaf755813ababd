"""Encryption at rest: what lies on disk, rotation, migration, and keys that are missing or wrong."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.access.chain import ADMIN
from wherry.client import Client, Kind
from wherry.controlplane.sealing import EncryptionError, Sealing, load, parse
from wherry.kit.files import FileWatch
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage
from wherry.storage.api import StorageError

KEY = "/root/core/secrets/default/s"
VALUE = b'{"kind":"Secret","data":{"k":"dG9wc2VjcmV0"}}'
SECRETS = Kind("", "v1", "secrets", namespaced=True)
Obj = dict[str, Any]


def keys(*names: str, size: int = 32) -> Obj:
    made = [{"name": n, "secret": base64.b64encode((n * size)[:size].encode()).decode()} for n in names]
    return {"keys": made}


def config(*providers: Obj, resources: tuple[str, ...] = ("secrets",)) -> Obj:
    entry = {"resources": list(resources), "providers": list(providers)}
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": [entry]}


def sealing(*providers: Obj, resources: tuple[str, ...] = ("secrets",)) -> Sealing:
    return Sealing(parse(config(*providers, resources=resources)), "the file")


PROVIDERS = [
    ("aescbc", {"aescbc": keys("a")}),
    ("aesgcm", {"aesgcm": keys("a", size=16)}),
    ("aesgcm", {"aesgcm": keys("a")}),
    ("secretbox", {"secretbox": keys("a")}),
]


@pytest.mark.parametrize(("kind", "provider"), PROVIDERS)
def test_every_provider_reads_what_it_wrote(kind: str, provider: Obj) -> None:
    sealer = sealing(provider)
    form, stored = sealer.seal(KEY, VALUE)
    assert form == f"k8s:enc:{kind}:v1:a:".encode()
    assert stored.startswith(form)
    assert b"dG9w" not in stored
    assert sealer.unseal(KEY, stored) == (form, VALUE)
    assert sealer.seal(KEY, VALUE)[1] != stored  # a nonce of its own each time


def test_values_of_aesgcm_belong_to_their_key() -> None:
    sealer = sealing({"aesgcm": keys("a")})
    _, stored = sealer.seal(KEY, VALUE)
    with pytest.raises(StorageError):
        sealer.unseal("/root/core/secrets/default/other", stored)


@pytest.mark.parametrize(
    ("resources", "sealed"),
    [
        (("secrets",), {"secrets"}),
        (("*.",), {"secrets", "configmaps"}),
        (("*.apps",), {"deployments.apps"}),
        (("*.*",), {"secrets", "configmaps", "deployments.apps", "widgets.example.com"}),
        (("secrets", "widgets.example.com"), {"secrets", "widgets.example.com"}),
    ],
)
def test_which_resources_are_encrypted(resources: tuple[str, ...], sealed: set[str]) -> None:
    sealer = sealing({"aesgcm": keys("a")}, resources=resources)
    found = set()
    for resource, group in (
        ("secrets", "core"),
        ("configmaps", "core"),
        ("deployments", "apps"),
        ("widgets", "example.com"),
    ):
        if sealer.form(f"/root/{group}/{resource}/ns/x"):
            found.add(resource if group == "core" else f"{resource}.{group}")
    assert found == sealed


def test_an_exact_rule_goes_before_a_wildcard() -> None:
    doc = config({"identity": {}}, resources=("configmaps",))
    doc["resources"] += config({"aesgcm": keys("a")}, resources=("*.*",))["resources"]
    sealer = Sealing(parse(doc), "the file")
    assert sealer.form("/root/core/configmaps/ns/x") == b""
    assert sealer.form(KEY) == b"k8s:enc:aesgcm:v1:a:"


def test_wrong_and_missing_keys_are_named() -> None:
    _, stored = sealing({"aescbc": keys("a")}).seal(KEY, VALUE)
    with pytest.raises(StorageError, match=r"aescbc, key 'a', and cannot be read: the file has no key 'a' for aescbc"):
        sealing({"aescbc": keys("b")}).unseal(KEY, stored)
    other = {"aescbc": {"keys": [{"name": "a", "secret": base64.b64encode(b"x" * 32).decode()}]}}
    with pytest.raises(StorageError, match=r"the key 'a' in the file is not the one that it was written with"):
        sealing(other).unseal(KEY, stored)


@pytest.mark.parametrize(
    ("doc", "text"),
    [
        ({}, "kind: EncryptionConfiguration"),
        ({**config(), "resources": []}, "at least one resources is required"),
        (config({"identity": {}}, resources=()), "resources[0].resources: Required value"),
        (config(), "resources[0].providers: Required value"),
        (config({"identity": {}}, resources=("Secrets",)), "should not contain capital letters"),
        (config({"identity": {}}, resources=("*",)), "use '*.' to encrypt all the resources from core"),
        (config({"identity": {}}, resources=("pods.*",)), "same resource across groups is not supported"),
        (config({"identity": {}}, resources=("secrets", "*.")), "overlapping resources such as"),
        (config({"identity": {}}, resources=("secrets", "secrets")), "cannot be specified multiple times"),
        (config({"identity": {}}, resources=("events.events.k8s.io",)), "Use 'events' instead"),
        (config({"aescbc": keys("a", size=15)}), "got 15, expected one of [16 24 32]"),
        (config({"secretbox": keys("a", size=16)}), "got 16, expected one of [32]"),
        (config({"aescbc": {"keys": [{"name": "a", "secret": "?"}]}}), "secrets must be base64 encoded"),
        (config({"aescbc": {"keys": []}}), "at least one keys is required"),
        (config({"aescbc": keys("a"), "identity": {}}), "more than one provider specified"),
        (config({"rot13": {}}), "does not contain any of the expected providers"),
        (config({"kms": {"name": "k"}}), "key management services are not offered"),
    ],
)
def test_configurations_that_are_refused(doc: Obj, text: str) -> None:
    with pytest.raises(EncryptionError) as refused:
        parse(doc)
    assert text in str(refused.value)


def test_no_text_shows_a_secret(tmp_path: Path) -> None:
    secret = base64.b64encode(b"x" * 31).decode()
    file = tmp_path / "enc.yaml"
    for text in (yaml.safe_dump(config({"aescbc": {"keys": [{"name": "a", "secret": secret}]}})), f"a: [{secret}"):
        file.write_text(text)
        with pytest.raises(EncryptionError, match=r"enc\.yaml") as refused:
            load(file)
        assert secret not in str(refused.value)


def test_masked_rules_are_refused() -> None:
    doc = config({"identity": {}}, resources=("*.",))
    doc["resources"] += config({"identity": {}}, resources=("secrets",))["resources"]
    with pytest.raises(EncryptionError, match=r'resource "secrets" is masked by earlier rule "\*\."'):
        parse(doc)


# --- on disk ----------------------------------------------------------------------------------------------------------


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("wherry.db"))


async def put(folder: Path, sealer: Sealing | None, value: bytes = VALUE) -> None:
    storage = open_storage(f"sqlite:{folder}", sealer)
    await storage.put(KEY, lambda _: value)
    await storage.close()


def read(folder: Path, sealer: Sealing | None) -> tuple[bytes, bool]:
    async def scenario() -> tuple[bytes, bool]:
        storage = open_storage(f"sqlite:{folder}", sealer)
        record = storage.get(KEY)
        assert record is not None
        found = record.value, storage.stale(record)
        await storage.close()
        return found

    return asyncio.run(scenario())


@pytest.mark.parametrize(("kind", "provider"), PROVIDERS)
def test_the_disk_never_sees_the_value(kind: str, provider: Obj, tmp_path: Path) -> None:
    asyncio.run(put(tmp_path, sealing(provider)))
    assert b"dG9wc2VjcmV0" not in on_disk(tmp_path)
    assert f"k8s:enc:{kind}:v1:a:".encode() in on_disk(tmp_path)
    assert read(tmp_path, sealing(provider)) == (VALUE, False)


def test_rotation_says_what_is_stale(tmp_path: Path) -> None:
    asyncio.run(put(tmp_path, sealing({"aescbc": keys("a")})))
    assert read(tmp_path, sealing({"aescbc": keys("b", "a")})) == (VALUE, True)
    assert read(tmp_path, sealing({"identity": {}}, {"aescbc": keys("a")})) == (VALUE, True)
    with pytest.raises(StorageError, match="no key 'a' for aescbc"):
        read(tmp_path, sealing({"aescbc": keys("b")}))
    with pytest.raises(StorageError, match=r"key 'a'\); give the encryption configuration"):
        read(tmp_path, None)
    assert read(tmp_path, sealing({"aescbc": keys("a")})) == (VALUE, False)  # a refusal has kept nothing open


def test_plain_values_need_the_identity_provider(tmp_path: Path) -> None:
    asyncio.run(put(tmp_path, None))
    with pytest.raises(StorageError, match="is not encrypted, and the encryption configuration has no provider"):
        read(tmp_path, sealing({"aescbc": keys("a")}))
    assert read(tmp_path, sealing({"aescbc": keys("a")}, {"identity": {}})) == (VALUE, True)
    assert read(tmp_path, sealing({"aescbc": keys("a")}, resources=("configmaps",))) == (VALUE, False)


def test_deletions_and_history_are_sealed_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        sealer = sealing({"aesgcm": keys("a")})
        storage = open_storage(f"sqlite:{tmp_path}", sealer)
        await storage.put(KEY, lambda _: VALUE)
        await storage.put(KEY, lambda _: VALUE + b" ")
        await storage.delete(KEY, lambda _: VALUE + b"  ")
        await storage.close()
        storage = open_storage(f"sqlite:{tmp_path}", sealer)
        events = storage.events_since(storage.oldest)
        assert [event.record.value if event.record else None for event in events] == [VALUE, VALUE + b" ", None]
        assert events[-1].final is not None
        assert events[-1].final.value == VALUE + b"  "
        await storage.close()

    asyncio.run(scenario())
    assert b"dG9wc2VjcmV0" not in on_disk(tmp_path)


def test_replacing_all_with_themselves_migrates(tmp_path: Path) -> None:
    """What `kubectl get secrets -A -o json | kubectl replace -f -` does."""

    async def scenario(sealer: Sealing | None, check: bool) -> tuple[str, str]:
        storage = open_storage(f"sqlite:{tmp_path}", sealer)
        handler = await build_handler(storage)
        client = Client(LocalTransport(handler, ADMIN))
        if not check:
            made = {"metadata": {"name": "s"}, "data": {"k": "dG9wc2VjcmV0"}}
            await client.create(SECRETS, made, "default")
        found = await client.get(SECRETS, "s", "default")
        first = await client.update(SECRETS, found)
        second = await client.update(SECRETS, first)
        await handler.close()
        await storage.close()
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
        return found["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]

    before, after = asyncio.run(scenario(None, False))
    assert before == after  # without encryption a write that changes nothing stays none
    before, after = asyncio.run(scenario(sealing({"aescbc": keys("a")}, {"identity": {}}), True))
    assert before != after
    before, after = asyncio.run(scenario(sealing({"aescbc": keys("a")}), True))  # identity may go now
    assert before == after


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "enc.yaml"

    def write(text: str) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_text(text)
        os.replace(fresh, file)

    write(yaml.safe_dump(config({"aescbc": keys("a")})))
    sealer = load(file)
    files = FileWatch()
    files.add((file,), sealer.reload)
    write("nonsense")
    files.look()
    assert sealer.form(KEY) == b"k8s:enc:aescbc:v1:a:"
    write(yaml.safe_dump(config({"secretbox": keys("b")}, {"aescbc": keys("a")})))
    files.look()
    assert sealer.form(KEY) == b"k8s:enc:secretbox:v1:b:"
