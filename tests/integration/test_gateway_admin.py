"""The admin's half of the gateway, in front of fakes of the services that own the answers."""

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from services.gateway import main
from services.gateway.routes.admin import reversals
from tests.unit.gateway.fakes import FakeServices, problem
from tests.unit.gateway.server import assert_problem, get, send

pytest_plugins = ["tests.unit.gateway.fixtures"]

REASON = {"reason": "why"}
NOON, ONE = "2026-11-01T12:00:00Z", "2026-11-01T13:00:00Z"
HOUR = {"user_id": "mallory", "from": NOON, "to": ONE}
CASE = {"case_id": "c-1", "selector": HOUR, "reason": "why"}


# --- passing on

SCORES = [
    ("POST", "reversals", CASE), ("GET", "reversals", None), ("GET", "reversals/c-1", None),
    ("POST", "reversals/c-1/approve", {}), ("POST", "reversals/c-1/withdraw", REASON),
    ("POST", "reversals/c-1/revert", REASON), ("POST", "users/mallory/hold", REASON),
    ("POST", "users/mallory/release", REASON), ("GET", "users/mallory/ledger", None),
    ("GET", "audit", None), ("GET", "reviews", None),
    ("POST", "reviews/7", {"decision": "hold", "reason": "why"}), ("GET", "bots", None),
    ("PUT", "bots", {"enabled": True, "reason": "why"}),
]  # fmt: skip
NOTIFICATIONS = [
    ("GET", "sessions", None), ("DELETE", "sessions/0f", None),
    ("DELETE", "users/mallory/sessions", None), ("GET", "nodes", None),
    ("POST", "nodes/n-1/drain", REASON),
]  # fmt: skip
AUTHS = [
    ("GET", "admin/users/mallory", None),
    ("PUT", "admin/users/mallory/roles", {"roles": ["player"], "reason": "why"}),
    ("POST", "admin/users/mallory/ban", REASON), ("POST", "admin/users/mallory/unban", REASON),
    ("POST", "admin/users/mallory/logout", REASON), ("GET", "admin/users/mallory/account", None),
    ("GET", "admin/audit/accounts", None),
    ("POST", "grants", {"user_id": "alice", "max_increment": 5}),
]  # fmt: skip
# Tried further down: what more than one service answers.
ELSEWHERE = [("GET", "users/mallory/export"), ("DELETE", "users/mallory"), ("GET", "status")]
NAMES = {
    "case_id": "c-1", "user_id": "mallory", "review_id": "7", "session_id": "0f", "node": "n-1",
}  # fmt: skip


def sent_bodies(services: FakeServices) -> list[Any]:
    return [json.loads(body) for body in services.bodies if body]


@pytest.mark.parametrize(("method", "path", "body"), [*SCORES, *NOTIFICATIONS])
async def test_score_and_notification_hear_auths_word_on_the_caller(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str],
    method: str, path: str, body: Any,
) -> None:  # fmt: skip
    headers = {**admin, "X-Request-ID": "mine", "X-User-Context": "forged", "Cookie": "a=b"}

    answer = await send(client, method, f"/api/admin/{path}", json=body, headers=headers)

    assert answer.status == 200
    assert await answer.json() == {"path": f"/internal/admin/{path}"}
    assert answer.headers["Cache-Control"] == "no-store"
    (asked,) = services.asked("/internal/admin/")
    assert asked.method == method
    assert asked.headers["Authorization"] == "Bearer service.token.signature"
    assert asked.headers.getall("X-User-Context") == ["context.root.signature"]
    assert asked.headers["X-Request-ID"] == "mine"
    assert "Cookie" not in asked.headers
    assert sent_bodies(services) == ([read_by_score(body)] if body is not None else [])


def read_by_score(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "dry_run": False} if body is CASE else body


