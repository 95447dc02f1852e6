"""Two nodes on one Redis: limits over both, and orders that reach streams wherever they are."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from libs.common.contracts.streams import CloseCode
from libs.common.tokens import Audience
from tests.fake_auth import FakeAuth
from tests.notification_server import Board, Operator, Service, Start, a_ticket, receive

pytest_plugins = ["tests.notification_fixtures"]

WITHIN_SECONDS = 5
REASON = {"reason": "new kernel"}


@pytest.fixture
async def nodes(start: Start) -> tuple[Service, Service]:
    one, two = await asyncio.gather(
        *(start(MAX_CONNECTIONS_PER_USER="3", MAX_CONNECTIONS_PER_ADDRESS="8") for _ in range(2))
    )
    return one, two


@pytest.fixture
async def open_stream(fake_auth: FakeAuth) -> AsyncGenerator[Any, None]:
    """`await open_stream(service, "alice")`; public without a name."""
    async with AsyncExitStack() as stack:

        async def open_stream(service: Service, user_id: str = "") -> ClientConnection:
            query = {"ticket": await a_ticket(service, fake_auth, user_id)} if user_id else {}
            return await stack.enter_async_context(connect(service.ws(**query)))

        yield open_stream


@pytest.fixture
def operator(fake_auth: FakeAuth) -> Operator:
    return Operator(fake_auth)


async def test_a_user_has_so_many_streams_over_all_nodes(
    nodes: tuple[Service, Service], open_stream: Any
) -> None:
    one, two = nodes
    for service in (one, two, one):
        await open_stream(service, "alice")
    for service in nodes:
        with pytest.raises(InvalidStatus) as refused:
            await open_stream(service, "alice")
        assert refused.value.response.status_code == 429
    await open_stream(two, "bob")


async def test_of_many_who_come_to_both_nodes_at_once_so_many_get_in(
    nodes: tuple[Service, Service], open_stream: Any
) -> None:
    answers = await asyncio.gather(
        *(open_stream(nodes[n % 2], "alice") for n in range(12)), return_exceptions=True
    )
    assert sum(isinstance(answer, ClientConnection) for answer in answers) == 3
    refused = [answer for answer in answers if isinstance(answer, InvalidStatus)]
    assert [answer.response.status_code for answer in refused] == [429] * 9
    answers = await asyncio.gather(
        *(open_stream(nodes[n % 2]) for n in range(12)), return_exceptions=True
    )
    assert sum(isinstance(answer, ClientConnection) for answer in answers) == 5


async def test_every_node_lists_the_streams_of_all(
    nodes: tuple[Service, Service], open_stream: Any, operator: Operator
) -> None:
    one, two = nodes
    for service, user in ((one, "alice"), (two, "bob"), (two, "")):
        await open_stream(service, user)
    pages = [await operator.acts(service, "GET", "/sessions") for service in nodes]
    assert pages[0] == pages[1]
    status, page = pages[0]
    assert (status, page["total"], page["next"]) == (200, 3, "")
    assert [session["user_id"] for session in page["sessions"]] == ["alice", "bob", None]
    assert "127.0.0.1" not in str(page)
    _, first = await operator.acts(one, "GET", "/sessions?limit=2")
    _, second = await operator.acts(two, "GET", f"/sessions?limit=2&after={first['next']}")
    assert first["sessions"] + second["sessions"] == page["sessions"]
    _, of_bob = await operator.acts(one, "GET", "/sessions?user_id=bob")
    assert (of_bob["total"], of_bob["sessions"]) == (1, [page["sessions"][1]])
    alices, bobs = (page["sessions"][n]["node"] for n in range(2))
    await until_nodes(one, operator, {alices: 1, bobs: 2})


async def test_a_session_is_closed_by_way_of_the_other_node(
    nodes: tuple[Service, Service], open_stream: Any, operator: Operator
) -> None:
    one, two = nodes
    target, other = await open_stream(one, "alice"), await open_stream(one)
    _, page = await operator.acts(two, "GET", "/sessions?user_id=alice")
    (session,) = page["sessions"]
    path = f"/sessions/{session['session_id']}"
    assert await operator.acts(two, "DELETE", path) == (200, {"sessions": 1})
    assert await closing_code(target) == CloseCode.CLOSED_BY_OPERATOR
    await still_open(other)
    async with asyncio.timeout(WITHIN_SECONDS):
        while (await operator.acts(two, "DELETE", path))[0] != 404:
            await asyncio.sleep(0.1)
    await open_stream(one, "alice")  # it was no ban


async def test_all_streams_of_a_user_are_closed_on_both_nodes(
    nodes: tuple[Service, Service], open_stream: Any, operator: Operator, fake_auth: FakeAuth
) -> None:
    alice = [await open_stream(service, "alice") for service in nodes]
    bob = [await open_stream(service, "bob") for service in nodes]
    ticket = await a_ticket(nodes[1], fake_auth, "alice")
    async with aiohttp.ClientSession() as session:
        events = await session.get(f"{nodes[1].http}/api/stream/sse", params={"ticket": ticket})
        answer = await operator.acts(nodes[0], "DELETE", "/users/alice/sessions")
        assert answer == (200, {"sessions": 3})
        for client in alice:
            assert await closing_code(client) == CloseCode.CLOSED_BY_OPERATOR
        async with asyncio.timeout(WITHIN_SECONDS):
            assert f": {CloseCode.CLOSED_BY_OPERATOR:d} ".encode() in await events.read()
    for client in bob:
        await still_open(client)
    answer = await operator.acts(nodes[0], "DELETE", "/users/nobody/sessions")
    assert answer == (200, {"sessions": 0})


async def test_a_ban_is_seen_by_both_nodes(
    nodes: tuple[Service, Service], open_stream: Any, fake_auth: FakeAuth
) -> None:
    alice = [await open_stream(service, "alice") for service in nodes]
    bob = [await open_stream(service, "bob") for service in nodes]
    fake_auth.revoke("alice")
    for client in alice:
        assert await closing_code(client) == CloseCode.REVOKED
    for client in bob:
        await still_open(client)


async def test_a_drained_node_s_clients_move_to_the_other(
    nodes: tuple[Service, Service], open_stream: Any, operator: Operator, board: Board
) -> None:
    one, two = nodes
    await board.publish()
    moving = [await open_stream(one) for _ in range(3)]
    staying = await open_stream(two)
    _, page = await operator.acts(two, "GET", "/sessions?limit=1")
    node = page["sessions"][0]["node"]
    for _ in range(2):
        status, drained = await operator.acts(two, "POST", f"/nodes/{node}/drain", REASON)
        assert (status, drained["node"], drained["draining"]) == (202, node, True)
    for client in moving:
        assert 0 <= (await receive(client, "reconnect"))["after_ms"] < 5000
        assert await closing_code(client) == CloseCode.DRAINING
    await until_status(one, "/readyz", 503)
    with pytest.raises(InvalidStatus) as refused:
        await open_stream(one)
    assert refused.value.response.status_code == 503
    assert int(refused.value.response.headers["Retry-After"]) > 0
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{one.http}/api/stream/sse") as answer,
    ):
        assert answer.status == 503
    for _ in moving:
        await receive(await open_stream(two), "snapshot")
    _, listed = await operator.acts(one, "GET", "/nodes")  # it still answers
    assert len(listed["nodes"]) == 2
    assert [n["node"] for n in listed["nodes"] if n["draining"]] == [node]
    await until_status(one, "/livez", 200)
    await until_status(two, "/readyz", 200)
    await still_open(staying)
    assert await one.stop() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("method", "path", "body", "permission"),
    [
        ("GET", "/sessions", None, "users:read"),
        ("DELETE", "/sessions/{session}", None, "sessions:write"),
        ("DELETE", "/users/alice/sessions", None, "sessions:write"),
        ("GET", "/nodes", None, "users:read"),
        ("POST", "/nodes/{node}/drain", REASON, "sessions:write"),
    ],
)
async def test_who_may_not_is_refused_and_nothing_changes(
    start: Start,
    open_stream: Any,
    fake_auth: FakeAuth,
    method: str,
    path: str,
    body: Any,
    permission: str,
) -> None:
    service = await start()
    client = await open_stream(service, "alice")
    operator = Operator(fake_auth)
    _, page = await operator.acts(service, "GET", "/sessions")
    (session,) = page["sessions"]
    path = path.format(session=session["session_id"], node=session["node"])
    everything_else = {"users:read", "sessions:write", "fraud:write", "users:write"} - {permission}
    powerless = Operator(fake_auth, tuple(everything_else))
    status, problem = await powerless.acts(service, method, path, body)
    assert (status, problem["type"]) == (403, "urn:live-scoreboard:problem:forbidden")

    gateway, good = fake_auth.service_token("gateway"), fake_auth.context
    headers: list[tuple[int, dict[str, str]]] = [
        (401, {}),
        (401, {"Authorization": f"Bearer {gateway}"}),
        (401, {"Authorization": f"Bearer {gateway}", "X-User-Context": "rubbish"}),
        (
            401,
            {
                "Authorization": f"Bearer {gateway}",
                "X-User-Context": good("olga", Audience.SCORE, permissions=[permission]),
            },
        ),
        (
            403,
            {
                "Authorization": f"Bearer {fake_auth.service_token('score')}",
                "X-User-Context": good("olga", Audience.NOTIFICATION, permissions=[permission]),
            },
        ),
    ]
    url = f"{service.http}/internal/admin{path}"
    async with aiohttp.ClientSession() as http:
        for expected, sent in headers:
            async with http.request(method, url, json=body, headers=sent) as answer:
                assert answer.status == expected, sent
    await asyncio.sleep(2)  # longer than an order takes
    await still_open(client)
    await until_status(service, "/readyz", 200)

    assert (await Operator(fake_auth, (permission,)).acts(service, method, path, body))[0] < 300


async def test_what_is_not_there_is_not_found_and_nonsense_is_refused(
    start: Start, open_stream: Any, operator: Operator
) -> None:
    service = await start()
    client = await open_stream(service)
    for method, path, body, expected in (
        ("DELETE", "/sessions/0123", None, 404),
        ("DELETE", f"/sessions/{'0' * 32}", None, 404),
        ("POST", "/nodes/unknown/drain", REASON, 404),
        ("POST", "/nodes/unknown/drain", {}, 422),
        ("POST", "/nodes/unknown/drain", {**REASON, "more": 1}, 422),
        ("GET", "/sessions?limit=0", None, 422),
        ("GET", "/sessions?limit=101", None, 422),
        ("GET", f"/sessions?user_id={'x' * 65}", None, 422),
        ("DELETE", f"/users/{'x' * 65}/sessions", None, 422),
    ):
        status, problem = await operator.acts(service, method, path, body)
        assert (status, problem["status"]) == (expected, expected), path
    await still_open(client)


async def test_each_act_leaves_a_line_in_the_log(
    start: Start, open_stream: Any, operator: Operator
) -> None:
    service = await start("--log-level", "warning")
    await open_stream(service, "alice")
    _, page = await operator.acts(service, "GET", "/sessions")
    (session,) = page["sessions"]
    await operator.acts(service, "DELETE", f"/sessions/{session['session_id']}")
    await operator.acts(service, "DELETE", "/users/alice/sessions")
    await operator.acts(service, "POST", f"/nodes/{session['node']}/drain", REASON)
    await service.stop()
    assert service.process.stdout is not None
    log = (await asyncio.to_thread(service.process.stdout.read)).decode()
    lines = [line for line in log.splitlines() if '"operator_acted"' in line]
    for line, act, target in zip(
        lines,
        ("session.close", "user_sessions.close", "node.drain"),
        (session["session_id"], "alice", session["node"]),
        strict=True,
    ):
        assert f'"act": "{act}"' in line
        assert f'"target": "{target}"' in line
        assert '"actor": "olga"' in line
        assert '"request_id"' in line
    assert '"reason": "new kernel"' in lines[2]


async def until_nodes(service: Service, operator: Operator, wanted: dict[str, int]) -> None:
    """Until just these nodes are listed, with so many sessions."""
    found: dict[str, int] = {}
    async with asyncio.timeout(WITHIN_SECONDS):
        while found != wanted:
            await asyncio.sleep(0.1)
            _, listed = await operator.acts(service, "GET", "/nodes")
            found = {node["node"]: node["sessions"] for node in listed["nodes"]}


async def until_status(service: Service, path: str, wanted: int) -> None:
    async with asyncio.timeout(WITHIN_SECONDS), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{service.http}{path}") as answer:
                if answer.status == wanted:
                    return
            await asyncio.sleep(0.1)


async def closing_code(client: ClientConnection) -> int | None:
    """What the server closes with; it must do so in time."""
    async with asyncio.timeout(WITHIN_SECONDS):
        await client.wait_closed()
    return client.close_code


async def still_open(client: ClientConnection) -> None:
    await client.send('{"type":"ping"}')
    await receive(client, "pong")
