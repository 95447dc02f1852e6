"""
A small auth service on loopback: keys, service tokens, verdicts, and revocations by long poll.

Signs with a key of its own, so that what the services verify is what they verify in earnest.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from aiohttp import BasicAuth, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from libs.common.clock import system_clock
from libs.common.contracts.identities import (
    Judgement,
    Judgements,
    Revocation,
    RevocationList,
    Verdict,
    VerdictQuery,
)
from libs.common.errors import Unauthenticated
from libs.common.identity import ISSUER
from libs.common.tokens import ALGORITHM, Audience, TokenType

SECRET = "only-for-tests"
PLAYER = ("scores:read", "scores:write", "stream:own")
MAX_WAIT_SECONDS = 20.0


class FakeAuth:
    """Vouches for whomever a test names; `url` is where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self._key = Ed25519PrivateKey.generate()
        self._kid = uuid4().hex
        self._revocations: list[Revocation] = []
        self._changed = asyncio.Event()

    def service_token(self, name: str) -> str:
        """What `/internal/token` gives to the service `name`."""
        return self.sign(TokenType.SERVICE, Audience.INTERNAL, name, seconds=300)

    def context(
        self,
        user_id: str,
        audience: Audience,
        *,
        permissions: Iterable[str] = PLAYER,
        jti: str = "",
        seconds: float = 60,
    ) -> str:
        """Auth's word on a user, for one service."""
        claims = {"permissions": sorted(permissions), "roles": ["player"]}
        return self.sign(TokenType.CONTEXT, audience, user_id, claims, jti=jti, seconds=seconds)

    def access_token(self, user_id: str, *, jti: str = "", seconds: float = 900) -> str:
        """What a user shows to the gateway."""
        claims = {"roles": ["player"]}
        return self.sign(
            TokenType.ACCESS, Audience.PUBLIC, user_id, claims, jti=jti, seconds=seconds
        )

    def sign(
        self,
        token_type: TokenType,
        audience: str,
        subject: str,
        claims: Mapping[str, Any] | None = None,
        *,
        jti: str = "",
        seconds: float = 60,
    ) -> str:
        """Any token at all."""
        now = system_clock.now()
        payload = {
            "iss": ISSUER,
            "aud": audience,
            "sub": subject,
            "iat": now,
            "exp": now + timedelta(seconds=seconds),
            "jti": jti or uuid4().hex,
            **(claims or {}),
        }
        headers = {"kid": self._kid, "typ": token_type}
        return jwt.encode(payload, self._key, algorithm=ALGORITHM, headers=headers)

    def revoke(self, user_id: str, *, jti: str = "") -> None:
        """Revoke one token, or all that the user has until now."""
        not_before = None if jti else system_clock.now()
        self._revocations.append(Revocation(user_id=user_id, jti=jti, not_before=not_before))
        self._changed.set()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator["FakeAuth", None]:
        """Answer on a free port of loopback."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/jwks.json", self._jwks),
                web.post("/internal/token", self._token),
                web.post("/internal/verdicts", self._verdicts),
                web.get("/internal/revocations", self._list),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _jwks(self, _: web.Request) -> web.Response:
        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return web.json_response(
            {"keys": [{**public, "kid": self._kid, "alg": ALGORITHM, "use": "sig"}]}
        )

    async def _token(self, request: web.Request) -> web.Response:
        caller = BasicAuth.decode(request.headers["Authorization"])
        if caller.password != SECRET:
            raise web.HTTPUnauthorized
        token = self.service_token(caller.login)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 300})

    async def _verdicts(self, request: web.Request) -> web.Response:
        query = VerdictQuery.model_validate_json(await request.read())
        answer = Judgements(items=[self._judgement(token) for token in query.tokens])
        return web.Response(text=answer.model_dump_json(), content_type="application/json")

    def _judgement(self, token: str) -> Judgement:
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=[ALGORITHM],
                audience=Audience.PUBLIC,
                issuer=ISSUER,
            )
        except jwt.InvalidTokenError:
            return Judgement(refusal=Unauthenticated.code)
        now = system_clock.now()
        verdict = Verdict(
            user_id=claims["sub"],
            jti=claims["jti"],
            roles=["player"],
            permissions=list(PLAYER),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            context=self.context(claims["sub"], Audience.SCORE, jti=claims["jti"]),
            context_expires_at=now + timedelta(seconds=60),
        )
        return Judgement(verdict=verdict)

    async def _list(self, request: web.Request) -> web.Response:
        wait = min(float(request.query.get("wait", 0)), MAX_WAIT_SECONDS)
        if request.headers.get("If-None-Match") == self._etag():
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                return web.Response(status=304)
        news = RevocationList(etag=self._etag(), revocations=list(self._revocations))
        return web.json_response(json.loads(news.model_dump_json()))

    def _etag(self) -> str:
        return f'"{len(self._revocations)}"'
