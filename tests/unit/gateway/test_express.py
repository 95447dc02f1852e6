"""The express way gives the bytes that the documented way gives, and takes the ordinary only."""

import asyncio
import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.at_once import Connection, Whole
from libs.common.contracts.identities import Revocation
from libs.common.contracts.scores import Answer
from libs.common.contracts.values import MAX_TOTAL, USER_ID_PATTERN
from services.gateway.domain.headers import Quota
from services.gateway.routes.express import Express
from services.gateway.routes.scores import Counted, accepted
from services.gateway.usecases.seats import Seats
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
    ((JSON, KEY, ("X-Request-ID", "another")), BODY),
    ((JSON, KEY, ("Accept", "*/*"), ("Accept", "text/html")), BODY),
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
    ways = SimpleNamespace(express=True, offered=0, documented=0)
    ordinary_call = Express.__call__

    def call(self: Express, request: Whole, connection: Connection) -> bool:
        ways.offered += 1
        taken = ways.express and ordinary_call(self, request, connection)
        ways.documented += not taken
        return taken

    monkeypatch.setattr(Express, "__call__", call)
    return ways


async def exchange(
    client: aiohttp.ClientSession, fields: Fields, body: bytes, *, pause_seconds: float = 0.0
) -> bytes:
    """The bytes of an answer, but for its date; with a pause before the body."""
    reader, writer = await connected(client)
    head, _, rest = request(fields, body).partition(b"\r\n\r\n")
    if pause_seconds:
        writer.write(head + b"\r\n\r\n")
        await asyncio.sleep(pause_seconds)
        writer.write(rest)
    else:
        writer.write(request(fields, body))
    answer = await answer_of(reader)
    writer.close()
    return re.sub(rb"date: [^\r]+", b"", answer)


async def connected(
    client: aiohttp.ClientSession,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(str(client._base_url))
    return await asyncio.open_connection(place.hostname, place.port)


def request(fields: Fields, body: bytes) -> bytes:
    sent = (("X-Request-ID", "fixed"), *fields, ("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in sent)
    return f"POST /api/scores HTTP/1.1\r\nHost: test\r\n{head}\r\n".encode() + body


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    answer = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", answer)
    assert length
    return answer + await reader.readexactly(int(length[1]))


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


async def test_who_finds_no_seat_is_refused_in_the_same_bytes(
    client: aiohttp.ClientSession,
    services: FakeServices,
    taken: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Seats, "free", property(lambda _: False))
    fields = (*services.sign_in("alice").items(), JSON, KEY)
    documented, express = await both(client, services, taken, fields, BODY)
    assert documented == express
    assert express.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in express
    assert taken.documented == 0
    assert services.bodies == []


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


async def test_a_body_that_comes_later_is_waited_for_elsewhere(
    client: aiohttp.ClientSession, services: FakeServices, taken: SimpleNamespace
) -> None:
    fields = (*services.sign_in("alice").items(), JSON, KEY)
    at_once = await exchange(client, fields, BODY)
    services.totals.clear()
    services.stored.clear()
    offered = taken.offered
    assert await exchange(client, fields, BODY, pause_seconds=0.05) == at_once
    assert taken.offered == offered


async def test_requests_that_come_together_are_answered_in_their_order(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    signed = services.sign_in("alice").items()
    await exchange(client, (*signed, JSON, KEY), BODY)
    reader, writer = await connected(client)
    for name in ("a", "b", "c"):
        writer.write(request((*signed, JSON, ("Idempotency-Key", name)), BODY))
    keys = [re.search(rb"idempotency-key: (.)", await answer_of(reader)) for _ in range(3)]
    assert [key[1] for key in keys if key] == [b"a", b"b", b"c"]
    writer.close()


async def test_who_hangs_up_is_counted_all_the_same(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    signed = services.sign_in("alice").items()
    await exchange(client, (*signed, JSON, KEY), BODY)
    _, writer = await connected(client)
    writer.write(request((*signed, JSON, ("Idempotency-Key", "gone")), BODY))
    writer.transport.abort()
    answer = await exchange(client, (*signed, JSON, ("Idempotency-Key", "next")), BODY)
    assert answer.startswith(b"HTTP/1.1 200 ")


@given(st.from_regex(USER_ID_PATTERN, fullmatch=True), st.integers(0, MAX_TOTAL), st.integers(1))
def test_the_body_is_what_the_documented_model_says(user_id: str, total: int, version: int) -> None:
    answer = Answer(user_id=user_id, new_score=total, version=version)
    _, body = accepted(answer, Quota(5, 5), sent_key=b"")
    counted = Counted(user_id=user_id, new_score=total, version=version)
    assert body == counted.model_dump_json().encode()
