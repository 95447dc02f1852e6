"""The express way gives the bytes that the documented way gives, and takes the ordinary only."""

import asyncio
import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from libs.common.contracts.identities import Revocation
from libs.common.contracts.scores import Answer
from libs.common.contracts.values import MAX_TOTAL, USER_ID_PATTERN
from services.gateway.domain.headers import Quota
from services.gateway.routes.express import Express
from services.gateway.routes.scores import Counted, accepted
from tests.unit.gateway.fakes import FakeServices
from tests.unit.gateway.server import MAX_INCREMENT

pytest_plugins = ["tests.unit.gateway.fixtures"]

Fields = tuple[tuple[str, str], ...]

JSON = ("Content-Type", "application/json")
KEY = ("Idempotency-Key", "8e03978e40d543ddbc936894a57f9324")
GRANT = ("Action-Grant", "eyJ0eXAiOiJncmFudCJ9.eyJqdGkiOiJnIn0.c2lnbmF0dXJl")
BODY = b'{"score_increment": 10}'
REVOCATION_SECONDS = 5

ORDINARY: list[tuple[Fields, bytes]] = [
    ((JSON, KEY), BODY),
    ((JSON, KEY), b'{"score_increment":1}'),
    ((JSON, KEY), b'{"score_increment":%d}' % MAX_INCREMENT),
    ((JSON, ("Idempotency-Key", '"quoted, \\"so\\""')), BODY),
    ((JSON, KEY, ("User-Agent", "game/1.0"), ("Accept", "*/*")), BODY),
    ((JSON, KEY, ("X-Request-ID", "not one of ours, so not kept")), BODY),
]
UNUSUAL: list[tuple[Fields, bytes]] = [
    ((JSON,), BODY),
    ((KEY,), BODY),
    ((("Content-Type", "application/json; charset=utf-8"), KEY), BODY),
    ((("Content-Type", "text/plain"), KEY), BODY),
    ((JSON, ("Content-Type", "text/plain"), KEY), BODY),
    ((("Content-Type", "text/plain"), JSON, KEY), BODY),
    ((JSON, KEY, KEY), BODY),
    ((JSON, ("Idempotency-Key", "a"), ("Idempotency-Key", "a")), BODY),
    ((JSON, ("Idempotency-Key", ""), KEY), BODY),
    ((JSON, ("Idempotency-Key", "")), BODY),
    ((JSON, ("Idempotency-Key", "é")), BODY),
    ((JSON, ("Idempotency-Key", "two words")), BODY),
    ((JSON, KEY, GRANT), BODY),
    ((JSON, GRANT), BODY),
    ((JSON, KEY, ("Authorization", "Bearer another.one.too")), BODY),
    *(
        ((JSON, KEY), body)
        for body in (
            b"",
            b"{}",
            b"[10]",
            b'{"score_increment": 0}',
            b'{"score_increment": 010}',
            b'{"score_increment": 10.0}',
            b'{"score_increment": "10"}',
            b'{"score_increment": %d}' % (MAX_INCREMENT + 1),
            b'{"score_increment": 10, "score_increment": 10}',
            b'{ "score_increment" :\n10}',
            BODY + b"\n",
            b" " * 3000 + BODY,
        )
    ),
]


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Which way is open, and how often the documented one was taken."""
    ways = SimpleNamespace(express=True, documented=0)
    ordinary_call = Express.__call__

    async def call(self: Express, scope: Scope, receive: Receive, send: Send) -> None:
        inner = self._app

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            ways.documented += scope["type"] == "http"
            await inner(scope, receive, send)

        if ways.express:
            await ordinary_call(Express(counted), scope, receive, send)
        else:
            await counted(scope, receive, send)

    monkeypatch.setattr(Express, "__call__", call)
    return ways


async def exchange(client: aiohttp.ClientSession, fields: Fields, body: bytes) -> bytes:
    """The bytes of an answer, but for its date."""
    place = urlsplit(str(client._base_url))
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    sent = (("X-Request-ID", "fixed"), *fields, ("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in sent)
    writer.write(f"POST /api/scores HTTP/1.1\r\nHost: test\r\n{head}\r\n".encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", answer)
    assert length
    answer += await reader.readexactly(int(length[1]))
    writer.close()
    return re.sub(rb"date: [^\r]+", b"", answer)


async def both(
    client: aiohttp.ClientSession,
    services: FakeServices,
    ways: SimpleNamespace,
    fields: Fields,
    body: bytes,
) -> tuple[bytes, bytes]:
    """The answer of the documented way, then of the express way, from the same state."""
    answers = []
    for ways.express in (False, True):
        services.totals.clear()
        services.stored.clear()
        ways.documented = 0
        answers.append(await exchange(client, fields, body))
    return answers[0], answers[1]


@pytest.mark.parametrize(("fields", "body"), ORDINARY)
async def test_an_ordinary_increment_gets_the_same_bytes_past_the_framework(
    client: aiohttp.ClientSession,
    services: FakeServices,
    taken: SimpleNamespace,
    fields: Fields,
    body: bytes,
) -> None:
    fields = (*services.sign_in("alice").items(), *fields)
    documented, express = await both(client, services, taken, fields, body)
    assert documented == express
    assert express.startswith(b"HTTP/1.1 200 ")
    assert taken.documented == 0
    first, again = services.bodies[-2:]
    assert first == again


@pytest.mark.parametrize(("fields", "body"), UNUSUAL)
async def test_whatever_is_unusual_is_handed_on_untouched(
    client: aiohttp.ClientSession,
    services: FakeServices,
    taken: SimpleNamespace,
    fields: Fields,
    body: bytes,
) -> None:
    signed = (*services.sign_in("alice").items(), *fields)
    ordinary = (*signed[:1], JSON, KEY)
    await exchange(client, ordinary, BODY)  # so that the verdict is remembered
    documented, express = await both(client, services, taken, signed, body)
    made = re.compile(rb"idempotency-key: [0-9a-f]{32}")  # by the gateway, if none was sent
    assert made.sub(b"", documented) == made.sub(b"", express)
    assert taken.documented == 1


@pytest.mark.parametrize(
    "refusal",
    [
        {"refusal": "rate-limited", "detail": "slow down", "retry_after_seconds": 2.5},
        {"refusal": "score-limit-reached", "detail": "full"},
        {"refusal": "unavailable", "detail": "away"},
    ],
)
async def test_what_score_refuses_is_told_in_the_same_bytes(
    client: aiohttp.ClientSession,
    services: FakeServices,
    taken: SimpleNamespace,
    refusal: dict[str, object],
) -> None:
    fields = (*services.sign_in("alice").items(), JSON, KEY)
    await exchange(client, fields, BODY)
    services.refusal = refusal
    documented, express = await both(client, services, taken, fields, BODY)
    assert documented == express
    assert not express.startswith(b"HTTP/1.1 200 ")
    assert taken.documented == 0


async def test_only_who_is_known_and_may_goes_express(
    client: aiohttp.ClientSession, services: FakeServices, taken: SimpleNamespace
) -> None:
    async def documented(signed: dict[str, str]) -> int:
        taken.documented = 0
        await exchange(client, (*signed.items(), JSON, KEY), BODY)
        return int(taken.documented)

    alice, reader = services.sign_in("alice"), services.sign_in("bob", permissions=["scores:read"])
    assert await documented({}) == 1
    assert [await documented(reader) for _ in range(2)] == [1, 1]
    assert [await documented(alice) for _ in range(2)] == [1, 0]
    services.revoke(Revocation(user_id="alice", jti="jti-alice"))
    async with asyncio.timeout(REVOCATION_SECONDS):
        while not await documented(alice):
            await asyncio.sleep(0.01)


async def test_a_body_that_comes_later_waits_elsewhere() -> None:
    """Nothing was taken from it: who is handed it finds it whole."""
    handed: list[Message] = []

    async def documented(scope: Scope, receive: Receive, send: Send) -> None:
        handed.append(await receive())

    late = asyncio.Event()

    async def receive() -> Message:
        await late.wait()
        return {"type": "http.request", "body": BODY}

    async def send(message: Message) -> None: ...

    judge = SimpleNamespace(remembered=lambda _: SimpleNamespace(permissions=["scores:write"]))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/scores",
        "headers": [
            (b"authorization", b"Bearer a.b.c"),
            (b"content-type", b"application/json"),
            (b"idempotency-key", b"key"),
        ],
        "state": {"parts": SimpleNamespace(judge=judge, max_increment=MAX_INCREMENT)},
    }
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Express(documented)(scope, receive, send))
        await asyncio.sleep(0)
        late.set()
    assert handed == [{"type": "http.request", "body": BODY}]


@given(st.from_regex(USER_ID_PATTERN, fullmatch=True), st.integers(0, MAX_TOTAL), st.integers(1))
def test_the_body_is_what_the_documented_model_says(user_id: str, total: int, version: int) -> None:
    answer = Answer(user_id=user_id, new_score=total, version=version)
    _, body = accepted(answer, Quota(5, 5), sent_key=b"")
    counted = Counted(user_id=user_id, new_score=total, version=version)
    assert body == counted.model_dump_json().encode()
