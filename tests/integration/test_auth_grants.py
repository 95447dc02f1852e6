"""Action grants: leave to add once, signed by auth, verified by score."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from libs.common.clock import system_clock
from libs.common.errors import Unauthenticated
from libs.common.identity import ISSUER, context_verifier, grant_verifier
from libs.common.tokens import Audience, KeySet, TokenType, Verifier
from tests.fakes_auth import running, set_environment
from tests.office import Office

ORDER = {
    "user_id": "alice",
    "max_increment": 50,
    "min_elapsed_seconds": 2.5,
    "expires_in_seconds": 60,
}


@pytest.fixture
async def office(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[Office]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as client:
        yield Office(client)


def keys(office: Office) -> KeySet:
    async def fetch() -> dict[str, Any]:
        published: dict[str, Any] = (await office.auth.get("/.well-known/jwks.json")).json()
        return published

    return KeySet(fetch)


async def ordered(office: Office, **order: object) -> str:
    answer = await office.ask("POST", "/api/grants", by=("game",), json=ORDER | order)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["grant"])


async def test_a_grant_says_who_how_much_and_when(office: Office) -> None:
    grant = await ordered(office)

    claims = await grant_verifier(keys(office)).verify(grant)

    assert claims.subject == "alice"
    assert claims.raw["max_increment"] == 50
    assert claims.raw["min_elapsed_seconds"] == 2.5
    assert abs((system_clock.now() - claims.issued_at).total_seconds()) < 30
    assert (claims.expires_at - claims.issued_at).total_seconds() == pytest.approx(60)


async def test_no_two_grants_are_the_same(office: Office) -> None:
    verifier = grant_verifier(keys(office))

    jtis = {(await verifier.verify(await ordered(office))).jti for _ in range(3)}

    assert len(jtis) == 3


async def test_a_grant_passes_for_nothing_else_nor_anything_else_for_it(office: Office) -> None:
    grant = await ordered(office)
    own = keys(office)
    service = Verifier(own, issuer=ISSUER, audience=Audience.INTERNAL, token_type=TokenType.SERVICE)
    verdict = await office.auth.judge(await office.auth.order_token("alice"))
    assert verdict
    context = verdict.context

    assert not await office.auth.judge(grant)
    for verifier, token in (
        (context_verifier(own, Audience.SCORE), grant),
        (service, grant),
        (grant_verifier(own), context),
    ):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)


async def test_only_games_and_admins_give_grants(office: Office) -> None:
    statuses = {
        role: (await office.ask("POST", "/api/grants", by=(role,), json=ORDER)).status_code
        for role in ("player", "moderator", "ops", "game", "admin")
    }

    assert statuses == {"player": 403, "moderator": 403, "ops": 403, "game": 200, "admin": 200}
    assert (await office.auth.post("/api/grants", json=ORDER)).status_code == 401


async def test_what_could_not_be_redeemed_is_refused(office: Office) -> None:
    wrong: list[dict[str, object]] = [
        {"user_id": "with space"},
        {"max_increment": 0},
        {"max_increment": 1.5},
        {"max_increment": 2**53},
        {"min_elapsed_seconds": -1},
        {"min_elapsed_seconds": 60},
        {"expires_in_seconds": 0},
        {"expires_in_seconds": 86_401},
        {"board": "global"},
    ]

    for one in wrong:
        answer = await office.ask("POST", "/api/grants", by=("game",), json=ORDER | one)

        assert answer.status_code == 422, one
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_time_is_a_number(office: Office) -> None:
    for field in ("min_elapsed_seconds", "expires_in_seconds"):
        for number in ("NaN", "Infinity", "1e999"):
            body = f'{{"user_id": "alice", "max_increment": 1, "{field}": {number}}}'

            answer = await office.ask("POST", "/api/grants", by=("game",), content=body)

            assert answer.status_code == 422, body
