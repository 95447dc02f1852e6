"""Another identity provider beside our own, by nothing but settings."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt import encode
from jwt.algorithms import RSAAlgorithm

from libs.common.clock import system_clock
from tests.fakes_auth import AuthClient, running, set_environment
from tests.office import Office

ISSUER = "https://id.example.com/realms/games"
KEY = generate_private_key(65537, 2048)


@pytest.fixture
async def auth(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[AuthClient]:
    """Auth with an issuer that publishes its key on loopback."""
    jwk = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "one", "alg": "RS256"}

    async def publish(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwk]})

    app = web.Application()
    app.router.add_get("/certs", publish)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    set_environment(
        monkeypatch,
        database_url,
        redis_url,
        EXTERNAL_ISSUER=ISSUER,
        EXTERNAL_JWKS_URL=f"http://127.0.0.1:{runner.addresses[0][1]}/certs",
        EXTERNAL_AUDIENCE="games",
        EXTERNAL_ROLES_CLAIM="realm_access.roles",
    )
    async with running() as client:
        yield client
    await runner.cleanup()


def foreign_token(**more: Any) -> str:
    now = system_clock.now().timestamp()
    claims = {"iss": ISSUER, "aud": "games", "sub": "f3d1c2b4", "iat": now, "exp": now + 300}
    claims |= {"realm_access": {"roles": ["moderator"]}, **more}
    return encode(claims, KEY, algorithm="RS256", headers={"kid": "one"})


async def test_tokens_of_a_configured_issuer_count(auth: AuthClient) -> None:
    token = foreign_token()

    foreign = await auth.judge(token)
    own = await auth.judge(await auth.order_token("carol"))
    headers = {"Authorization": f"Bearer {token}"}
    logged_out = await auth.post("/api/auth/logout", headers=headers)
    after = await auth.judge(token)

    assert foreign
    assert foreign.roles == ["moderator"]
    assert own
    assert own.user_id == "carol"
    assert (logged_out.status_code, after) == (204, None)


async def test_a_ban_binds_a_user_whom_the_issuer_goes_on_vouching_for(auth: AuthClient) -> None:
    before = foreign_token()
    assert await auth.judge(before)

    await Office(auth).post("f3d1c2b4", "ban", {"reason": "bought points"})

    for token in (before, foreign_token()):
        assert not await auth.judge(token)
    assert await auth.judge(foreign_token(sub="somebody-else"))
