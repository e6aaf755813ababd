"""The caller of webhooks against a real HTTPS server: configuration, TLS, errors, bounds, kept connections."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson
import pytest

from wherry.access.webhooks import WebhookCaller, WebhookError, refusal_text, target_of
from wherry.kit.pki import Pki

from .webhook_server import json_answer, running


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def echo(body: Any) -> Any:
    return {"got": body}


def test_url_form_and_kept_connection() -> None:
    async def go() -> None:
        async with running(json_answer(echo)) as hook:
            caller = WebhookCaller()
            for number in range(3):
                answer = await caller.post(hook.config, orjson.dumps({"n": number}), seconds=5, query="timeout=5s")
                assert orjson.loads(answer) == {"got": {"n": number}}
            assert hook.connections == 1
            assert hook.paths == ["/convert?timeout=5s"] * 3
            await caller.close()

    run(go())


def test_service_form_checks_the_name_of_the_service() -> None:
    async def go() -> None:
        async with running(json_answer(echo)) as hook:
            config = {"service": {"name": "hook", "namespace": "ns", "path": "/x"}, "caBundle": hook.config["caBundle"]}
            asked = []

            def resolve(namespace: str, name: str, port: int) -> tuple[str, int]:
                asked.append((namespace, name, port))
                return "127.0.0.1", hook.port

            caller = WebhookCaller(resolve)
            assert orjson.loads(await caller.post(config, b"{}", seconds=5)) == {"got": {}}
            assert asked == [("ns", "hook", 443)]
            assert hook.paths == ["/x"]
            other = {**config, "service": {"name": "hook", "namespace": "other"}}
            with pytest.raises(WebhookError, match=r'^Post "https://hook.other.svc:443/": tls: failed to verify'):
                await caller.post(other, b"{}", seconds=5)
            await caller.close()

    run(go())


def test_a_stranger_s_authority_is_refused() -> None:
    async def go() -> None:
        async with running(json_answer(echo)) as hook:
            strange = {**hook.config, "caBundle": base64.b64encode(Pki(None).authority).decode()}
            caller = WebhookCaller()
            with pytest.raises(WebhookError, match=r"x509: certificate signed by unknown authority$"):
                await caller.post(strange, b"{}", seconds=5)
            with pytest.raises(WebhookError, match=r"x509: certificate signed by unknown authority$"):
                await caller.post({"url": hook.config["url"]}, b"{}", seconds=5)
            assert hook.calls == []

    run(go())


def test_nobody_listens_and_too_slow() -> None:
    async def go() -> None:
        async with running(json_answer(echo)) as hook:
            hook.delay = 5
            with pytest.raises(WebhookError, match="context deadline exceeded") as slow:
                await WebhookCaller().post(hook.config, b"{}", seconds=0.2)
            assert slow.value.timed_out
            config = hook.config
        with pytest.raises(WebhookError) as refused:
            await WebhookCaller().post(config, b"{}", seconds=5)
        port = config["url"].split(":")[2].split("/")[0]
        assert str(refused.value) == (
            f'Post "https://127.0.0.1:{port}/convert": dial tcp 127.0.0.1:{port}: connect: connection refused'
        )

    run(go())


def test_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    async def go() -> None:
        async with running(json_answer(echo)) as hook:
            hook.hang_up = True
            caller = WebhookCaller()
            for _ in range(3):
                assert orjson.loads(await caller.post(hook.config, b"{}", seconds=5)) == {"got": {}}
            assert hook.connections == 3
            await caller.close()

    run(go())


def test_an_endless_answer_is_cut() -> None:
    async def go() -> None:
        async with running(lambda body: (200, "application/json", b" " * 100_000)) as hook:
            with pytest.raises(WebhookError, match="longer than 1000 bytes"):
                await WebhookCaller(max_answer=1000).post(hook.config, b"{}", seconds=5)

    run(go())


def test_what_a_refusal_says() -> None:
    async def go() -> None:
        async with running(lambda body: (500, "text/plain; charset=utf-8", b"it broke\n")) as hook:
            text = 'an error on the server ("it broke") has prevented the request from succeeding'
            with pytest.raises(WebhookError, match=text.replace("(", r"\(").replace(")", r"\)")):
                await WebhookCaller().post(hook.config, b"{}", seconds=5)

    run(go())
    assert refusal_text(404, "text/plain", b"x") == "the server could not find the requested resource"
    assert (
        refusal_text(418, "", b"")
        == "the server responded with the status code 418 but did not return more information"
    )
    status = orjson.dumps({"kind": "Status", "status": "Failure", "message": "no"})
    assert refusal_text(400, "application/json", status) == "no"


def test_redirects_are_followed() -> None:
    async def go() -> None:
        async with running(json_answer(echo)) as hook, running(json_answer(echo)) as other:
            caller = WebhookCaller()
            hook.moved = {"/convert": (307, "/there?x=1"), "/there?x=1": (308, other.config["url"])}
            assert orjson.loads(await caller.post(hook.config, b"{}", seconds=5)) == {"got": {}}
            assert (hook.paths, other.paths) == (["/convert", "/there?x=1"], ["/convert"])
            hook.moved = {"/convert": (302, "/there")}  # becomes a GET, without a body
            assert orjson.loads(await caller.post(hook.config, b"{}", seconds=5)) == {"got": None}
            hook.moved = {"/convert": (301, "")}  # nowhere to go
            with pytest.raises(WebhookError, match="status code 301"):
                await caller.post(hook.config, b"{}", seconds=5)
            hook.moved = {"/convert": (307, "/convert")}
            with pytest.raises(WebhookError, match=r'^Post "https://.*/convert": stopped after 10 redirects$'):
                await caller.post(hook.config, b"{}", seconds=5)
            await caller.close()

    run(go())


def test_paths_are_joined_as_client_go_joins_them() -> None:
    for text, path in (("//failing", "/failing"), ("/a/./b/../c/", "/a/c"), ("", "/"), ("/", "/")):
        assert target_of({"url": f"https://x.example.com{text}"}).path == path
        assert target_of({"service": {"name": "n", "namespace": "ns", "path": text}}).path == path


def test_targets() -> None:
    assert target_of({"url": "https://[::1]:8443/a b"}, "timeout=1s").path == "/a%20b?timeout=1s"
    assert target_of({"url": "https://x.example.com"})[1:4] == ("x.example.com", 443, "/")
    with pytest.raises(WebhookError, match="either service or URL"):
        target_of({})
