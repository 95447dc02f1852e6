"""Who may open a stream, how many, what they may say, and until when."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from libs.common.contracts.streams import CloseCode
from libs.common.tokens import Audience, TokenType
from tests.fake_auth import FakeAuth
from tests.notification_server import ORIGIN, Board, Service, Start, a_ticket, receive

pytest_plugins = ["tests.notification_fixtures"]

REVOKED_WITHIN_SECONDS = 5


def masked(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        (ORIGIN, True),
        ("http://{host}", True),
        ("https://{host}", False),
        ("null", False),
        (f"{ORIGIN}.evil.io", False),
        ("https://evil.example", False),
    ],
)
async def test_only_listed_origins_and_our_own_open_streams(
    start: Start, board: Board, origin: str | None, allowed: bool
) -> None:
    service = await start()
    await board.publish()
    origin = origin and origin.format(host=f"127.0.0.1:{service.port}")
    headers = {} if origin is None else {"Origin": origin}
    if allowed:
        async with connect(service.ws(), additional_headers=headers) as client:
            await receive(client, "snapshot")
    else:
        status, problem, _ = await refused(service.ws(), headers)
        assert (status, problem["type"]) == (403, "urn:live-scoreboard:problem:forbidden")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.http}/api/stream/sse", headers=headers) as answer,
    ):
        assert answer.status == (200 if allowed else 403)
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert allowed or answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"since": "x"}, 422),
        ({"since": "1:-1"}, 422),
        ({"ticket": "too-short"}, 422),
        ({"ticket": "A" * 22}, 401),
    ],
)
async def test_nonsense_is_refused_before_the_upgrade(
    start: Start, query: dict[str, str], expected: int
) -> None:
    service = await start()
    status, problem, _ = await refused(service.ws(**query))
    assert status == problem["status"] == expected
    assert problem["request_id"]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.http}/api/stream/sse", params=query) as answer,
    ):
        assert answer.status == expected
        assert answer.content_type == "application/problem+json"


async def test_a_ticket_opens_one_stream_once(start: Start, fake_auth: FakeAuth) -> None:
    service = await start()
    ticket = await a_ticket(service, fake_auth, "alice")
    async with connect(service.ws(ticket=ticket)):
        assert (await refused(service.ws(ticket=ticket)))[0] == 401


async def test_tickets_are_for_the_gateway_on_behalf_of_a_user(
    start: Start, fake_auth: FakeAuth
) -> None:
    service = await start()
    good = fake_auth.context("alice", Audience.NOTIFICATION)
    gateway = fake_auth.service_token("gateway")
    cases = [
        (None, good, 401),
        ("rubbish", good, 401),
        (fake_auth.service_token("score"), good, 403),
        (fake_auth.access_token("alice"), good, 401),
        (gateway, "rubbish", 401),
        (gateway, fake_auth.context("alice", Audience.SCORE), 401),
        (gateway, fake_auth.context("alice", Audience.NOTIFICATION, seconds=-60), 401),
        (gateway, fake_auth.sign(TokenType.ACCESS, Audience.NOTIFICATION, "alice"), 401),
        (gateway, fake_auth.context("alice", Audience.NOTIFICATION, permissions=["x"]), 403),
        (gateway, good, 200),
    ]
    async with aiohttp.ClientSession() as session:
        for token, context, expected in cases:
            async with session.post(
                f"{service.http}/internal/tickets",
                json={"context": context, "expires_at": 4e9},
                headers={"Authorization": f"Bearer {token}"} if token else {},
            ) as answer:
                assert answer.status == expected, (token, context)


async def test_a_ticket_does_not_get_into_the_log(start: Start, fake_auth: FakeAuth) -> None:
    service = await start("--log-level", "info")
    ticket = await a_ticket(service, fake_auth, "alice")
    async with connect(service.ws(ticket=ticket)):
        pass
    await refused(service.ws(ticket=ticket))
    await refused(service.ws(ticket="B" * 22), {"Origin": "https://evil.example"})
    await service.stop()
    assert service.process.stdout is not None
    log = await asyncio.to_thread(service.process.stdout.read)
    assert b"/api/stream" in log
    assert ticket.encode() not in log
    assert b"B" * 22 not in log


async def test_an_address_has_so_many_streams_over_all_nodes(start: Start) -> None:
    one, other = [await start(MAX_CONNECTIONS_PER_ADDRESS="2") for _ in range(2)]
    async with connect(one.ws()):
        async with connect(other.ws()):
            for service in (one, other):
                status, problem, headers = await refused(service.ws())
                assert status == 429
                assert problem["type"] == "urn:live-scoreboard:problem:rate-limited"
                assert int(headers["Retry-After"]) > 0
        await eventually_opens(one)


async def test_a_user_has_so_many_streams(start: Start, fake_auth: FakeAuth) -> None:
    service = await start(MAX_CONNECTIONS_PER_USER="1")
    async with connect(service.ws(ticket=await a_ticket(service, fake_auth, "alice"))):
        again = await a_ticket(service, fake_auth, "alice")
        assert (await refused(service.ws(ticket=again)))[0] == 429
        async with connect(service.ws(ticket=await a_ticket(service, fake_auth, "bob"))):
            pass


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"type":"subscribe"}'], CloseCode.PROTOCOL_ERROR),
        (["[" * 4000], CloseCode.PROTOCOL_ERROR),
        (["no json"], CloseCode.PROTOCOL_ERROR),
        ([b'{"type":"ping"}'], CloseCode.PROTOCOL_ERROR),
        ([f'{{"type":"ping","x":"{"x" * 5000}"}}'], CloseCode.PROTOCOL_ERROR),
        ([["[", "x" * 4000, "x" * 4000]], CloseCode.PROTOCOL_ERROR),
        (['{"type":"ping"}'] * 11, CloseCode.PROTOCOL_ERROR),
        ([["{}" for _ in range(60)]], CloseCode.PROTOCOL_ERROR),
    ],
)
async def test_a_client_that_says_too_much_is_closed(
    start: Start, messages: list[Any], code: int
) -> None:
    service = await start()
    async with connect(service.ws()) as other, connect(service.ws()) as client:
        try:
            for message in messages:
                await client.send(message)
        except ConnectionClosed:
            pass
        assert await closing_code(client) == code
        await other.send('{"type":"ping"}')
        await receive(other, "pong")


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (masked(Opcode.TEXT, b"\xff\xfe"), 1007),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x81\x00", 1002),
        (masked(Opcode.CONT, b"{}"), 1002),
        (masked(Opcode.PING, b"x") * 11, CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.CLOSE, b"\x03\xe8"), 1000),
    ],
    ids=["no UTF-8", "reserved bit", "unmasked", "no beginning", "pings", "closing"],
)
async def test_broken_frames_end_only_their_own_stream(
    start: Start, wire: bytes, code: int
) -> None:
    service = await start()
    async with connect(service.ws()) as other, connect(service.ws()) as client:
        client.transport.write(wire)
        assert await closing_code(client) == code
        await other.send('{"type":"ping"}')
        await receive(other, "pong")


async def test_a_ping_in_fragments_is_answered(start: Start) -> None:
    service = await start()
    async with connect(service.ws()) as client:
        await client.send(['{"type"', ':"pi', 'ng"}'])
        assert await receive(client, "pong") == {"type": "pong"}
        await (await client.ping())  # the protocol's own ping, too


async def test_revoked_sign_ins_are_closed(start: Start, fake_auth: FakeAuth) -> None:
    service = await start()
    alice = await connect(service.ws(ticket=await a_ticket(service, fake_auth, "alice")))
    bob_one = await connect(service.ws(ticket=await a_ticket(service, fake_auth, "bob", jti="b1")))
    bob_two = await connect(service.ws(ticket=await a_ticket(service, fake_auth, "bob", jti="b2")))
    unused = await a_ticket(service, fake_auth, "alice")
    fake_auth.revoke("bob", jti="b1")
    async with asyncio.timeout(REVOKED_WITHIN_SECONDS):
        assert await closing_code(bob_one) == CloseCode.REVOKED
    fake_auth.revoke("alice")
    async with asyncio.timeout(REVOKED_WITHIN_SECONDS):
        assert await closing_code(alice) == CloseCode.REVOKED
    assert (await refused(service.ws(ticket=unused)))[0] == 401
    async with bob_two:
        await bob_two.send('{"type":"ping"}')
        await receive(bob_two, "pong")


async def test_a_stream_ends_with_its_sign_in(start: Start, fake_auth: FakeAuth) -> None:
    service = await start()
    ticket = await a_ticket(service, fake_auth, "alice", seconds=1.5)
    async with connect(service.ws(ticket=ticket)) as client, asyncio.timeout(10):
        assert await closing_code(client) == CloseCode.SESSION_EXPIRED


async def refused(
    url: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """The answer instead of an upgrade: status, problem and headers."""
    with pytest.raises(InvalidStatus) as answer:
        await connect(url, additional_headers=headers or {})
    response = answer.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(response.body)
    return response.status_code, problem, response.headers


async def closing_code(client: ClientConnection) -> int:
    """What the server closes with."""
    async with asyncio.timeout(10):
        await client.wait_closed()
    assert client.close_code is not None
    return client.close_code


async def eventually_opens(service: Service) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                async with connect(service.ws()):
                    return
            except InvalidStatus:
                await asyncio.sleep(0.1)
