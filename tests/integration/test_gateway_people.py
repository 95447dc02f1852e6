"""What concerns more than one service: a person's export and end, and how the whole product is."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from libs.common.clock import system_clock
from tests.unit.gateway.fakes import ADMIN, FakeServices, problem
from tests.unit.gateway.server import assert_problem, get, send

pytest_plugins = ["tests.unit.gateway.fixtures"]

REASON = {"reason": "why"}
ACCOUNT = "/api/admin/users/mallory/account"
LEDGER = "/internal/admin/users/mallory/ledger"
FORGET = "/api/admin/users/mallory"
ERASE = "/internal/admin/users/mallory/erase"
ERASED = {"user_id": "mallory", "erased_at": "2026-11-01T12:00:00Z"}


def an_account() -> web.Response:
    return web.json_response(
        {
            "user_id": "mallory", "display_name": "Mallory", "roles": ["player"], "banned": False,
            "created_at": "2026-11-01T12:00:00Z", "login": "mal", "acts": [], "hash": "secret",
        }
    )  # fmt: skip


def a_ledger(*seqs: int, more: str = "") -> web.Response:
    line = {
        "delta": 10, "balance_after": 10, "kind": "increment", "idempotency_key": "k",
        "fingerprint": "f" * 32, "reverses_seq": None, "case_id": None, "actor": "mallory",
        "reason": None, "created_at": "2026-11-01T12:00:00Z",
    }  # fmt: skip
    view = {"user_id": "mallory", "score": 30, "version": 3, "held": False, "next": more}
    return web.json_response({**view, "entries": [{**line, "seq": seq} for seq in seqs]})


def unknown() -> web.Response:
    return problem(404, "not-found")


async def test_an_export_is_one_document_of_all_that_is_kept(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.says(ACCOUNT, an_account())
    services.says(LEDGER, a_ledger(3, 2, more="2"), a_ledger(1))

    answer = await get(client, "/api/admin/users/mallory/export", **admin)

    document = await answer.json()
    assert document["account"]["login"] == "mal"
    assert "hash" not in document["account"]
    assert [line["seq"] for line in document["ledger"]] == [3, 2, 1]
    assert answer.headers["Content-Disposition"] == "attachment"
    pages = services.asked(LEDGER)
    assert [dict(page.query) for page in pages] == [
        {"limit": "100"}, {"limit": "100", "before": "2"},
    ]  # fmt: skip
    assert {page.headers["X-User-Context"] for page in pages} == {"context.root.signature"}
    assert services.asked(ACCOUNT)[0].headers["Authorization"] == admin["Authorization"]


async def test_an_export_shows_context_that_is_still_good_with_every_page(
    client: aiohttp.ClientSession, services: FakeServices
) -> None:
    now = system_clock.now()
    brief = services.sign_in("root", permissions=ADMIN, context_expires_at=now)
    services.says(ACCOUNT, an_account())
    services.says(LEDGER, a_ledger(2, more="2"), a_ledger(1))

    await get(client, "/api/admin/users/mallory/export", **brief)

    # No verdict whose context has ended is remembered: one for the door, and one for each page.
    assert services.calls["/internal/verdicts"] == 3


@pytest.mark.parametrize(
    ("account", "ledger", "expected"),
    [
        (an_account, unknown, {"account": True, "ledger": 0}),
        (unknown, a_ledger, {"account": False, "ledger": 0}),
        (unknown, lambda: a_ledger(1), {"account": False, "ledger": 1}),
    ],
)
async def test_whom_only_one_service_knows_is_exported_too(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str],
    account: Callable[[], web.Response], ledger: Callable[[], web.Response], expected: Any,
) -> None:  # fmt: skip
    services.says(ACCOUNT, account())
    services.says(LEDGER, ledger())

    document = await (await get(client, "/api/admin/users/mallory/export", **admin)).json()

    assert bool(document["account"]) == expected["account"]
    assert len(document["ledger"]) == expected["ledger"]


async def test_whom_nobody_knows_has_no_export(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.says(ACCOUNT, unknown())
    services.says(LEDGER, unknown())

    await assert_problem(await get(client, "/api/admin/users/mallory/export", **admin), 404)


@pytest.mark.parametrize("then", [unknown, lambda: web.json_response({}, status=500)])
async def test_an_export_that_breaks_off_does_not_pass_for_a_whole_one(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str],
    then: Callable[[], web.Response],
) -> None:  # fmt: skip
    services.says(ACCOUNT, an_account())
    services.says(LEDGER, a_ledger(2, more="2"), then())

    with pytest.raises(aiohttp.ClientPayloadError):
        await get(client, "/api/admin/users/mallory/export", **admin)


async def erase(client: aiohttp.ClientSession, admin: dict[str, str]) -> aiohttp.ClientResponse:
    return await send(client, "DELETE", "/api/admin/users/mallory", json=REASON, headers=admin)


async def test_a_person_is_erased_at_auth_and_then_at_score(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.says(FORGET, web.json_response(ERASED))

    answer = await erase(client, admin)

    assert (answer.status, await answer.json()) == (200, ERASED)
    forgot, erased = services.asked("/admin/")
    assert (forgot.method, forgot.path) == ("DELETE", FORGET)
    assert forgot.headers["Authorization"] == admin["Authorization"]
    assert (erased.method, erased.path) == ("POST", ERASE)
    assert erased.headers["X-User-Context"] == "context.root.signature"
    assert [json.loads(body) for body in services.bodies] == [REASON, REASON]


async def test_an_erasure_that_broke_off_is_healed_by_repeating_it(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.says(FORGET, web.json_response(ERASED), web.json_response(ERASED))
    services.broken.add(ERASE)
    broken_off = await erase(client, admin)
    services.broken.clear()

    repeated = await erase(client, admin)

    await assert_problem(broken_off, 503)
    assert (repeated.status, await repeated.json()) == (200, ERASED)
    assert len(services.asked(ERASE)) == 2


async def test_what_auth_does_not_erase_score_keeps(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.says(FORGET, problem(409, "conflict"))

    answer = await erase(client, admin)

    assert answer.status == 409
    assert not services.asked(ERASE)


@pytest.mark.parametrize(
    ("auth", "score", "status"),
    [(200, 404, 200), (404, 200, 200), (404, 404, 404), (200, 403, 403)],
)
async def test_whom_only_one_service_knows_is_erased_there(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str],
    auth: int, score: int, status: int,
) -> None:  # fmt: skip
    services.says(FORGET, web.json_response(ERASED, status=auth))
    services.says(ERASE, web.json_response({}, status=score))

    answer = await erase(client, admin)

    assert answer.status == status
    if status == 200:
        assert (await answer.json())["user_id"] == "mallory"


# --- the whole

METRICS = """
# TYPE event_loop_lag_seconds gauge
event_loop_lag_seconds{service="x"} 0.25
score_answers_total{result="accepted"} 12
score_answers_total{result="replayed"} 3
score_answers_total{result="rate-limited"} 2
score_outbox_batches 4
score_outbox_oldest_seconds 1.5
kafka_consumer_lag_records{topic="score-updates"} 7
scoreboard_drift_users 1
scoreboard_drift_points 9
notification_connections{transport="websocket"} 5
notification_freshness_seconds_bucket{le="0.05"} 99
notification_freshness_seconds_bucket{le="0.1"} 100
notification_freshness_seconds_bucket{le="+Inf"} 100
notification_freshness_seconds_sum 2.0
"""


async def test_the_status_is_that_of_every_service_and_of_what_they_count(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.metrics = METRICS
    services.checks = {"redis": "ok", "postgresql": "TimeoutError"}

    report = await (await get(client, "/api/admin/status", **admin)).json()

    gateway, *others = report["services"]
    assert (gateway["name"], gateway["health"]) == ("gateway", "ok")
    assert set(gateway["processes"][0]["checks"]) == {"auth", "score", "scoreboard"}
    assert [service["name"] for service in others] == [
        "auth",
        "score",
        "scoreboard",
        "notification",
    ]
    for service in others:
        assert service["health"] == "unavailable"
        (process,) = service["processes"]
        assert process["address"] == services.url.removeprefix("http://")
        assert process["checks"] == services.checks
        assert process["loop_lag_seconds"] == 0.25
    assert report["figures"] == {
        "accepted_total": 12, "refused_total": 2, "outbox_batches": 4,
        "outbox_oldest_seconds": 1.5, "consumer_lag_records": 7, "drift_users": 1,
        "drift_points": 9, "streams": {"websocket": 5},
        "freshness": {"mean_seconds": 0.02, "p99_seconds": 0.05}, "open_reviews": 0,
    }  # fmt: skip


async def test_a_service_that_is_down_is_shown_as_such(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    services.broken.add("/readyz")

    answer = await get(client, "/api/admin/status", **admin)

    report = await answer.json()
    assert answer.status == 200
    assert [s["health"] for s in report["services"]] == ["ok", "down", "down", "down", "down"]
    assert set(report["figures"].values()) == {None}


async def test_many_open_pages_cost_what_one_does(
    client: aiohttp.ClientSession, services: FakeServices, admin: dict[str, str]
) -> None:
    await asyncio.gather(*(get(client, "/api/admin/status", **admin) for _ in range(50)))

    assert services.calls["/metrics"] == 4
