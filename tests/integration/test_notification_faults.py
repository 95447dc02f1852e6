"""What streams live through: the loss of processes, of Redis, and of the broker with its log."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from libs.common.contracts.topics import LEADERBOARD_UPDATED
from libs.common.kafka import Publisher
from libs.devstack import kafka
from libs.devstack.programs import Program
from services.notification.store.sessions import RedisSessions
from services.notification.usecases.ports import Limits
from tests import embedded
from tests.fake_auth import FakeAuth
from tests.notification_server import Board, Start, a_ticket, receive

pytest_plugins = ["tests.notification_fixtures"]

LIMITS = Limits(per_user=5, per_address=200)


@pytest.fixture
async def sessions(redis_url: str) -> AsyncGenerator[RedisSessions, None]:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        yield RedisSessions(redis, LIMITS, ttl_seconds=90)


async def test_sessions_are_known_while_they_live(
    start: Start, fake_auth: FakeAuth, sessions: RedisSessions
) -> None:
    service = await start(SESSION_TTL_SECONDS="1")
    async with connect(service.ws()):
        ticket = await a_ticket(service, fake_auth, "alice")
        async with connect(service.ws(ticket=ticket)):
            await asyncio.sleep(2)  # renewed meanwhile
            assert await sessions.count() == 2
            (session,) = await sessions.of_user("alice")
            assert session.transport == "websocket"
            assert "127.0.0.1" not in str(session)
    await until_count(sessions, 0)


async def test_a_killed_process_leaves_no_ghosts(start: Start, sessions: RedisSessions) -> None:
    service = await start(SESSION_TTL_SECONDS="2")
    clients = [await connect(service.ws()) for _ in range(10)]
    assert await sessions.count() == 10
    await service.stop(signal.SIGKILL)
    await until_count(sessions, 0)
    for client in clients:
        await client.close()


async def test_clients_that_vanish_in_the_handshake_leave_nothing(
    start: Start, sessions: RedisSessions
) -> None:
    service = await start()
    for path in ("/api/stream", "/api/stream/sse") * 20:
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            f"{'Upgrade: websocket' if path.endswith('m') else 'Accept: */*'}\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        writer.transport.abort()
    async with connect(service.ws()):
        await until_count(sessions, 1)


async def test_streams_open_without_redis(start: Start, board: Board) -> None:
    with embedded.valkey() as url:
        service = await start(REDIS_URL=url, MAX_CONNECTIONS_PER_ADDRESS="2")
    await board.publish()
    async with connect(service.ws()) as one, connect(service.ws()) as two:
        for client in (one, two):
            assert (await receive(client, "snapshot"))["rev"] == 1
        with pytest.raises(Exception, match="429"):
            await connect(service.ws())
        await board.publish()
        assert (await receive(one, "snapshot"))["rev"] == 2


async def test_the_stream_goes_on_after_the_broker_lost_everything(
    start: Start, tmp_path: Path
) -> None:
    broker = kafka.program(tmp_path, port=embedded.free_port())
    async with running(broker):
        board = await a_board(broker)
        service = await start(KAFKA_BOOTSTRAP_SERVERS=broker.url, REGION=board.region)
        client = await connect(service.ws())
        for _ in range(5):
            await board.publish()
        while (await receive(client, "snapshot"))["rev"] < 5:
            pass
        await board.publisher.close()
    async with running(broker), client:
        again = await a_board(broker, region=board.region, rev=5)
        await again.publish()
        assert (await receive(client, "snapshot", seconds=60))["rev"] == 6
        await again.publisher.close()


async def a_board(broker: Program, **at: object) -> Board:
    publisher = Publisher(broker.url, LEADERBOARD_UPDATED.name, client_id="tests")
    return Board(publisher, **at)  # type: ignore[arg-type]


@asynccontextmanager
async def running(program: Program) -> AsyncGenerator[None, None]:
    """A broker that ends by SIGKILL, which makes it forget."""
    options = program.options() | {"stdout": subprocess.DEVNULL}
    process = subprocess.Popen(program.command, **options)  # noqa: ASYNC220 - it only starts here
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    await program.ready()
                    break
                except Exception:  # noqa: BLE001 - not yet
                    await asyncio.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


async def until_count(sessions: RedisSessions, wanted: int) -> None:
    async with asyncio.timeout(10):
        while await sessions.count() != wanted:
            await asyncio.sleep(0.1)