@pytest.mark.parametrize(("method", "path", "body"), AUTHS)
async def test_auth_hears_the_caller_themselves(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str],
    method: str, path: str, body: Any,
) -> None:  # fmt: skip
    headers = {**admin, "X-Forwarded-For": "6.6.6.6", "X-Request-ID": "mine"}

    answer = await send(client, method, f"/api/{path}", json=body, headers=headers)

    assert await answer.json() == {"path": f"/api/{path}"}
    (asked,) = services.asked(f"/api/{path}")
    assert asked.headers["Authorization"] == admin["Authorization"]
    assert asked.headers.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert asked.headers["X-Request-ID"] == "mine"
    assert "X-User-Context" not in asked.headers
    assert [sent.items() >= body.items() for sent in sent_bodies(services)] == [True] * bool(body)


async def test_every_admin_route_is_tried_here() -> None:
    tried = {(method, f"/api/admin/{path}") for method, path, _ in [*SCORES, *NOTIFICATIONS]}
    tried |= {(method, f"/api/{path}") for method, path, _ in AUTHS}
    tried |= {(method, f"/api/admin/{path}") for method, path in ELSEWHERE}

    assert tried == {
        (method.upper(), path.format(**NAMES))
        for path, operations in main.app.openapi()["paths"].items()
        if path.startswith(("/api/admin/", "/api/grants"))
        for method in operations
    }


