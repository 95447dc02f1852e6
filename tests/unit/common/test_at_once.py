"""Requests that are answered past uvicorn's parser: which they are, and what still holds."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Iterator

import pytest

from libs.common import server
from libs.common.app import MAX_BODY_BYTES
from libs.common.at_once import Connection, Read, Reader, Whole
from libs.common.server import MAX_HEAD_BYTES
from tests.fuzz.raw import Line, Piece, talk
from tests.unit.common.at_once_server import (
    BOUND_SECONDS,
    KEEP_ALIVE_SECONDS,
    SLOW_SECONDS,
    Served,
    serving,
)

LINE = b"POST /fast HTTP/1.1\r\n"
HEAD = LINE + b"Host: here\r\nContent-Length: 2\r\n"
FAST = HEAD + b"\r\nok"
HOST = (b"host", b"here")
READ = Read(b"/fast", [HOST, (b"content-length", b"2")], b"ok", upgrades=False)
UPGRADE = b"GET /live HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: live\r\n\r\n"
SWITCHING = [(b"connection", b"Upgrade"), (b"upgrade", b"live")]
SLOW = b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n"
# Two that are taken, and three that are not.
FORMS = (
    LINE + b"Content-Length: %(size)d\r\n\r\n%(body)b",
    LINE + b"Host: here\r\nContent-Length: %(size)d\r\n\r\n%(body)b",
    LINE + b"X-Ordinary: no\r\nContent-Length: %(size)d\r\n\r\n%(body)b",
    LINE + b"Transfer-Encoding: chunked\r\n\r\n%(size)x\r\n%(body)b\r\n0\r\n\r\n",
    b"POST /fast?other HTTP/1.1\r\nContent-Length: %(size)d\r\n\r\n%(body)b",
)
LAST = LINE + b"Connection: close\r\nContent-Length: 4\r\n\r\nlast"
SEEDS = 40
ANSWER_SECONDS = 0.02


class Fast:
    """Answers after a while with what was sent, and remembers all of it."""

    line = LINE
    upgrades = False

    def __init__(self) -> None:
        self.requests: list[Whole] = []
        self.seconds = ANSWER_SECONDS
        self.passes_on = False

    def __call__(self, request: Whole, connection: Connection) -> bool:
        if dict(request.fields).get(b"x-ordinary") == b"no":
            return False
        self.requests.append(request)
        length = (b"content-length", b"%d" % len(request.body))
        loop = asyncio.get_running_loop()
        if self.passes_on:
            loop.call_later(self.seconds, connection.pass_on)
        else:
            loop.call_later(self.seconds, connection.answer, 200, [length], request.body)
        return True


@pytest.fixture
def fast() -> Fast:
    return Fast()


@pytest.fixture
async def served(fast: Fast) -> AsyncGenerator[Served, None]:
    async with serving(fast) as found:
        yield found


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (FAST, READ),
        (LINE + b"Host: here\r\n\r\n", Read(b"/fast", [HOST], b"", upgrades=False)),
        (FAST + b"\r\n", READ),
        (UPGRADE, Read(b"/live", [HOST, *SWITCHING], b"", upgrades=True)),
        (UPGRADE + b"\x81", None),
        (UPGRADE.replace(b"1.1", b"1.0").replace(b"Upgrade\r", b"keep-alive, Upgrade\r"), None),
        (FAST[:-1], None),
        (HEAD, None),
        (FAST + b"P", None),
        (FAST + FAST, None),
        (HEAD + b"Connection: close\r\n\r\nok", None),
        (HEAD + b"Content-Length: 2\r\n\r\nok", None),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        (LINE + b"Host : here\r\n\r\n", None),
        (LINE.replace(b"1.1", b"1.0") + b"\r\n", None),
        (b"nothing of HTTP", None),
    ],
    ids=[
        "whole", "without a body", "an empty line after it",
        "that upgrades", "something after an upgrade", "an upgrade of an old version",
        "not all of the body", "the head",
        "more", "two", "that closes", "two lengths", "two ways to say a length",
        "in chunks", "a space", "an old version", "something else",
    ],
)  # fmt: skip
def test_exactly_one_whole_request_is_read(data: bytes, read: Read | None) -> None:
    reader = Reader()
    for _ in range(2):  # whatever came before
        assert reader.read(data) == read
        assert reader.read(FAST) is not None


async def test_requests_are_answered_in_their_order_whoever_answers(
    served: Served, fast: Fast
) -> None:
    close = SLOW[:-2] + b"Connection: close\r\n\r\n"
    fast.seconds = SLOW_SECONDS
    pieces: list[Piece] = [FAST, 0.01, FAST + SLOW, 0.01, FAST, 0.01, close]

    ending = await talk(served.url, pieces, seconds=BOUND_SECONDS)

    # What came while another was answered is left to uvicorn, all of it.
    answers = [part.partition(b"HTTP/1.1")[0] for part in ending.received.split(b"\r\n\r\n")[1:]]
    assert answers == [b"ok", b"documented ok", b'"slow"', b"documented ok", b'"slow"']
    assert len(fast.requests) == 1


async def test_who_asks_on_while_the_application_answers_waits(served: Served) -> None:
    pieces: list[Piece] = [SLOW, 0.05, FAST, SLOW_SECONDS, LAST]

    ending = await talk(served.url, pieces, seconds=BOUND_SECONDS)

    answers = [part.partition(b"HTTP/1.1")[0] for part in ending.received.split(b"\r\n\r\n")[1:]]
    assert answers == [b'"slow"', b"documented ok", b"documented last"]


async def test_what_is_passed_on_is_answered_with_all_that_came_meanwhile(
    served: Served, fast: Fast
) -> None:
    fast.passes_on = True
    pieces: list[Piece] = [FAST, ANSWER_SECONDS / 4, FAST + LAST]

    ending = await talk(served.url, pieces, seconds=BOUND_SECONDS)

    answers = [part.partition(b"HTTP/1.1")[0] for part in ending.received.split(b"\r\n\r\n")[1:]]
    assert answers == [b"documented ok", b"documented ok", b"documented last"]
    assert len(fast.requests) == 1


async def test_however_the_bytes_arrive_each_request_has_its_answer(
    served: Served, fast: Fast
) -> None:
    for seed in range(SEEDS):
        dice = random.Random(seed)
        bodies = [b"%d" % number for number in range(dice.randint(1, 12))]
        pieces = [*_in_pieces(_requests(bodies, dice), dice), LAST]

        ending = await talk(served.url, pieces, seconds=BOUND_SECONDS)

        answers = re.findall(rb"\r\n\r\n(?:documented )?(\d+|last)", ending.received)
        assert answers == [*bodies, b"last"], f"seed {seed}"
        assert ending.statuses == [200] * len(answers), f"seed {seed}"
    assert len(fast.requests) > SEEDS // 4


def _requests(bodies: list[bytes], dice: random.Random) -> list[bytes]:
    return [dice.choice(FORMS) % {b"body": body, b"size": len(body)} for body in bodies]


def _in_pieces(requests: list[bytes], dice: random.Random) -> Iterator[Piece]:
    """Cut between some of the requests, and within some, with pauses of all kinds."""
    waiting = b""
    for request in requests:
        cut = dice.randrange(len(request)) if dice.random() < 0.3 else len(request)
        yield waiting + request[:cut]
        yield dice.choice((0.0, 0.002, 2 * ANSWER_SECONDS))
        waiting = request[cut:]
    yield waiting


async def test_what_is_not_ordinary_is_the_applications(served: Served, fast: Fast) -> None:
    unusual = HEAD + b"X-Ordinary: no\r\n\r\nok"

    ending = await talk(served.url, [unusual, FAST[:-1], 0.05, b"k" + FAST], seconds=BOUND_SECONDS)

    assert ending.statuses == [200, 200, 200]
    assert ending.received.count(b"documented") == 3
    assert fast.requests == []


async def test_a_body_that_was_not_read_is_no_request(
    served: Served, fast: Fast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy it would be answered to somebody else."""
    monkeypatch.setattr(server, "HEAD_SECONDS", 1.0)  # until it is hung up on
    filling = b" " * (MAX_BODY_BYTES + 1)
    head = b"POST /body HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    length = b"Content-Length: %d\r\n\r\n" % (len(filling) + len(FAST))

    ending = await talk(served.url, [head + length + filling, 0.2, FAST], seconds=BOUND_SECONDS)

    assert ending.statuses == [413]
    assert fast.requests == []


