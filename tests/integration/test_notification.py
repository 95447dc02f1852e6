"""The streams as watchers meet them: a real process, a real broker, a real Redis."""

import asyncio
import signal
import socket

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from libs.common.contracts.streams import CloseCode
from tests.fake_auth import FakeAuth
from tests.notification_fakes import read_sse
from tests.notification_server import Board, FakeScoreboard, Service, Start, a_ticket, receive

pytest_plugins = ["tests.notification_fixtures"]

SLOW_BUFFER_BYTES = 4096


async def test_a_snapshot_on_connect_and_then_every_change(start: Start, board: Board) -> None:
    service = await start()
    async with connect(service.ws()) as first:
        assert first.protocol.extensions == []  # whatever uvicorn was told about compression
        await board.publish()
        assert (await receive(first, "snapshot"))["rev"] == 1
        async with connect(service.ws()) as second:
            assert (await receive(second, "snapshot"))["rev"] == 1
            await board.publish()
            for client in (first, second):
                snapshot = await receive(client, "snapshot")
                assert (snapshot["rev"], snapshot["top_10"][0]["score"]) == (2, 2)


async def test_a_new_process_begins_with_the_newest_snapshot(start: Start, board: Board) -> None:
    await board.publish()
    service = await start()
    async with connect(service.ws()) as client:
        assert (await receive(client, "snapshot"))["rev"] == 1


async def test_who_returns_hears_only_what_is_new(start: Start, board: Board) -> None:
    service = await start()
    await board.publish()
    async with connect(service.ws()) as client:
        await receive(client, "snapshot")
    async with connect(service.ws(since="1:1")) as client:
        assert await receive(client, "current", "snapshot") == {
            "type": "current",
            "epoch": 1,
            "rev": 1,
        }
        await board.publish()
        assert (await receive(client, "current", "snapshot"))["rev"] == 2
    async with connect(service.ws(since="1:1")) as client:
        assert (await receive(client, "current", "snapshot"))["rev"] == 2


async def test_other_regions_old_news_and_rubbish_reach_nobody(start: Start, board: Board) -> None:
    service = await start()
    async with connect(service.ws()) as client:
        await board.publish(rev=5)
        assert (await receive(client, "snapshot"))["rev"] == 5
        await board.publish(rev=6, region="elsewhere")
        await board.write(b"{not json")
        await board.write(b'{"schema": 2}')
        await board.publish(rev=4)
        await board.publish(rev=7)
        assert (await receive(client, "snapshot"))["rev"] == 7


async def test_heartbeats_tell_the_position(start: Start, board: Board) -> None:
    service = await start()
    async with connect(service.ws()) as client:
        await board.publish()
        await board.publish(rev=1, reason="heartbeat")
        heartbeat = await receive(client, "heartbeat")
        assert heartbeat == {"type": "heartbeat", "epoch": 1, "rev": 1}


@pytest.mark.parametrize("parser", ["httptools", "h11"])
async def test_server_sent_events_over_a_raw_socket(
    start: Start, board: Board, parser: str
) -> None:
    service = await start("--http", parser)
    await board.publish()
    async with connect(service.ws()) as client:
        await receive(client, "snapshot")
    reader, writer = await raw_sse(service)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert head.startswith("http/1.1 200 ")
    assert head.count("transfer-encoding: chunked") == 1
    assert "content-type: text/event-stream" in head
    assert "cache-control: no-store" in head
    assert "content-length" not in head
    assert [m["rev"] for m in read_sse(await one_chunk(reader))] == [1]
    await board.publish()
    assert [m["rev"] for m in read_sse(await one_chunk(reader))] == [2]
    writer.close()

    reader, writer = await raw_sse(service, "Last-Event-ID: 1:2\r\n")
    await reader.readuntil(b"\r\n\r\n")
    (message,) = read_sse(await one_chunk(reader))
    assert message == {"type": "current", "epoch": 1, "rev": 2}
    writer.write(b"GET / HTTP/1.1\r\n\r\n")  # nothing may follow
    assert (await reader.read()).endswith(b"\r\n0\r\n\r\n")
    writer.close()


