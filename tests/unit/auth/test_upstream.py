"""Fetching another issuer's keys, from a server that may do anything."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

from libs.common.errors import Unavailable
from libs.common.tokens import KeySet
from services.auth import upstream
from services.auth.upstream import foreign_keys

KEYS = {
    "keys": [
        RSAAlgorithm.to_jwk(generate_private_key(65537, 2048).public_key(), as_dict=True)
        | {"kid": "one", "alg": "RS256"}
    ]
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def issuer(answer: Handler) -> AsyncGenerator[KeySet]:
    """The keys of a server that answers so at `/keys`, and rightly at `/elsewhere`."""
    app = web.Application()
    app.router.add_get("/keys", answer)
    app.router.add_get("/elsewhere", publishes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as session:
        yield foreign_keys(session, f"http://127.0.0.1:{port}/keys")
    await runner.cleanup()


async def publishes(_: web.Request) -> web.Response:
    return web.json_response(KEYS)


async def moves(_: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


async def fails(_: web.Request) -> web.Response:
    return web.json_response(KEYS, status=500)


async def chatters(request: web.Request) -> web.StreamResponse:
    body = web.StreamResponse()
    await body.prepare(request)
    try:
        for _ in range(10_000):
            await body.write(b" " * 8192)
    except ConnectionError:
        pass
    return body


async def puffs_up(request: web.Request) -> web.StreamResponse:
    body = web.Response(body=b" " * 50_000_000)
    body.enable_compression(web.ContentCoding.gzip)
    return body


async def is_not_json(_: web.Request) -> web.Response:
    return web.Response(text="<html>")


async def test_published_keys_are_found() -> None:
    async with issuer(publishes) as keys:
        assert await keys.get("one") is not None
        assert await keys.get("two") is None


@pytest.mark.parametrize("answer", [moves, fails, chatters, puffs_up, is_not_json])
async def test_anything_else_is_no_key(answer: Handler) -> None:
    async with issuer(answer) as keys:
        with pytest.raises(Unavailable):
            await keys.get("one")


async def test_a_server_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "TIMEOUT_SECONDS", 0.1)

    async def hangs(request: web.Request) -> web.StreamResponse:
        body = web.StreamResponse()
        await body.prepare(request)
        while request.transport is not None:
            await asyncio.sleep(0.01)
        return body

    async with issuer(hangs) as keys:
        with pytest.raises(Unavailable):
            await keys.get("one")