async def test_a_new_case_says_where_it_is(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    path = "/internal/admin/reversals"
    services.says(path, web.json_response({"case_id": "c-1"}, status=202))
    begun = await send(client, "POST", "/api/admin/reversals", json=CASE, headers=admin)
    known = await send(client, "POST", "/api/admin/reversals", json=CASE, headers=admin)

    assert (begun.status, begun.headers["Location"]) == (202, "/api/admin/reversals/c-1")
    assert (known.status, "Location" in known.headers) == (200, False)


async def test_a_refusal_is_passed_on_as_it_is(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    refused = problem(
        409, "conflict", **{"Retry-After": "7", "Set-Cookie": "a=b", "X-Internal": "x"}
    )
    services.says("/internal/admin/reversals/c-1/approve", refused)

    answer = await send(client, "POST", "/api/admin/reversals/c-1/approve", json={}, headers=admin)

    assert answer.status == 409
    assert (await answer.json(content_type=None))["type"].endswith("conflict")
    assert answer.headers["Retry-After"] == "7"
    assert not {"Set-Cookie", "X-Internal"} & set(answer.headers)


async def test_a_service_that_does_not_take_our_word_is_not_the_callers_fault(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.says("/internal/admin/bots", problem(401, "unauthenticated"))
    services.says("/api/admin/users/mallory", problem(401, "unauthenticated"))

    from_score = await get(client, "/api/admin/bots", **admin)
    from_auth = await get(client, "/api/admin/users/mallory", **admin)

    await assert_problem(from_score, 503)
    assert from_auth.status == 401


@pytest.mark.parametrize("path", ["bots", "nodes", "users/mallory", "users/mallory/export"])
async def test_a_broken_service_is_unavailable_and_says_nothing_else(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str], path: str
) -> None:
    services.broken |= {"/internal/admin/bots", "/internal/admin/nodes", "/api/admin/users/mallory"}
    services.broken.add("/api/admin/users/mallory/account")

    answer = await get(client, f"/api/admin/{path}", **admin)

    await assert_problem(answer, 503)
    assert answer.headers["Retry-After"] == "1"


async def test_a_large_case_has_a_time_of_its_own(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(reversals, "LONG_TIMEOUT_SECONDS", 0.05)
    services.delay_seconds = 0.5

    ordered = await send(client, "POST", "/api/admin/reversals", json=CASE, headers=admin)
    read = await get(client, "/api/admin/reversals", **admin)

    await assert_problem(ordered, 503)
    assert read.status == 200


@pytest.mark.parametrize(
    "user_id", ["..", ".", "a?b", "a#b", "a%b", "a%2Fb", "a;b", "~", "a+b", "*"]
)
async def test_a_user_is_named_whole_whatever_the_id_looks_like(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str], user_id: str
) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in user_id.encode())
    hold = URL(f"{client._base_url}/api/admin/users/{quoted}/hold", encoded=True)
    ban = URL(f"{client._base_url}/api/admin/users/{quoted}/ban", encoded=True)

    statuses = [
        (await send(client, "POST", url, json=REASON, headers=admin)).status for url in (hold, ban)
    ]

    assert statuses == [200, 200]
    asked = [request.path for request in services.asked("admin/users/")]
    assert asked == [f"/internal/admin/users/{user_id}/hold", f"/api/admin/users/{user_id}/ban"]
    assert not any(request.rel_url.raw_query_string for request in services.asked("admin/users/"))


async def test_a_page_is_asked_for_as_it_was_named(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    for query in (
        "reversals?state=applied&limit=5&before=41",
        "users/mallory/ledger?at=2026-11-01T12:00:00Z",
        "users/mallory/ledger?at=41",
        "audit?case_id=c-1&user_id=a%26b",
        "sessions?after=0f&user_id=alice",
    ):
        assert (await get(client, f"/api/admin/{query}", **admin)).status == 200

    assert [dict(request.query) for request in services.asked("/internal/admin/")] == [
        {"state": "applied", "limit": "5", "before": "41"},
        {"limit": "20", "at": "2026-11-01T12:00:00Z"},
        {"limit": "20", "at": "41"},
        {"limit": "20", "case_id": "c-1", "user_id": "a&b"},
        {"limit": "20", "after": "0f", "user_id": "alice"},
    ]


# --- what cannot be meant


def a_case(**selector: Any) -> dict[str, Any]:
    return {"case_id": "c-1", "selector": selector, "reason": "why"}


BAD_CASES = [
    (a_case(), "body.selector: name a user_id"),
    (a_case(user_id="m", **{"from": ONE, "to": NOON}), "body.selector: from must be earlier"),
    (a_case(user_id="m", **{"from": NOON, "to": NOON}), "body.selector: from must be earlier"),
    (a_case(user_id="m", **{"from": "2026-11-01T12:00:00"}), "body.selector.from: "),
    (a_case(user_id="m", to="yesterday"), "body.selector.to: "),
    (a_case(user_id="m", to=1_700_000_000), "body.selector.to: "),
    (a_case(user_id="m", seqs=list(range(1, 1002))), "body.selector.seqs: "),
    (a_case(user_id="m", seqs=[]), "body.selector.seqs: "),
    (a_case(user_id="m", seqs=[0]), "body.selector.seqs.0: "),
    (a_case(user_id="m", seqs=["1"]), "body.selector.seqs.0: "),
    (a_case(user_id="m", seqs=[True]), "body.selector.seqs.0: "),
    (a_case(user_id="m", seqs=[1], idempotency_keys=["k"]), "body.selector: give seqs or"),
    (a_case(user_id="m", seqs=[1], **{"from": NOON}), "body.selector: seqs and"),
    (a_case(seqs=[1]), "body.selector: name a user_id"),
    (a_case(fingerprint="f" * 16, seqs=[1]), "body.selector: seqs and"),
    (a_case(user_id="m", idempotency_keys=["k" * 129]), "body.selector.idempotency_keys.0: "),
    (a_case(fingerprint="xyz"), "body.selector.fingerprint: "),
    (a_case(user_id="é"), "body.selector.user_id: "),
    (a_case(user_id="m", undo=True), "body.selector.undo: "),
    ({**CASE, "case_id": "../c"}, "body.case_id: "),
    ({**CASE, "case_id": "c" * 65}, "body.case_id: "),
    ({**CASE, "case_id": "c\n"}, "body.case_id: "),
    ({**CASE, "reason": ""}, "body.reason: "),
    ({**CASE, "reason": "\ud800"}, "body"),
    ({**CASE, "dry_run": "yes"}, "body.dry_run: "),
    ({**CASE, "unknown": 1}, "body.unknown: "),
    ({"case_id": "c-1", "reason": "why"}, "body.selector: "),
    ([CASE], "JSON object"),
]
BAD_ORDERS = [
    ("POST", "admin/reversals/c-1/approve", {"by": "me"}, "body.by: "),
    ("POST", "admin/reversals/c-1/revert", {}, "body.reason: "),
    ("POST", "admin/reversals/c-1/withdraw", None, "body.reason: "),
    ("POST", "admin/reversals/.hidden/approve", {}, "path.case_id: "),
    ("POST", "admin/users/mallory/hold", {"reason": "w" * 501}, "body.reason: "),
    ("POST", "admin/users/%C3%A9/hold", REASON, "path.user_id: "),
    ("POST", "admin/reviews/0", {"decision": "accept", "reason": "why"}, "path.review_id: "),
    ("POST", "admin/reviews/1", {"decision": "burn", "reason": "why"}, "body.decision: "),
    ("PUT", "admin/bots", {"enabled": 0, "reason": "why"}, "body.enabled: "),
    ("PUT", "admin/users/mallory/roles", {"roles": "admin", "reason": "why"}, "body.roles: "),
    ("POST", "admin/users/mallory/ban", {"reason": None}, "body.reason: "),
    ("DELETE", "admin/users/mallory", None, "body.reason: "),
    ("POST", "grants", {"user_id": "alice", "max_increment": 0}, "body.max_increment: "),
    ("POST", "grants", {"user_id": "alice", "max_increment": 2**53}, "body.max_increment: "),
    ("DELETE", "admin/sessions/a%20b", None, "path.session_id: "),
    ("GET", "admin/reversals?limit=101", None, "query.limit: "),
    ("GET", "admin/reversals?state=lost", None, "query.state: "),
    ("GET", "admin/reversals?cursor=1", None, "query.cursor: "),
    ("GET", "admin/users/mallory/ledger?at=2026-11-01T12:00:00", None, "query.at"),
    ("GET", "admin/audit?case_id=../c", None, "query.case_id: "),
    ("GET", "admin/sessions?user_id=%C3%A9", None, "query.user_id: "),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "detail"),
    [*(("POST", "admin/reversals", body, detail) for body, detail in BAD_CASES), *BAD_ORDERS],
)
async def test_what_cannot_be_meant_is_refused_by_its_field_and_goes_nowhere(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str],
    method: str, path: str, body: Any, detail: str,
) -> None:  # fmt: skip
    answer = await send(client, method, f"/api/{path}", json=body, headers=admin)

    refused = await assert_problem(answer, 422)
    assert refused["detail"].startswith(detail) or detail in refused["detail"], refused["detail"]
    assert not services.asked("admin")
    assert not services.asked("grants")


