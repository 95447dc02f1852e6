"""What the public door refuses, with the limits that everybody gets; the ledger never notices."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from libs.devstack import credentials
from tests.oracle import client, truth
from tests.stack import RunningStack, running_stack

REST_SECONDS = 10.0
POLL_SECONDS = 0.05
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack() as stack:
        yield stack


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def token_of(stack: RunningStack, user: str) -> str:
    secret = credentials.load(stack.data_dir)["client_operator"]
    return (await client.tokens(stack.urls["auth"], secret, [user]))[user]


async def post(
    http: aiohttp.ClientSession, stack: RunningStack, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, Any], aiohttp.ClientResponse]:
    url = f"{stack.urls['gateway']}/api/scores"
    async with http.post(url, data=body, headers=JSON | headers) as answer:
        return answer.status, await answer.json(content_type=None), answer


async def test_five_of_six_pass_and_another_user_is_not_slowed(
    stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    alice = {"Authorization": f"Bearer {await token_of(stack, 'alice')}"}
    bob = {"Authorization": f"Bearer {await token_of(stack, 'bob')}"}
    six = (post(http, stack, b'{"score_increment": 1}', alice) for _ in range(6))
    answers = sorted(await asyncio.gather(*six), key=lambda answer: answer[0])
    assert [status for status, _, _ in answers] == [200] * 5 + [429]
    _, problem, refused = answers[5]
    assert refused.content_type == "application/problem+json"
    assert int(refused.headers["Retry-After"]) >= 1
    assert problem["type"].endswith("rate-limited")
    assert (await post(http, stack, b'{"score_increment": 1}', bob))[0] == 200


@pytest.mark.parametrize(
    "value",
    [
        *("true", "1.0", "1e3", '"1"', "0", "-1", "1" + "0" * 400, "1" + "0" * 5000, "NaN"),
        *("Infinity", "-Infinity", "null", "[]", "{}", "9007199254740992", "1000001", "-0"),
    ],
    ids=lambda value: value[:12],
)
async def test_what_is_no_increment_changes_nothing(
    stack: RunningStack, http: aiohttp.ClientSession, value: str
) -> None:
    await refused_without_a_trace(stack, http, b'{"score_increment": %s}' % value.encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"score_increment": 1, "score_increment": 2}',
        b'{"score_increment": 1, "user_id": "bob"}',
        b'{"score_increment": 1',
        b"",
        b"[]",
        b"1",
        b"\xff\xfe{\x00}\x00",
        b'\xef\xbb\xbf{"score_increment": 1}',
        b'{"score_increment": 1}' + b" " * 10_000,
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_what_is_no_body_changes_nothing(
    stack: RunningStack, http: aiohttp.ClientSession, body: bytes
) -> None:
    await refused_without_a_trace(stack, http, body)


async def refused_without_a_trace(
    stack: RunningStack, http: aiohttp.ClientSession, body: bytes
) -> None:
    before = await at_rest(stack)
    headers = {"Authorization": f"Bearer {await token_of(stack, 'mallory')}"}
    status, problem, answer = await post(http, stack, body, headers)
    assert 400 <= status < 500
    assert status != 429
    assert answer.content_type == "application/problem+json"
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert await truth.totals(stack.urls["postgres"]) == before


async def at_rest(stack: RunningStack) -> truth.Totals:
    """The ledger, once all of it is published: the outbox forgets a little later."""
    async with asyncio.timeout(REST_SECONDS):
        while (totals := await truth.totals(stack.urls["postgres"])).outbox:
            await asyncio.sleep(POLL_SECONDS)
    return totals


def encode(part: object) -> str:
    raw = json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(part: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


async def forged(stack: RunningStack, http: aiohttp.ClientSession) -> dict[str, str | None]:
    """Tokens that look right, each wrong in one way."""
    good = await token_of(stack, "eve")
    head, claims, signature = good.split(".")
    async with http.get(f"{stack.urls['gateway']}/.well-known/jwks.json") as answer:
        jwks = (await answer.json())["keys"]
    public = json.dumps(jwks[0]).encode()
    hs256 = encode(decode(head) | {"alg": "HS256"})
    signed = hmac.new(public, f"{hs256}.{claims}".encode(), hashlib.sha256).digest()
    hs256_signature = base64.urlsafe_b64encode(signed).rstrip(b"=").decode()
    return {
        "missing": None,
        "empty": "",
        "garbage": "abc",
        "no signature": f"{head}.{claims}.",
        "alg none": f"{encode(decode(head) | {'alg': 'none'})}.{claims}.",
        "HS256 with the public key": f"{hs256}.{claims}.{hs256_signature}",
        "wrong audience": f"{head}.{encode(decode(claims) | {'aud': 'else'})}.{signature}",
        "expired": f"{head}.{encode(decode(claims) | {'exp': 1})}.{signature}",
        "another user": f"{head}.{encode(decode(claims) | {'sub': 'root'})}.{signature}",
        "unknown key": f"{encode(decode(head) | {'kid': 'x'})}.{claims}.{signature}",
    }


async def test_no_forged_token_passes(stack: RunningStack, http: aiohttp.ClientSession) -> None:
    before = await truth.totals(stack.urls["postgres"])
    verdicts = {}
    for name, token in (await forged(stack, http)).items():
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        status, problem, answer = await post(http, stack, b'{"score_increment": 1}', headers)
        verdicts[name] = (status, answer.content_type, problem["status"])
    assert set(verdicts.values()) == {(401, "application/problem+json", 401)}, verdicts
    assert await truth.totals(stack.urls["postgres"]) == before


@pytest.mark.parametrize("path", ["/api/stream", "/api/stream/sse"])
async def test_another_sites_page_may_not_watch(
    stack: RunningStack, http: aiohttp.ClientSession, path: str
) -> None:
    headers = {"Origin": "https://evil.example"}
    if path == "/api/stream":
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
    async with http.get(f"{stack.urls['notification']}{path}", headers=headers) as answer:
        assert answer.status == 403
        assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/scores", 405),
        ("GET", "/api/leaderboard?limit=0", 422),
        ("GET", "/api/leaderboard/users/nobody", 404),
        ("GET", "/api/scores/me/history", 401),
    ],
)
async def test_every_error_is_a_problem(
    stack: RunningStack, http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with http.request(method, stack.urls["gateway"] + path) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert (await answer.json(content_type=None))["status"] == status


async def test_score_takes_nothing_that_went_around_the_gateway(
    stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    user = await token_of(stack, "eve")
    item = {"context": user, "idempotency_key": "k", "score_increment": 1}
    for headers in ({}, {"Authorization": f"Bearer {user}"}):
        async with http.post(
            f"{stack.urls['score']}/internal/increments", json={"items": [item]}, headers=headers
        ) as answer:
            assert answer.status == 401
