"""Looking after accounts at a running auth service, and seeing all that it keeps."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import httpx2

from tests.fakes_auth import AuthClient

PASSWORD = "correct horse battery"
LOCK_SECONDS = 5

_AWAITED = "SELECT count(*) FROM pg_locks WHERE NOT granted"


class Office:
    """Looks after accounts over HTTP: as the admin `chief`, or `by` a caller with other roles."""

    def __init__(self, auth: AuthClient) -> None:
        self.auth = auth
        self.signed_in: dict[str, dict[str, Any]] = {}

    async def register(self, login: str, name: str = "Somebody") -> str:
        """A new user's id; what they are signed in with is kept in `signed_in`."""
        body = {"login": login, "password": PASSWORD, "display_name": name}
        answer = await self.auth.post("/api/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        user_id = str(answer.json()["user_id"])
        self.signed_in[user_id] = answer.json()
        return user_id

    async def log_in(self, login: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.auth.post("/api/auth/login", json={"login": login, "password": password})

    async def statuses(self, tokens: dict[str, Any]) -> dict[str, int]:
        """How the two tokens of a session are received; the refresh token is used up."""
        token = await self.auth.judge(tokens["access_token"])
        refresh = await self.auth.post(
            "/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
        )
        return {"token": 200 if token else 401, "refresh": refresh.status_code}

    async def ask(
        self, method: str, path: str, *, by: Sequence[str] = ("admin",), **sent: Any
    ) -> httpx2.Response:
        name = "chief" if by == ("admin",) else "-".join(("a", *by))
        token = await self.auth.order_token(name, roles=list(by))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self.auth.request(method, path, headers=headers, **sent)

    async def get(self, user_id: str, by: Sequence[str] = ("admin",)) -> httpx2.Response:
        return await self.ask("GET", f"/api/admin/users/{user_id}", by=by)

    async def put(
        self, user_id: str, what: str, body: dict[str, Any], by: Sequence[str] = ("admin",)
    ) -> httpx2.Response:
        return await self.ask("PUT", f"/api/admin/users/{user_id}/{what}", by=by, json=body)

    async def post(
        self, user_id: str, act: str, body: dict[str, Any], by: Sequence[str] = ("admin",)
    ) -> httpx2.Response:
        return await self.ask("POST", f"/api/admin/users/{user_id}/{act}", by=by, json=body)

    async def delete(
        self, user_id: str, body: dict[str, Any], by: Sequence[str] = ("admin",)
    ) -> httpx2.Response:
        return await self.ask("DELETE", f"/api/admin/users/{user_id}", by=by, json=body)

    async def audit(self, **query: Any) -> dict[str, Any]:
        answer = await self.ask("GET", "/api/admin/audit/accounts", by=("moderator",), params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def acts(self, **query: Any) -> list[dict[str, Any]]:
        """The newest page of the audit."""
        acts: list[dict[str, Any]] = (await self.audit(**query))["acts"]
        return acts


async def locks_awaited(connection: asyncpg.Connection, count: int) -> None:
    """Returns when so many wait for a lock."""
    async with asyncio.timeout(LOCK_SECONDS):
        while await connection.fetchval(_AWAITED) < count:
            await asyncio.sleep(0.02)


async def dump(database_url: str) -> str:
    """All rows of all tables of auth, as text."""
    connection = await asyncpg.connect(database_url)
    tables = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'auth' ORDER BY tablename"
    )
    lines = []
    for table in tables:
        name = f'auth."{table["tablename"]}"'
        rows = await connection.fetch(f"SELECT t::text AS row FROM {name} t ORDER BY 1")  # noqa: S608
        lines += [f"{name}: {row['row']}" for row in rows]
    await connection.close()
    return "\n".join(lines)