async def test_a_body_with_two_meanings_goes_nowhere(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    headers = {**admin, "Content-Type": "application/json"}
    for body in (b'{"reason": "a", "reason": "b"}', b'{"reason": NaN}', b"reason"):
        answer = await send(client, "POST", "/api/admin/users/m/hold", data=body, headers=headers)
        await assert_problem(answer, 422)
    text = {**admin, "Content-Type": "text/plain"}
    answer = await send(client, "POST", "/api/admin/users/m/hold", data=b"{}", headers=text)

    await assert_problem(answer, 415)
    assert not services.asked("admin")


async def test_who_may_not_hears_that_first_whatever_they_sent(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    player = services.sign_in("alice")
    path, json_type = "/api/admin/reversals", {"Content-Type": "application/json"}

    nobody = await send(client, "POST", path, data=b"[" * 5000, headers=json_type)
    alice = await send(client, "POST", path, data=b"[" * 5000, headers=player | json_type)

    await assert_problem(nobody, 401)
    refused = await assert_problem(alice, 403)
    assert "fraud:write" in refused["detail"]


async def test_only_a_case_may_be_large(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    keys = ['"' * 126 + f"{number:02}" for number in range(10, 100)] * 11
    largest = a_case(user_id="m", idempotency_keys=[*keys, *keys[:10]])
    path = "/api/admin/reversals"

    taken = await send(client, "POST", path, json=largest, headers=admin)
    too_large = await send(client, "POST", path, json=largest | {"x": "x" * 9000}, headers=admin)
    elsewhere = await send(
        client, "POST", f"{path}/c-1/revert", json={"reason": "x" * 3000}, headers=admin
    )

    assert taken.status == 200
    await assert_problem(too_large, 413)
    await assert_problem(elsewhere, 413)
    assert len(services.asked("admin")) == 1
