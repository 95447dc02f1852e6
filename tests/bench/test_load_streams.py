"""The load generator's watchers, and its time from POST to screen."""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from bench import generator
from bench.contender import DoesNotCount
from bench.load import files
from bench.load.boards import Board, board
from bench.load.crowd import Crowd, Watched, watching
from bench.load.frames import CLOSE, PING, TEXT, EventReader, Reader, WebSocketReader
from bench.load.handshakes import handshake
from bench.load.heads import Broken
from bench.load.posted import Posted
from bench.load.screen import Shown, Update, on_screen, shown
from bench.load.watcher import SLOW_READ_BYTES, Probe, Role
from tests.bench.load_servers import (
    HOST,
    scoreboard,
    sending_events,
    streaming,
)

PATIENCE_SECONDS = 5.0
ROOT = Path(__file__).parents[2]
CORES = os.sched_getaffinity(0)
TOKENS = {f"user-{n}": f"user-{n}" for n in range(50)}


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


async def program(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load", *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )


def frame(opcode: Opcode, payload: bytes, **other: bool) -> bytes:
    return Frame(opcode, payload, **other).serialize(mask=False)


def fed(reader: Reader, wire: bytes, piece: int) -> list[tuple[int, bytes]]:
    pieces = [wire[at : at + piece] for at in range(0, len(wire), piece)]
    return [found for one in pieces for found in reader.feed(memoryview(one))]


class TestReaders:
    @pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000, 1 << 20])
    def test_websocket_frames_at_any_boundary(self, piece: int) -> None:
        sent = [(TEXT, b"a" * size) for size in (0, 1, 125, 126, 800, 65_535, 65_536)]
        sent += [(PING, b"are you there"), (CLOSE, b"\x0f\xa1stalled")]
        wire = b"".join(frame(Opcode(opcode), payload) for opcode, payload in sent)
        assert fed(WebSocketReader(), wire, piece) == sent

    @pytest.mark.parametrize(
        "wire",
        [
            frame(Opcode.TEXT, b"part", fin=False),
            frame(Opcode.BINARY, b"x"),
            b"\xc1\x01x",  # deflated
            Frame(Opcode.TEXT, b"masked").serialize(mask=True),
            b"\x81\x7f" + (1 << 40).to_bytes(8, "big"),
        ],
        ids=["a part", "binary", "deflated", "masked", "endless"],
    )
    def test_frames_that_were_not_agreed_are_refused(self, wire: bytes) -> None:
        with pytest.raises(Broken):
            fed(WebSocketReader(), wire, 100)

    @pytest.mark.parametrize("piece", [1, 2, 3, 50, 1000])
    @pytest.mark.parametrize("line", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("chunk_bytes", [0, 5, 64])
    def test_events_at_any_boundary(self, piece: int, line: bytes, chunk_bytes: int) -> None:
        lines = [
            b"event: snapshot",
            b'data: {"a":1}',
            b"",
            b": comment",
            b"",
            b"data:b",
            b"data: c",
        ]
        wire = line.join([*lines, b"", b""])
        if chunk_bytes:
            parts = [wire[at : at + chunk_bytes] for at in range(0, len(wire), chunk_bytes)]
            wire = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        found = fed(EventReader(chunked=bool(chunk_bytes)), wire, piece)
        ended = [(CLOSE, b"")] if chunk_bytes else []
        assert found == [(TEXT, b'{"a":1}'), (TEXT, b"b\nc"), *ended]

    def test_a_board_with_and_without_a_position(self) -> None:
        naive = b'{"top_10":[{"user_id":"a","score":3}]}'
        assert board(naive) == Board({"a": 3}, None)
        assert board(b'{"type":"snapshot","epoch":2,"rev":9,"top_10":[]}') == Board({}, (2, 9))
        assert board(b'{"type":"heartbeat","epoch":2,"rev":9}') is None


class TestCrowd:
    async def test_all_get_every_frame_and_probes_read_it(self) -> None:
        async with streaming() as stream, watching(stream.url, 60, probes=5) as crowd:
            await crowd.until_current(PATIENCE_SECONDS)
            stream.send('{"type":"heartbeat","epoch":1,"rev":1}')
            stream.send('{"epoch":1,"rev":2,"top_10":[{"user_id":"a","score":3}]}')
            await until(lambda: crowd.frames == 180)
            watched = crowd.watched()
        assert (watched.watchers, watched.fewest_frames, watched.most_frames) == (60, 3, 3)
        assert (watched.position, watched.probes_at_position) == ((1, 2), 5)
        assert [len(probe.boards) for probe in crowd.probes] == [2] * 5
        assert all(list(probe.times) == sorted(probe.times) for probe in crowd.probes)
        assert (watched.ended, crowd.ended) == ({}, {})  # leaving is no end

    async def test_pings_are_answered_and_ends_are_counted(self) -> None:
        async with streaming() as stream, watching(stream.url, 3) as crowd:
            await until(lambda: len(stream.clients) == 3)
            async with asyncio.timeout(PATIENCE_SECONDS):
                for client in stream.clients:
                    await (await client.ping("are you there"))
            one, other, _ = stream.clients
            one.transport.abort()
            await other.close(4001)
            await until(lambda: crowd.ended.total() == 2)
            assert crowd.ended == {"lost": 1, "close 4001": 1}

    async def test_deflated_frames_are_counted_and_probes_read_them(self) -> None:
        boards = [f'{{"top_10":[{{"user_id":"a","score":{score}}}]}}' for score in range(3)]
        async with (
            streaming(boards[0], compression="deflate") as stream,
            watching(stream.url, 4, probes=2) as crowd,
        ):
            for text in boards[1:]:
                stream.send(text)
            await until(lambda: crowd.frames == 12)
            assert all(client.protocol.extensions for client in stream.clients)
        assert [board.scores["a"] for board in crowd.probes[0].boards] == [0, 1, 2]
        assert crowd.watched().probes_alike == 2

    async def test_who_is_cut_off_comes_back_and_tries_again_if_refused(self) -> None:
        async with streaming() as stream, watching(stream.url, 40, probes=5) as crowd:
            await crowd.until_current(PATIENCE_SECONDS)
            stream.refusals = 7
            await crowd.cut(PATIENCE_SECONDS)
            await until(lambda: len(stream.clients) == 40)
            watched = crowd.watched()
        assert (watched.watchers, watched.probes, watched.fewest_frames) == (40, 5, 1)
        assert (watched.refused, watched.ended) == ({"status 503": 7}, {})
        assert watched.return_seconds > 0

    async def test_a_crowd_in_a_process_of_its_own_does_as_it_is_told(self) -> None:
        async with (
            streaming() as stream,
            generator.watch(stream.url, count=5, seconds=30, on=CORES) as crowd,
        ):
            stream.send('{"top_10":[]}')
            assert (await crowd.now()).return_seconds == 0
            back = await crowd.cut(PATIENCE_SECONDS)
            assert back.return_seconds > 0
            stream.send('{"top_10":[{"user_id":"a","score":1}]}')
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (now := await crowd.now()).frames < 10:
                    await asyncio.sleep(0.02)
        assert (crowd.first.frames, now.frames, now.probes_alike) == (5, 10, 5)

    async def test_what_a_crowd_says_last_is_the_reason_why_there_is_none(self) -> None:
        async with streaming() as stream:
            stream.refusals = 100
            with pytest.raises(DoesNotCount, match=r"0 of 3 watchers .*'status 503': 3"):
                async with generator.watch(stream.url, count=3, seconds=5, on=CORES):
                    raise AssertionError("nobody was let in")

    async def test_events_in_odd_pieces(self) -> None:
        body = b'id: 1:2\ndata: {"epoch":1,"rev":2,"top_10":[{"user_id":"a","score":3}]}\n\n'
        wire = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        wire += b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body)
        pieces = [wire[:50], wire[50:130], wire[130:], b"0\r\n\r\n"]
        async with sending_events(pieces) as url, watching(url, 2) as crowd:
            await until(lambda: crowd.ended.total() == 2)
            assert (crowd.frames, crowd.watched().position) == (2, (1, 2))

    async def test_who_is_refused_is_not_in_the_crowd(self) -> None:
        async with sending_events([b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"]) as url:
            for refusing in (url, url.replace("http", "ws")):
                with pytest.raises(ConnectionError, match=r"0 of 3 watchers .*'status 503': 3"):
                    async with watching(refusing, 3):
                        raise AssertionError("nobody was let in")

    async def test_stuck_and_slow_readers_hold_up_nobody_else(self) -> None:
        frames, text = 100, f'"{"x" * 100_000}"'
        async with streaming() as stream, watching(stream.url, 5, slow=1, stuck=1) as crowd:
            began = time.monotonic()
            for _ in range(frames):
                stream.send(text)
            eager = [w for w in crowd.watchers if w.role is Role.PROBE]
            await until(lambda: all(w.frames == frames + 1 for w in eager))
            slow, stuck = (
                next(w for w in crowd.watchers if w.role is role)
                for role in (Role.SLOW, Role.STUCK)
            )
            assert len(eager) == 3
            assert slow.bytes <= SLOW_READ_BYTES * (time.monotonic() - began + 2)
            assert stuck.bytes <= 1000  # the handshake
            waiting = [client.transport.get_write_buffer_size() for client in stream.clients]
            assert sum(size > 0 for size in waiting) == 2

    async def test_a_crowd_may_come_from_several_addresses(self) -> None:
        sources = ["127.0.0.2", "127.0.0.3"]
        async with streaming() as stream, watching(stream.url, 4, sources=sources):
            assert sorted(client.remote_address[0] for client in stream.clients) == [
                *("127.0.0.2",) * 2,
                *("127.0.0.3",) * 2,
            ]

    def test_too_few_files_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def forbidden(_resource: int, _limits: tuple[int, int]) -> None:
            raise ValueError("not allowed to raise maximum limit")

        monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
        monkeypatch.setattr(resource, "setrlimit", forbidden)
        with pytest.raises(
            files.TooFewFiles, match="20000 sockets need 20100 open files, and 1024"
        ):
            files.allow(20_000)


class TestScreen:
    @pytest.mark.parametrize("rate", [10, 2000])
    async def test_every_update_is_seen_on_every_probe(self, rate: int) -> None:
        async with scoreboard() as (scores, url, stream), watching(stream, 12, probes=6) as crowd:
            result = await on_screen(
                url, TOKENS, crowd, rate=rate, seconds=0.6, leaders=2, beside_rate=100
            )
        assert result.posted.clean
        assert result.updates == result.posted.sent == 0.6 * rate
        assert result.unseen == 0
        assert result.every.count == 6 * result.updates
        assert sum(run.points for run in result.runs) == sum(scores.points)
        assert result.first.percentile(50) <= result.middle.percentile(50)
        assert result.middle.percentile(50) <= result.last.percentile(50)
        assert result.last.longest_us == result.every.longest_us
        leading = sorted(scores.totals, key=lambda user: -scores.totals[user])[:2]
        assert set(leading) == {"user-0", "user-1"}

    async def test_watchers_and_screen_in_processes_of_their_own(self, tmp_path: Path) -> None:
        tokens = tmp_path / "tokens.json"
        tokens.write_text(json.dumps(TOKENS), "utf-8")
        async with scoreboard() as (scores, url, stream):
            watch = await program("watch", "--url", stream, "--count=20", "--seconds=30", "--json")
            assert watch.stdout is not None
            begun = Watched.model_validate_json(await watch.stdout.readline())
            fixed = ("--url", url, "--stream", stream, "--tokens", str(tokens), "--seconds=0.3")
            out, _ = await (await program("screen", *fixed, "--watchers=5", "--json")).communicate()
            watch.terminate()
            ended, _ = await watch.communicate()
        result = Shown.model_validate_json(out)
        assert (begun.watchers, begun.fewest_frames) == (20, 1)
        assert Watched.model_validate_json(ended).fewest_frames > 1
        assert (result.updates, result.unseen) == (3, 0)
        assert sum(run.points for run in result.runs) == sum(scores.points)

    async def test_a_skipped_state_is_seen_with_the_next_and_a_missing_one_is_said(self) -> None:
        crowd = Crowd(f"ws://{HOST}:1/")
        prompt, late = (Probe(crowd, handshake(f"ws://{HOST}:1/")) for _ in range(2))
        for probe, seen in ((prompt, ((3, 5), (6, 8))), (late, ((9, 8),))):
            for milliseconds, score in seen:
                probe.times.append(milliseconds * 1_000_000)
                probe.boards.append(Board({"a": score, "b": 0}, None))
        updates = [Update(1_000_000, "a", 4), Update(2_000_000, "a", 8), Update(0, "a", 9)]

        result = shown([prompt, late], updates, Posted())

        assert result.unseen == 2
        assert [result.first.percentile(p) for p in (50, 100)] == pytest.approx([2, 4], rel=0.001)
        assert [result.last.percentile(p) for p in (50, 100)] == pytest.approx([7, 8], rel=0.001)
        assert result.every.count == 4
