"""Keys, revocations, tokens and doors: what the services and the operator ask of auth."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import jwt
import pytest

from libs.common.contracts.identities import MAX_QUERY_TOKENS
from libs.common.identity import ISSUER, context_verifier
from libs.common.tokens import MAX_TOKEN_CHARACTERS, Audience, KeySet, TokenType
from tests.fakes_auth import AuthClient, running, secret_of, set_environment


@pytest.fixture
async def auth(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[AuthClient]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_revocation_wakes_the_listeners_of_every_replica(auth: AuthClient) -> None:
    token = await auth.order_token("carol")
    async with running() as other:
        headers = await other.as_service("notification")
        known = await other.get("/internal/revocations", headers=headers)
        headers["If-None-Match"] = known.headers["etag"]
        waiting = asyncio.create_task(  # noqa: TID251
            other.get("/internal/revocations", params={"wait": 20}, headers=headers)
        )
        await asyncio.sleep(0.3)
        assert not waiting.done()

        await auth.post(
            "/internal/revocations",
            json={"user_id": "carol"},
            headers=await auth.as_service("operator"),
        )
        async with asyncio.timeout(5):
            heard = await waiting

        assert heard.status_code == 200
        assert heard.json()["etag"] == heard.headers["etag"] != known.headers["etag"]
        assert [r["user_id"] for r in heard.json()["revocations"]] == ["carol"]
        assert not await other.judge(token)


async def test_no_news_is_a_304(auth: AuthClient) -> None:
    headers = await auth.as_service("gateway")
    known = await auth.get("/internal/revocations", params={"wait": 20}, headers=headers)
    headers["If-None-Match"] = known.headers["etag"]

    answer = await auth.get("/internal/revocations", params={"wait": 0.3}, headers=headers)

    assert known.json()["revocations"] == []
    assert answer.status_code == 304
    assert answer.headers["etag"] == known.headers["etag"]


async def test_the_context_says_what_other_services_verify(auth: AuthClient) -> None:
    token = await auth.order_token("carol", roles=["moderator"], ttl_seconds=30)
    verdict = await auth.judge(token)
    assert verdict

    async def fetch() -> dict[str, Any]:
        keys: dict[str, Any] = (await auth.get("/.well-known/jwks.json")).json()
        return keys

    for audience in (Audience.SCORE, Audience.NOTIFICATION):
        claims = await context_verifier(KeySet(fetch), audience).verify(verdict.context)
        assert claims.subject == "carol"
        assert claims.jti == verdict.jti
        assert claims.names("roles") == {"moderator"}
        assert claims.names("permissions") == set(verdict.permissions)
    context = jwt.decode(verdict.context, options={"verify_signature": False})
    access = jwt.decode(token, options={"verify_signature": False})
    assert context["iss"] == access["iss"] == ISSUER
    assert context["exp"] <= min(access["exp"], context["iat"] + 60)
    assert jwt.get_unverified_header(verdict.context)["typ"] == TokenType.CONTEXT


async def test_the_published_keys_may_be_cached_and_show_no_secret(auth: AuthClient) -> None:
    answer = await auth.get("/.well-known/jwks.json")

    assert answer.headers["cache-control"] == "public, max-age=300"
    keys = answer.json()["keys"]
    assert len(keys) == 2
    for key in keys:
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}


async def test_a_query_holds_so_many_tokens_and_no_more(auth: AuthClient) -> None:
    good = await auth.order_token("carol")
    longest = "a" * MAX_TOKEN_CHARACTERS
    gateway = await auth.as_service("gateway")

    found = await auth.judgements([*[longest] * (MAX_QUERY_TOKENS - 1), good])
    too_many = await auth.post(
        "/internal/verdicts", json={"tokens": [good] * (MAX_QUERY_TOKENS + 1)}, headers=gateway
    )
    too_large = await auth.post(
        "/internal/verdicts", json={"tokens": [longest * (MAX_QUERY_TOKENS + 1)]}, headers=gateway
    )
    none = await auth.judgements([])

    refused = [judgement.refusal for judgement in found]
    assert refused == ["unauthenticated"] * (MAX_QUERY_TOKENS - 1) + [""]
    assert (too_many.status_code, too_large.status_code, none) == (422, 413, [])


async def test_a_rotation_under_use_refuses_nobody(auth: AuthClient) -> None:
    old = await auth.order_token("carol")
    gateway = await auth.as_service("gateway")
    refusals: list[str] = []
    stop = asyncio.Event()

    async def use() -> None:
        while not stop.is_set():
            token = await auth.order_token("dave")
            for shown in (old, token):
                answer = await auth.post(
                    "/internal/verdicts", json={"tokens": [shown]}, headers=gateway
                )
                refusals.extend(item["refusal"] for item in answer.json()["items"])

    async with running() as other, asyncio.TaskGroup() as tasks:
        tasks.create_task(use())
        await asyncio.sleep(0.2)
        operator = await auth.as_service("operator")
        rotated = await auth.post("/internal/keys/rotate", headers=operator)
        elsewhere = await other.judge(await auth.order_token("erin"))
        too_soon = await auth.post("/internal/keys/rotate", headers=operator)
        await asyncio.sleep(0.2)
        stop.set()

    new = await auth.order_token("carol")
    assert rotated.status_code == 204
    assert elsewhere
    assert too_soon.status_code == 409
    assert set(refusals) == {""}
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]


async def test_replicas_that_start_together_make_one_set_of_keys(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> None:
    set_environment(monkeypatch, database_url, redis_url)

    async with running() as one, running() as other:
        published = [await each.get("/.well-known/jwks.json") for each in (one, other)]

    assert published[0].json() == published[1].json()


@pytest.mark.parametrize(
    ("method", "path", "callers"),
    [
        ("POST", "/internal/verdicts", {"gateway"}),
        ("GET", "/internal/names?ids=a", {"gateway"}),
        ("GET", "/internal/revocations", {"gateway", "notification"}),
        ("POST", "/internal/revocations", {"operator"}),
        ("POST", "/internal/access-tokens", {"operator"}),
        ("POST", "/internal/keys/rotate", {"operator"}),
    ],
)
async def test_internal_calls_let_in_the_named_services_only(
    auth: AuthClient, method: str, path: str, callers: set[str]
) -> None:
    user = await auth.order_token("carol", roles=["admin"])

    nobody = await auth.request(method, path, json={})
    person = await auth.request(method, path, json={}, headers=bearer(user))
    let_in = set()
    for name in ("gateway", "score", "scoreboard", "notification", "operator"):
        answer = await auth.request(method, path, json={}, headers=await auth.as_service(name))
        if answer.status_code != 403:
            let_in.add(name)

    assert nobody.status_code == person.status_code == 401
    assert let_in == callers


async def test_a_service_token_needs_its_own_secret(auth: AuthClient) -> None:
    attempts = [
        ("gateway", "not the secret", "client_credentials", 401),
        ("gateway", "", "client_credentials", 401),
        ("nobody", secret_of("gateway"), "client_credentials", 401),
        ("gateway", secret_of("score"), "client_credentials", 401),
        ("gateway", secret_of("gateway"), "password", 422),
    ]

    for name, secret, grant, status in attempts:
        answer = await auth.post("/internal/token", data={"grant_type": grant}, auth=(name, secret))

        assert answer.status_code == status, (name, secret, grant)


async def test_an_operator_names_any_user_but_no_unknown_role(auth: AuthClient) -> None:
    operator = await auth.as_service("operator")
    token = await auth.order_token("alice!~", roles=["admin"], ttl_seconds=60)

    verdict = await auth.judge(token)
    assert verdict
    unknown = await auth.post(
        "/internal/access-tokens", json={"user_id": "a", "roles": ["root"]}, headers=operator
    )
    endless = await auth.post(
        "/internal/access-tokens", json={"user_id": "a", "ttl_seconds": 86401}, headers=operator
    )
    me = await auth.get("/api/auth/me", headers=bearer(token))

    assert verdict.user_id == "alice!~"
    assert "users:write" in verdict.permissions
    assert unknown.status_code == endless.status_code == 422
    assert me.status_code == 404
