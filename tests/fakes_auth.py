"""Auth's ports in memory, and an auth service that runs for a test."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import httpx2
import pytest
import uvicorn

from libs.common.clock import system_clock
from libs.common.contracts.identities import Judgement, Judgements, Revocation, Verdict
from libs.common.errors import RateLimited, Unauthenticated
from libs.devstack import provision
from services.auth.domain.people import User
from services.auth.main import app
from services.auth.usecases.limits import Limit
from services.auth.usecases.sessions import Grant
from services.auth.usecases.verdicts import Caller
from tests import servers

SERVICES = ("gateway", "score", "scoreboard", "notification", "operator")
START_SECONDS = 20


class MemoryUserStore:
    """Users in a dictionary."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}

    async def add(self, user: User) -> bool:
        if any(known.login == user.login for known in self._users.values()):
            return False
        self._users[user.user_id] = user
        return True

    async def by_login(self, login: str) -> User | None:
        return next((user for user in self._users.values() if user.login == login), None)

    async def by_ids(self, user_ids: Sequence[str]) -> list[User]:
        return [user for user in self._users.values() if user.user_id in user_ids]

    async def change(
        self, user_id: str, *, display_name: str | None = None, password_hash: str | None = None
    ) -> User | None:
        user = self._users.get(user_id)
        if user is None:
            return None
        self._users[user_id] = replace(
            user,
            display_name=display_name or user.display_name,
            password_hash=password_hash or user.password_hash,
        )
        return self._users[user_id]


class MemoryRevocationStore:
    """Revocations in a dictionary."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Revocation] = {}
        self._changes = 0

    def put(self, revocation: Revocation) -> None:
        self._rows[revocation.user_id, revocation.jti] = revocation
        self._changes += 1

    async def add(self, user_id: str, jti: str, now: datetime, *, matters_until: datetime) -> None:
        self.put(Revocation(user_id=user_id, jti=jti))

    async def add_all(self, user_id: str, now: datetime) -> None:
        self.put(Revocation(user_id=user_id, not_before=now))

    async def ended(self, callers: Collection[Caller]) -> set[Caller]:
        return {caller for caller in callers if self._covers(caller)}

    def _covers(self, caller: Caller) -> bool:
        everything = self._rows.get((caller.user_id, ""))
        until = everything.not_before if everything else None
        one = (caller.user_id, caller.jti) in self._rows
        return one or (until is not None and caller.issued_at <= until)

    async def revision(self) -> int:
        return self._changes

    async def newest(self, count: int) -> list[Revocation]:
        return [*self._rows.values()][::-1][:count]


@dataclass
class _Session:
    user_id: str
    grant: Grant
    jtis: list[str] = field(default_factory=list)


class MemorySessionStore:
    """Sessions in a dictionary, the oldest first."""

    def __init__(self, revoked: MemoryRevocationStore) -> None:
        self._revoked = revoked
        self._sessions: dict[str, _Session] = {}

    async def open(self, session_id: str, user_id: str, grant: Grant, *, keep: int) -> bool:
        self._sessions[session_id] = _Session(user_id, grant, [grant.jti])
        for surplus in self._of(user_id)[:-keep]:
            await self.end(surplus, grant.given_at)
        return True

    async def renew(self, session_id: str, presented_hash: bytes, grant: Grant) -> str | None:
        session = self._sessions.get(session_id)
        if session is None or session.grant.expires_at <= grant.given_at:
            return None
        if session.grant.refresh_hash != presented_hash:
            await self.end(session_id, grant.given_at)
            return None
        session.grant = grant
        session.jtis.append(grant.jti)
        return session.user_id

    async def end(self, session_id: str, now: datetime) -> None:
        session = self._sessions.pop(session_id, None)
        for jti in session.jtis if session else []:
            self._revoked.put(Revocation(user_id=session.user_id if session else "", jti=jti))

    async def end_all(self, user_id: str) -> None:
        for session_id in self._of(user_id):
            del self._sessions[session_id]
        await self._revoked.add_all(user_id, system_clock.now())

    def _of(self, user_id: str) -> list[str]:
        return [name for name, session in self._sessions.items() if session.user_id == user_id]


class MemoryThrottle:
    """Counts, and never forgets by itself."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    async def count(self, limit: Limit, key: str) -> None:
        if self._counts[limit.name, key] >= limit.attempts:
            raise RateLimited("too many attempts", retry_after_seconds=1)
        self._counts[limit.name, key] += 1

    async def forgive(self, limit: Limit, key: str) -> None:
        del self._counts[limit.name, key]


class AuthClient(httpx2.AsyncClient):
    """Calls an auth service in several roles."""

    async def as_service(self, name: str) -> dict[str, str]:
        """The header that proves a service's identity."""
        answer = await self.post(
            "/internal/token",
            data={"grant_type": "client_credentials"},
            auth=(name, secret_of(name)),
        )
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def judge(self, token: str) -> Verdict | None:
        """The verdict on a token, as the gateway hears it; None: it is not valid."""
        [judgement] = await self.judgements([token])
        assert judgement.refusal in ("", Unauthenticated.code)
        return judgement.verdict

    async def judgements(self, tokens: Sequence[str]) -> list[Judgement]:
        """What the gateway hears of some tokens."""
        answer = await self.post(
            "/internal/verdicts",
            json={"tokens": list(tokens)},
            headers=await self.as_service("gateway"),
        )
        assert answer.status_code == 200, answer.text
        return Judgements.model_validate_json(answer.content).items

    async def order_token(self, user_id: str, **order: object) -> str:
        """An access token from the operator."""
        answer = await self.post(
            "/internal/access-tokens",
            json={"user_id": user_id, **order},
            headers=await self.as_service("operator"),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


def secret_of(service: str) -> str:
    return f"the secret of {service}"


def set_environment(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, **more: str
) -> None:
    """What `Settings` reads, for a service on these servers."""
    login = provision.with_login(database_url, provision.AUTH.role, servers.PASSWORD)
    environment = {
        "DATABASE_URL": login,
        "REDIS_URL": redis_url,
        "KEY_ENCRYPTION_SECRET": "k" * 32,
        "SERVICE_CLIENTS": json.dumps({name: secret_of(name) for name in SERVICES}),
        **more,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def running() -> AsyncGenerator[AuthClient]:
    """One replica of the service under uvicorn, with the environment as it is now."""
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())  # noqa: TID251
    try:
        async with asyncio.timeout(START_SECONDS):
            while not server.started:
                assert not serving.done(), "the service did not start"
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with AuthClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        await serving
