"""The gateway behind a real HTTP server, in front of fakes of the four services it calls."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from libs.common import app as common_app
from libs.common.contracts.identities import Revocation
from services.gateway import main
from services.gateway.routes import streams
from services.gateway.usecases import scores
from tests.unit.gateway.fakes import ETAG, FakeServices
from tests.unit.gateway.server import (
    MAX_INCREMENT,
    ORIGIN,
    STREAMS,
    Answer,
    assert_problem,
    get,
    send,
)

pytest_plugins = ["tests.unit.gateway.fixtures"]

REVOCATION_SECONDS = 1.0


async def add(client: aiohttp.ClientSession, headers: dict[str, str], body: Any = None) -> Answer:
    """POST one increment and read the answer whole."""
    body = {"score_increment": 10} if body is None else body
    return await send(client, "POST", "/api/scores", json=body, headers=headers)


# --- increments


async def test_an_increment_is_counted_for_the_tokens_owner(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    answer = await add(client, {**services.sign_in("alice"), "X-Request-ID": "my-request"})

    assert answer.status == 200
    assert await answer.json() == {"user_id": "alice", "new_score": 10, "version": 1}
    assert answer.headers["RateLimit-Policy"] == '"user";q=5;w=1'
    assert answer.headers["RateLimit"] == '"user";r=4;t=1'
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Idempotency-Replayed" not in answer.headers
    (item,) = services.bodies[0]
    assert re.fullmatch("[0-9a-f]{32}", item.pop("fingerprint"))
    assert item == {
        "context": "context.alice.signature",
        "idempotency_key": answer.headers["Idempotency-Key"],
        "score_increment": 10,
        "request_id": "my-request",
        "grant": "",
    }


@pytest.mark.parametrize("key", ['"8e03978e-40d5"', "8e03978e-40d5", '"with space"'])
async def test_the_same_key_counts_once_and_says_so(
    client: aiohttp.ClientSession, services: FakeServices, key: str
) -> None:
    headers = {**services.sign_in("alice"), "Idempotency-Key": key}

    first = await add(client, headers)
    second = await add(client, headers)

    assert await first.json() == await second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Idempotency-Key"] == key
    assert services.totals["alice"] == 10


async def test_an_answers_own_key_can_be_sent_again(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = services.sign_in("alice")
    first = await add(client, headers)

    second = await add(client, {**headers, "Idempotency-Key": first.headers["Idempotency-Key"]})

    assert second.headers["Idempotency-Replayed"] == "true"
    assert services.totals["alice"] == 10


@pytest.mark.parametrize("key", ["", '""', "x" * 129, "two words", '"open', "é"])
async def test_a_key_that_cannot_be_meant_is_refused(
    client: aiohttp.ClientSession, services: FakeServices, key: str
) -> None:
    answer = await add(client, {**services.sign_in("alice"), "Idempotency-Key": key})

    await assert_problem(answer, 422)
    assert services.calls["/internal/increments"] == 0


GRANT = "eyJ0eXAiOiJncmFudCJ9.eyJqdGkiOiJnIn0.c2lnbmF0dXJl"


async def test_a_grant_goes_on_to_score_and_needs_no_key(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = {**services.sign_in("alice"), "Action-Grant": GRANT}

    first = await add(client, headers)
    second = await add(client, headers)

    assert (first.status, second.headers["Idempotency-Replayed"]) == (200, "true")
    assert "Idempotency-Key" not in first.headers
    assert services.totals["alice"] == 10
    (item,) = services.bodies[0]
    assert (item["grant"], item["idempotency_key"]) == (GRANT, "")


async def test_a_key_beside_a_grant_is_given_back(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = {**services.sign_in("alice"), "Action-Grant": GRANT, "Idempotency-Key": "mine"}

    answer = await add(client, headers)

    assert answer.headers["Idempotency-Key"] == "mine"
    assert services.bodies[0][0]["grant"] == GRANT


@pytest.mark.parametrize("grants", [[""], ["a.b"], ["a.b.c d"], [f"a.b.{'c' * 2045}"], [GRANT] * 2])
async def test_a_grant_that_cannot_be_meant_is_refused(
    client: aiohttp.ClientSession, services: FakeServices, grants: list[str]
) -> None:
    headers = [*services.sign_in("alice").items(), *(("Action-Grant", grant) for grant in grants)]

    answer = await send(
        client, "POST", "/api/scores", json={"score_increment": 10}, headers=headers
    )

    problem = await assert_problem(answer, 422)
    assert "Action-Grant" in problem["detail"]
    assert services.calls["/internal/increments"] == 0


async def test_a_client_is_known_again_by_what_it_shows(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = {**services.sign_in("alice"), "User-Agent": "Game/1"}

    await add(client, headers)
    await add(client, {**headers, **services.sign_in("bob"), "Idempotency-Key": "k"})
    await add(client, {**headers, "User-Agent": "Bot/7"})

    one, same, other = (items[0]["fingerprint"] for items in services.bodies)
    assert one == same
    assert one[:16] != other[:16]
    assert one[16:] == other[16:]


BAD_BODIES = [
    b'{"score_increment": true}', b'{"score_increment": 1.0}', b'{"score_increment": 1e3}',
    b'{"score_increment": "1"}', b'{"score_increment": 0}', b'{"score_increment": -1}',
    b'{"score_increment": -0}', b'{"score_increment": 1001}', b'{"score_increment": NaN}',
    b'{"score_increment": Infinity}', b'{"score_increment": null}', b'{"score_increment": []}',
    b'{"score_increment": {}}', b'{"score_increment": 1%s}' % (b"0" * 400),
    b'{"score_increment": 9007199254740992}', b"[]", b"{}", b"null", b"", b"true", b"not json",
    b'{"score_increment": 1, "score_increment": 2}', b'{"score_increment": 1, "user_id": "bob"}',
    b'\xef\xbb\xbf{"score_increment": 1}', '{"score_increment": 1}'.encode("utf-16"),
    b"[" * 2000, b'{"\xff": 1}',
]  # fmt: skip


async def test_a_body_that_is_no_increment_is_refused(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = {**services.sign_in("alice"), "Content-Type": "application/json"}
    for body in BAD_BODIES:
        async with client.post("/api/scores", data=body, headers=headers) as answer:
            await assert_problem(answer, 422)

    assert services.calls["/internal/increments"] == 0


@pytest.mark.parametrize("size", [3_000, 10_000, 900_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_is_cut_off(
    client: aiohttp.ClientSession, services: FakeServices, size: int, chunked: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // 1000):
            yield b" " * 1000

    headers = {**services.sign_in("alice"), "Content-Type": "application/json"}
    body: Any = chunks() if chunked else b"1" * size
    async with client.post("/api/scores", data=body, headers=headers) as answer:
        await assert_problem(answer, 413)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "json"])
async def test_only_json_is_taken(
    client: aiohttp.ClientSession, services: FakeServices, media_type: str
) -> None:
    headers = {**services.sign_in("alice"), "Content-Type": media_type}
    async with client.post("/api/scores", data=b"{}", headers=headers) as answer:
        await assert_problem(answer, 415)


async def test_json_may_name_its_charset(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = {**services.sign_in("alice"), "Content-Type": "Application/JSON; charset=utf-8"}
    async with client.post("/api/scores", data=b'{"score_increment":1}', headers=headers) as answer:
        assert answer.status == 200


REFUSALS = [
    ("rate-limited", 429), ("score-limit-reached", 409), ("idempotency-key-reused", 422),
    ("unauthenticated", 401), ("forbidden", 403), ("grant-refused", 403),
    ("day-limit-reached", 429), ("grant-too-early", 429), ("unavailable", 503),
]  # fmt: skip


@pytest.mark.parametrize(("code", "status"), REFUSALS)
async def test_what_score_refuses_is_told_as_what_it_is(
    client: aiohttp.ClientSession, services: FakeServices, code: str, status: int
) -> None:
    services.refusal = {"refusal": code, "detail": "why", "retry_after_seconds": 0.2}

    answer = await add(client, {**services.sign_in("alice"), "Idempotency-Key": "k"})

    problem = await assert_problem(answer, status)
    assert problem["type"].endswith(code)
    assert answer.headers["Idempotency-Key"] == "k"
    assert ("Retry-After" in answer.headers) == (status in (429, 503))
    assert ("RateLimit" in answer.headers) == (code == "rate-limited")


async def test_without_an_answer_from_score_the_outcome_is_unknown(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    services.broken.add("/internal/increments")

    answer = await add(client, services.sign_in("alice"))

    problem = await assert_problem(answer, 503)
    assert "same Idempotency-Key" in problem["detail"]
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Idempotency-Key"]


async def test_a_slow_score_is_not_waited_for(
    client: aiohttp.ClientSession, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "DEADLINE_SECONDS", 0.1)
    headers = services.sign_in("alice")
    await get(client, "/api/leaderboard/me", **headers)
    services.delay_seconds = 1

    await assert_problem(await add(client, headers), 503)


async def test_many_requests_are_few_calls(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = services.sign_in("alice")
    services.delay_seconds = 0.1

    answers = await asyncio.gather(*(add(client, headers) for _ in range(100)))

    assert [answer.status for answer in answers] == [200] * 100
    assert services.totals["alice"] == 1000
    assert services.calls["/internal/verdicts"] == 1
    assert services.calls["/internal/increments"] <= 10


# --- who may


BAD_TOKENS = {
    "expired": "Bearer eyJhbGciOiJFZERTQSJ9.eyJleHAiOjF9.c2lnbmF0dXJl",
    "wrong audience": "Bearer eyJhbGciOiJFZERTQSJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl",
    "alg none": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
    "HS256 with the public key": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
    "no token": "Bearer ",
    "no scheme": "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
    "another scheme": "Basic YWxpY2U6c2VjcmV0",
    "not a token": "Bearer ../../etc/passwd",
    "10 kB": "Bearer " + "a" * 10_000,
}


async def test_a_token_that_auth_does_not_vouch_for_is_refused(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    for reason, authorization in BAD_TOKENS.items():
        answer = await add(client, {"Authorization": authorization})

        await assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer", reason

    assert services.calls["/internal/increments"] == 0


async def test_every_route_asks_for_what_it_documents(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    powerless = services.sign_in("mallory", permissions=[])

    for path, operations in main.app.openapi()["paths"].items():
        for method, operation in operations.items():
            permission = operation["x-permission"]
            url = re.sub(r"{\w+}", "1", path)
            statuses = []
            for headers in ({}, powerless):
                async with client.request(method, url, headers=headers) as answer:
                    statuses.append(answer.status)
            if path == "/api/auth/login":  # refused by auth itself
                continue
            if permission == "public":
                assert not {401, 403} & set(statuses), (method, path)
            elif permission == "signed-in":  # 422: for want of a body
                assert statuses in ([401, 200], [401, 422]), (method, path)
            else:
                assert statuses == [401, 403], (method, path)


async def test_auth_being_away_closes_the_door_but_not_on_those_inside(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    inside = services.sign_in("alice")
    await add(client, inside)
    services.broken.add("/internal/verdicts")

    refused = await add(client, services.sign_in("bob"))

    await assert_problem(refused, 503)
    assert refused.headers["Retry-After"] == "1"
    assert (await add(client, inside)).status == 200


async def test_a_revocation_is_seen_within_a_second(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = services.sign_in("alice")
    assert (await add(client, headers)).status == 200

    services.revoke(Revocation(user_id="alice", jti="jti-alice"))

    async with asyncio.timeout(REVOCATION_SECONDS):
        while (await add(client, headers)).status != 401:
            pass


# --- reading


async def test_a_board_page_is_passed_on_with_its_etag(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    page = await get(client, "/api/leaderboard?limit=10&offset=5")
    again = await get(client, "/api/leaderboard", **{"If-None-Match": ETAG})

    assert (page.status, page.headers["ETag"]) == (200, ETAG)
    assert (again.status, again.headers["ETag"]) == (304, ETAG)
    assert (await page.json())["rev"] == 91
    assert "X-Internal" not in page.headers
    asked = [request.rel_url.query_string for request in services.seen if "boards" in request.path]
    assert asked == ["limit=10&offset=5", "limit=10&offset=0"]


async def test_a_standing_is_found_by_id_or_by_token(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    by_id = await get(client, "/api/leaderboard/users/bob?around=3")
    own = await get(client, "/api/leaderboard/me", **services.sign_in("alice"))

    assert (await by_id.json())["user_id"] == "bob"
    assert (await own.json())["user_id"] == "alice"
    assert own.headers["Cache-Control"] == "private, no-cache"
    await assert_problem(await get(client, "/api/leaderboard/users/nobody"), 404)


async def test_a_user_id_cannot_leave_its_place_in_the_path(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    for user_id in ("..", "%2e%2e", "a%3Faround=9", "a%23b", "a%25b", "%2e%2e%2finternal"):
        await get(client, f"/api/leaderboard/users/{user_id}")

    paths = {r.rel_url.raw_path for r in services.seen if "/users/" in r.rel_url.raw_path}
    assert all(path.count("/") == 4 for path in paths), paths
    assert not any(call.startswith("/internal/") for call in services.calls if "bo" in call)


OUT_OF_RANGE = [
    "/api/leaderboard?limit=0", "/api/leaderboard?limit=101", "/api/leaderboard?limit=x",
    "/api/leaderboard?offset=-1", "/api/leaderboard?offset=" + "9" * 30,
    "/api/leaderboard/users/a?around=26", "/api/leaderboard/users/" + "a" * 65,
    "/api/leaderboard/users/%00", "/api/leaderboard/users/%C3%A9", "/api/players",
    "/api/players?ids=" + ",".join(map(str, range(51))),
]  # fmt: skip


async def test_parameters_out_of_range_are_refused(client: aiohttp.ClientSession) -> None:
    for path in OUT_OF_RANGE:
        await assert_problem(await get(client, path), 422)


async def test_names_are_looked_up_and_unknown_users_left_out(
    client: aiohttp.ClientSession,
) -> None:
    answer = await get(client, "/api/players?ids=alice,nobody,alice")

    assert await answer.json() == {"names": {"alice": "Alice"}}
    assert answer.headers["Cache-Control"] == "public, max-age=5"


async def test_history_shows_the_listed_fields_only(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    answer = await get(client, "/api/scores/me/history?before=42", **services.sign_in("alice"))

    page = await answer.json()
    assert page["next"] == "41"
    assert "fingerprint" not in page["entries"][0]
    (asked,) = [request for request in services.seen if request.path == "/internal/entries"]
    assert asked.headers["X-User-Context"] == "context.alice.signature"
    assert asked.headers["Authorization"] == "Bearer service.token.signature"


async def test_a_ticket_is_ordered_with_the_users_context(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    async with client.post("/api/stream/ticket", headers=services.sign_in("alice")) as answer:
        assert await answer.json() == {"ticket": "once", "expires_in": 30}

    assert services.bodies[0]["context"] == "context.alice.signature"


# --- accounts


async def test_a_request_to_auth_carries_nothing_forged(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = {
        "X-Forwarded-For": "6.6.6.6", "X-User-Context": "forged", "Cookie": "a=b",
        "X-Request-ID": "mine", "Authorization": "Bearer a.b.c",
    }  # fmt: skip
    body = {"refresh_token": "x"}
    async with client.post("/api/auth/refresh", json=body, headers=headers) as answer:
        assert await answer.json() == {"path": "/api/auth/refresh"}
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"

    (seen,) = [request for request in services.seen if request.path == "/api/auth/refresh"]
    assert seen.headers.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert seen.headers["Authorization"] == "Bearer a.b.c"
    assert seen.headers["X-Request-ID"] == "mine"
    assert "X-User-Context" not in seen.headers
    assert "Cookie" not in seen.headers
    assert [json.loads(sent) for sent in services.bodies] == [body]


async def test_signing_out_needs_no_body(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    headers = services.sign_in("alice")
    async with client.post("/api/auth/logout?all=true&x=y", headers=headers) as answer:
        assert answer.status == 204

    (seen,) = [request for request in services.seen if request.path == "/api/auth/logout"]
    assert dict(seen.query) == {"all": "true"}
    assert seen.headers["Authorization"] == headers["Authorization"]


async def test_what_auth_refuses_is_passed_on(client: aiohttp.ClientSession) -> None:
    body = {"login": "alice", "password": "x"}
    async with client.post("/api/auth/login", json=body) as answer:
        assert answer.status == 401


async def test_a_body_with_two_meanings_never_reaches_auth(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    body = b'{"username": "alice", "username": "admin"}'
    headers = {"Content-Type": "application/json"}
    async with client.post("/api/auth/login", data=body, headers=headers) as answer:
        await assert_problem(answer, 422)

    assert services.bodies == []


async def test_keys_are_published_and_remembered(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    for _ in range(3):
        assert await (await get(client, "/.well-known/jwks.json")).json() == {"keys": []}

    assert services.calls["/.well-known/jwks.json"] == 1


# --- pages and edges


async def test_pages_of_allowed_origins_may_read_but_not_write(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    allowed = await get(client, "/api/leaderboard", Origin=ORIGIN)
    missing = await get(client, "/api/leaderboard/users/nobody", Origin=ORIGIN)
    other = await get(client, "/api/leaderboard", Origin=f"{ORIGIN}.evil.example")
    written = await add(client, {**services.sign_in("alice"), "Origin": ORIGIN})

    header = "Access-Control-Allow-Origin"
    assert allowed.headers[header] == missing.headers[header] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert header not in other.headers
    assert header not in written.headers
    assert allowed.headers["Vary"] == other.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/", "/docs", "/ops"])
async def test_a_page_runs_only_our_own_files(client: aiohttp.ClientSession, path: str) -> None:
    page = await get(client, path)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert f"connect-src 'self' {STREAMS} ws://127.0.0.1:8004;" in policy


async def test_a_file_is_revalidated_and_may_be_embedded(client: aiohttp.ClientSession) -> None:
    first = await get(client, "/embed.js")
    again = await get(client, "/embed.js", **{"If-None-Match": first.headers["ETag"]})

    assert (first.status, again.status) == (200, 304)
    assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert first.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize(
    "path",
    ["/api/nothing", "/nothing", "/web/nothing.js", "/web/%2e%2e/main.py", "/web/__init__.py",
     "/web/%00.js", "/web//etc/hosts.js"],
)  # fmt: skip
async def test_what_is_not_there_is_a_problem(client: aiohttp.ClientSession, path: str) -> None:
    await assert_problem(await get(client, path), 404)


async def test_a_fault_of_ours_is_a_problem(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(streams, "Config")

    await assert_problem(await get(client, "/api/config"), 500)


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    client: aiohttp.ClientSession, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_app, "BODY_DEADLINE_SECONDS", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {**services.sign_in("alice"), "Content-Type": "application/json"}
    async with client.post("/api/scores", data=never(), headers=headers) as answer:
        await assert_problem(answer, 408)


async def test_a_wrong_method_is_a_problem(client: aiohttp.ClientSession) -> None:
    async with client.delete("/api/scores") as answer:
        await assert_problem(answer, 405)
        assert answer.headers["Allow"] == "POST"


async def test_a_header_cannot_be_smuggled_into_the_answer(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    token = services.sign_in("alice")["Authorization"]
    head = (
        f"POST /api/scores HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 21\r\nConnection: close\r\n"
    )
    for name in ("Idempotency-Key", "X-Request-ID"):
        for injected in ("a\nSet-Cookie: b=c", "a\r\n\tSet-Cookie: b=c", "a\x00b", "a\x7fb"):
            request = f'{head}{name}: {injected}\r\n\r\n{{"score_increment":10}}'
            raw = await _send_raw(client, request.encode())
            assert b"\r\nSet-Cookie" not in raw
            assert b" 500 " not in raw.partition(b"\r\n")[0]


async def _send_raw(client: aiohttp.ClientSession, request: bytes) -> bytes:
    assert client._base_url is not None
    reader, writer = await asyncio.open_connection(client._base_url.host, client._base_url.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_documents_are_served(client: aiohttp.ClientSession) -> None:
    openapi = await (await get(client, "/openapi.json")).json()
    asyncapi = await (await get(client, "/asyncapi")).json()
    config = await (await get(client, "/api/config")).json()

    assert openapi["openapi"].startswith("3.1")
    assert asyncapi["asyncapi"] == "3.0.0"
    assert config == {
        "stream_url": STREAMS,
        "max_increment": MAX_INCREMENT,
        "heartbeat_seconds": 5,
    }


async def test_readiness_follows_the_services(
    client: aiohttp.ClientSession,
) -> None:
    answer = await get(client, "/readyz")

    assert await answer.json() == {
        "status": "ok",
        "checks": {"auth": "ok", "score": "ok", "scoreboard": "ok"},
    }