async def test_a_stalled_reader_costs_little_and_delays_nobody(start: Start, board: Board) -> None:
    service = await start()
    slow = a_slow_socket(service)
    async with connect(service.ws()) as quick_one, connect(service.ws(), sock=slow) as late:
        late.transport.pause_reading()
        quick = []
        for _ in range(200):
            await board.publish()
            quick.append((await receive(quick_one, "snapshot"))["rev"])
        assert quick == list(range(1, 201))
        late.transport.resume_reading()
        seen = [0]
        while seen[-1] < board.rev:
            seen.append((await receive(late, "snapshot"))["rev"])
        assert seen == sorted(set(seen))
        assert len(seen) < 100  # the others were never kept for it, here or in the kernel


async def test_a_client_that_stays_stalled_is_dropped(start: Start, board: Board) -> None:
    service = await start(STALL_SECONDS="1")
    async with connect(service.ws(), sock=a_slow_socket(service)) as client:
        client.transport.pause_reading()
        async with asyncio.timeout(20):
            while await metric(service, 'notification_frames_total{result="conflated"}') == 0:
                await board.publish()
        assert await metric(service, 'notification_connections{transport="websocket"}') == 1
        async with asyncio.timeout(20):
            while await metric(service, 'notification_connections{transport="websocket"}') > 0:
                await asyncio.sleep(0.2)
        code = f'notification_closes_total{{code="{CloseCode.STALLED:d}"}}'
        assert await metric(service, code) == 1
        client.transport.abort()


async def test_private_streams_hear_of_their_own_standing(
    start: Start, fake_auth: FakeAuth, fake_scoreboard: FakeScoreboard
) -> None:
    service = await start()
    ticket = await a_ticket(service, fake_auth, "alice")
    async with connect(service.ws(ticket=ticket)) as client, connect(service.ws()) as public:
        fake_scoreboard.standings["alice"] = (12, 340)
        standing = {"type": "standing", "rank": 12, "score": 340, "user_id": "alice"}
        assert await receive(client, "standing") == standing
        asked = fake_scoreboard.asked
        while fake_scoreboard.asked < asked + 2:
            await asyncio.sleep(0.1)
        fake_scoreboard.standings["alice"] = (11, 345)
        assert (await receive(client, "standing"))["rank"] == 11
        with pytest.raises(TimeoutError):
            await receive(public, "standing", seconds=0.1)


async def test_sigterm_sends_everyone_away_with_advice(start: Start, board: Board) -> None:
    service = await start()
    await board.publish()
    clients = [await connect(service.ws()) for _ in range(20)]
    reader, writer = await raw_sse(service)
    await reader.readuntil(b"\r\n\r\n")
    mute_reader, mute = await asyncio.open_connection("127.0.0.1", service.port)
    mute.write(upgrade("/api/stream"))  # never answers the close
    await mute_reader.readuntil(b"\r\n\r\n")
    stopping = asyncio.ensure_future(service.stop())
    for client in clients:
        assert 0 <= (await receive(client, "reconnect"))["after_ms"] < 5000
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.DRAINING
    body = await reader.read()
    assert b"event: reconnect\nretry: " in body
    assert body.endswith(b"\r\n0\r\n\r\n")
    async with asyncio.timeout(10):
        assert await stopping == -signal.SIGTERM
    writer.close()
    mute.close()


async def test_an_idle_process_ends_at_once_as_well(start: Start) -> None:
    service = await start()
    async with connect(service.ws()):
        pass
    async with asyncio.timeout(10):
        assert await service.stop() == -signal.SIGTERM


def a_slow_socket(service: Service) -> socket.socket:
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    slow.connect(("127.0.0.1", service.port))
    return slow


def upgrade(path: str, headers: str = "") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    ).encode()


async def raw_sse(
    service: Service, headers: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(f"GET /api/stream/sse HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
    return reader, writer


async def one_chunk(reader: asyncio.StreamReader) -> bytes:
    """The next chunk as it is on the wire, heartbeats left out."""
    async with asyncio.timeout(10):
        while True:
            size = await reader.readuntil(b"\r\n")
            payload = await reader.readexactly(int(size, 16) + 2)
            if b"event: heartbeat" not in payload:
                return size + payload


async def metric(service: Service, name: str) -> float:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.http}/metrics") as answer,
    ):
        for line in (await answer.text()).splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
    return 0.0