async def test_a_large_head_is_not_taken(served: Served, fast: Fast) -> None:
    filling = b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n"

    ending = await talk(served.url, [HEAD + filling + b"\r\nok"], seconds=BOUND_SECONDS)

    assert ending.statuses == [431]
    assert fast.requests == []


async def test_a_silent_connection_is_ended_and_no_other(served: Served) -> None:
    pause = KEEP_ALIVE_SECONDS * 0.7

    ending = await talk(served.url, [FAST, pause, FAST, pause, FAST], seconds=BOUND_SECONDS)

    assert ending.statuses == [200] * 3
    assert ending.cut
    assert 2 * pause + KEEP_ALIVE_SECONDS < ending.seconds < 2 * pause + 3 * KEEP_ALIVE_SECONDS


async def test_what_is_under_way_when_the_server_stops_is_answered(
    served: Served, fast: Fast
) -> None:
    fast.seconds = 1.0
    line = await Line.to(served.url)
    await line.send([FAST])
    async with asyncio.timeout(BOUND_SECONDS):
        while not fast.requests:
            await asyncio.sleep(0.01)
    served.stop()

    ending = await line.ending(seconds=BOUND_SECONDS)

    assert ending.cut
    assert ending.received.endswith(b"connection: close\r\n\r\nok")


async def test_who_hangs_up_is_not_answered_and_disturbs_nobody(served: Served) -> None:
    gone = await Line.to(served.url)
    await gone.send([FAST])
    gone.hang_up()

    ending = await talk(served.url, [FAST], seconds=BOUND_SECONDS)

    assert ending.statuses == [200]


@pytest.mark.parametrize(
    ("field", "client"),
    [(b"", "127.0.0.1"), (b"X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7")],
    ids=["itself", "behind our proxy"],
)
async def test_the_client_is_known_behind_a_proxy(
    served: Served, fast: Fast, field: bytes, client: str
) -> None:
    await talk(served.url, [HEAD + field + b"\r\nok"], seconds=BOUND_SECONDS)

    assert [request.client for request in fast.requests] == [client]
