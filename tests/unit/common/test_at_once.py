"""Requests that are answered past uvicorn's parser: which they are, and what still holds."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from libs.common import server
from libs.common.app import MAX_BODY_BYTES, create_service
from libs.common.at_once import AT_ONCE, Answer, Fields, Reader, Whole
from libs.common.server import MAX_HEAD_BYTES, BoundedHttp
from tests.fuzz.raw import Line, Piece, talk

LINE = b"POST /fast HTTP/1.1\r\n"
HEAD = LINE + b"Host: here\r\nContent-Length: 2\r\n"
FAST = HEAD + b"\r\nok"
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
SLOW_SECONDS = 0.3
KEEP_ALIVE_SECONDS = 1
BOUND_SECONDS = 10


class Fast:
    """Answers after a while with what was sent, and remembers all of it."""

    line = LINE

    def __init__(self) -> None:
        self.requests: list[Whole] = []
        self.seconds = ANSWER_SECONDS

    def __call__(self, request: Whole, answer: Answer) -> bool:
        if dict(request.fields).get(b"x-ordinary") == b"no":
            return False
        self.requests.append(request)
        length = (b"content-length", b"%d" % len(request.body))
        loop = asyncio.get_running_loop()
        loop.call_later(self.seconds, answer, 200, [length], request.body)
        return True


class Served:
    """A running server with a `Fast`."""

    def __init__(self, server: uvicorn.Server, fast: Fast) -> None:
        self._server = server
        self.fast = fast

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True


@pytest.fixture
async def served() -> AsyncGenerator[Served, None]:
    fast = Fast()

    @asynccontextmanager
    async def lifespan(_app: FastAPI, _ready: object) -> AsyncIterator[dict[str, object]]:
        yield {AT_ONCE: fast}

    app = create_service("fast", lifespan, [])

    @app.post("/fast")
    async def documented(request: Request) -> Response:
        return Response(b"documented " + await request.body())

    @app.post("/body")
    async def body(_body: dict[str, int]) -> None: ...

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(SLOW_SECONDS)
        return "slow"

    config = uvicorn.Config(
        app,
        port=0,
        http=BoundedHttp,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=BOUND_SECONDS,
    )
    running = uvicorn.Server(config)
    serving = asyncio.ensure_future(running.serve())
    while not running.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    yield Served(running, fast)
    running.should_exit = True
    await serving


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (FAST, ([(b"host", b"here"), (b"content-length", b"2")], b"ok")),
        (LINE + b"Host: here\r\n\r\n", ([(b"host", b"here")], b"")),
        (FAST + b"\r\n", ([(b"host", b"here"), (b"content-length", b"2")], b"ok")),
        (FAST[:-1], None),
        (HEAD, None),
        (FAST + b"P", None),
        (FAST + FAST, None),
        (HEAD + b"Connection: close\r\n\r\nok", None),
        (HEAD + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\nok", None),
        (HEAD + b"Content-Length: 2\r\n\r\nok", None),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        (LINE + b"Host : here\r\n\r\n", None),
        (LINE.replace(b"1.1", b"1.0") + b"\r\n", None),
        (b"nothing of HTTP", None),
    ],
    ids=[
        "whole", "without a body", "an empty line after it", "not all of the body", "the head",
        "more", "two", "that closes", "that upgrades", "two lengths", "two ways to say a length",
        "in chunks", "a space", "an old version", "something else",
    ],
)  # fmt: skip
def test_exactly_one_whole_request_is_read(data: bytes, read: tuple[Fields, bytes] | None) -> None:
    reader = Reader()
    for _ in range(2):  # whatever came before
        assert reader.read(data) == read
        assert reader.read(FAST) is not None


async def test_requests_are_answered_in_their_order_whoever_answers(served: Served) -> None:
    close = SLOW[:-2] + b"Connection: close\r\n\r\n"
    served.fast.seconds = SLOW_SECONDS
    pieces: list[Piece] = [FAST, 0.01, FAST + SLOW, 0.01, FAST, 0.01, close]

    ending = await talk(served.url, pieces, seconds=BOUND_SECONDS)

    # What came while another was answered is left to uvicorn, all of it.
    answers = [part.partition(b"HTTP/1.1")[0] for part in ending.received.split(b"\r\n\r\n")[1:]]
    assert answers == [b"ok", b"documented ok", b'"slow"', b"documented ok", b'"slow"']
    assert len(served.fast.requests) == 1


async def test_who_asks_on_while_the_application_answers_waits(served: Served) -> None:
    pieces: list[Piece] = [SLOW, 0.05, FAST, SLOW_SECONDS, LAST]

    ending = await talk(served.url, pieces, seconds=BOUND_SECONDS)

    answers = [part.partition(b"HTTP/1.1")[0] for part in ending.received.split(b"\r\n\r\n")[1:]]
    assert answers == [b'"slow"', b"documented ok", b"documented last"]


async def test_however_the_bytes_arrive_each_request_has_its_answer(served: Served) -> None:
    for seed in range(SEEDS):
        dice = random.Random(seed)
        bodies = [b"%d" % number for number in range(dice.randint(1, 12))]
        pieces = [*_in_pieces(_requests(bodies, dice), dice), LAST]

        ending = await talk(served.url, pieces, seconds=BOUND_SECONDS)

        answers = re.findall(rb"\r\n\r\n(?:documented )?(\d+|last)", ending.received)
        assert answers == [*bodies, b"last"], f"seed {seed}"
        assert ending.statuses == [200] * len(answers), f"seed {seed}"
    assert len(served.fast.requests) > SEEDS // 4


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


async def test_what_is_not_ordinary_is_the_applications(served: Served) -> None:
    unusual = HEAD + b"X-Ordinary: no\r\n\r\nok"

    ending = await talk(served.url, [unusual, FAST[:-1], 0.05, b"k" + FAST], seconds=BOUND_SECONDS)

    assert ending.statuses == [200, 200, 200]
    assert ending.received.count(b"documented") == 3
    assert served.fast.requests == []


async def test_a_body_that_was_not_read_is_no_request(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy it would be answered to somebody else."""
    monkeypatch.setattr(server, "HEAD_SECONDS", 1.0)  # until it is hung up on
    filling = b" " * (MAX_BODY_BYTES + 1)
    head = b"POST /body HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    length = b"Content-Length: %d\r\n\r\n" % (len(filling) + len(FAST))

    ending = await talk(served.url, [head + length + filling, 0.2, FAST], seconds=BOUND_SECONDS)

    assert ending.statuses == [413]
    assert served.fast.requests == []


async def test_a_large_head_is_not_taken(served: Served) -> None:
    filling = b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n"

    ending = await talk(served.url, [HEAD + filling + b"\r\nok"], seconds=BOUND_SECONDS)

    assert ending.statuses == [431]
    assert served.fast.requests == []


async def test_a_silent_connection_is_ended_and_no_other(served: Served) -> None:
    pause = KEEP_ALIVE_SECONDS * 0.7

    ending = await talk(served.url, [FAST, pause, FAST, pause, FAST], seconds=BOUND_SECONDS)

    assert ending.statuses == [200] * 3
    assert ending.cut
    assert 2 * pause + KEEP_ALIVE_SECONDS < ending.seconds < 2 * pause + 3 * KEEP_ALIVE_SECONDS


async def test_what_is_under_way_when_the_server_stops_is_answered(served: Served) -> None:
    served.fast.seconds = 1.0
    line = await Line.to(served.url)
    await line.send([FAST])
    async with asyncio.timeout(BOUND_SECONDS):
        while not served.fast.requests:
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
    served: Served, field: bytes, client: str
) -> None:
    await talk(served.url, [HEAD + field + b"\r\nok"], seconds=BOUND_SECONDS)

    assert [request.client for request in served.fast.requests] == [client]
