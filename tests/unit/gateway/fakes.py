"""Fakes of what the gateway calls: auth as an object, and all four services on a loopback port."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from libs.common.contracts.identities import (
    Judgement,
    Judgements,
    Revocation,
    RevocationList,
    Verdict,
)
from libs.common.errors import Unauthenticated, Unavailable
from services.gateway.usecases.verdicts import Judged

ETAG = '"3:91"'
START = datetime(2025, 3, 1, 12, 34, tzinfo=UTC)
PLAYER = ["scores:write", "scores:read", "stream:own"]
ADMIN = [
    "fraud:read", "fraud:write", "users:read", "users:write", "sessions:write", "grants:write",
    "ops:read",
]  # fmt: skip


def token(name: str) -> str:
    """Something of a JWT's shape."""
    return f"header.{name}.signature"


def a_verdict(user_id: str = "alice", *, now: datetime = START, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "user_id": user_id,
        "jti": f"jti-{user_id}",
        "roles": ["player"],
        "permissions": PLAYER,
        "issued_at": now,
        "expires_at": now + timedelta(minutes=15),
        "context": f"context.{user_id}.signature",
        "context_expires_at": now + timedelta(seconds=60),
    }
    return Verdict(**{**fields, **changes})


def problem(status: int, code: str, **headers: str) -> web.Response:
    """A refusal of a service behind the gateway."""
    body = {"type": f"urn:live-scoreboard:problem:{code}", "status": status}
    return web.json_response(body, status=status, headers=headers)


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class FakeJudge:
    """Auth without HTTP: answers when `open` is set, `answers` or else `answer` to each token."""

    def __init__(self, answer: Judged) -> None:
        self.answer = answer
        self.answers: dict[str, Judged] = {}
        self.questions: list[str] = []
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def judge(self, tokens: Sequence[str]) -> list[Judged]:
        self.batches.append(list(tokens))
        self.questions.extend(tokens)
        await self.open.wait()
        if isinstance(self.answer, Unavailable):
            raise self.answer
        return [self.answers.get(token, self.answer) for token in tokens]

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        self.questions.extend(user_ids)
        return {user_id: user_id.title() for user_id in user_ids if user_id != "nobody"}


@dataclass
class FakeServices:
    """
    Auth, score, scoreboard and notification behind one port, with what they were asked.

    Where an admin's request arrives, the answer is what `says` gave for its raw path, or that path.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    stored: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    refusal: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    answers: dict[str, list[web.Response]] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=lambda: {"store": "ok"})
    metrics: str = ""
    delay_seconds: float = 0
    url: str = ""

    def __post_init__(self) -> None:
        self._revocations = RevocationList(etag='"0"', revocations=[])
        self._revoked = asyncio.Event()

    def sign_in(self, user_id: str, **changes: Any) -> dict[str, str]:
        """A token of the user, as the header to send."""
        name = token(f"{user_id}-{len(self.verdicts)}")
        self.verdicts[name] = a_verdict(user_id, now=datetime.now(UTC), **changes)  # noqa: TID251
        return {"Authorization": f"Bearer {name}"}

    def says(self, path: str, *answers: web.Response) -> None:
        """The next answers to this raw path."""
        self.answers.setdefault(path, []).extend(answers)

    def asked(self, part: str) -> list[web.Request]:
        """The requests with this part in their raw path, oldest first."""
        return [request for request in self.seen if part in request.rel_url.raw_path]

    def revoke(self, revocation: Revocation) -> None:
        self._revocations = RevocationList(etag='"1"', revocations=[revocation])
        self._revoked.set()

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator["FakeServices", None]:
        app = web.Application(middlewares=[self._note])
        app.router.add_routes(
            [
                web.get("/livez", self._ok),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.post("/internal/token", self._token),
                web.post("/internal/verdicts", self._judge),
                web.get("/internal/revocations", self._list_revocations),
                web.get("/internal/names", self._names),
                web.post("/internal/increments", self._increments),
                web.get("/internal/entries", self._entries),
                web.post("/internal/tickets", self._tickets),
                web.get("/boards/global", self._page),
                web.get("/boards/global/users/{user_id}", self._standing),
                web.route("*", "/api/auth/{what}", self._account),
                web.get("/.well-known/jwks.json", self._keys),
                web.post("/api/grants", self._own),
                web.route("*", "/api/admin/{what:.*}", self._own),
                web.route("*", "/internal/admin/{what:.*}", self._own),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield self
        await runner.cleanup()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls[request.path] += 1
        self.seen.append(request)
        if request.path in self.broken:
            raise web.HTTPInternalServerError(text="secret of the upstream")
        response: web.StreamResponse = await handler(request)
        return response

    async def _ok(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay_seconds)
        ready = all(check == "ok" for check in self.checks.values())
        return web.json_response({"checks": self.checks}, status=200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=self.metrics)

    async def _own(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        await asyncio.sleep(self.delay_seconds)
        path = request.rel_url.raw_path
        answers = self.answers.get(path)
        return answers.pop(0) if answers else web.json_response({"path": path})

    async def _token(self, request: web.Request) -> web.Response:
        return web.json_response({"access_token": "service.token.signature", "expires_in": 300})

    async def _judge(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay_seconds)
        tokens = (await request.json())["tokens"]
        answer = Judgements(items=[self._judgement(token) for token in tokens])
        return web.json_response(text=answer.model_dump_json())

    def _judgement(self, token: str) -> Judgement:
        verdict = self.verdicts.get(token)
        return Judgement(verdict=verdict, refusal="" if verdict else Unauthenticated.code)

    async def _list_revocations(self, request: web.Request) -> web.Response:
        if request.headers["If-None-Match"] == self._revocations.etag:
            await self._revoked.wait()
            self._revoked.clear()
        return web.json_response(text=self._revocations.model_dump_json())

    async def _names(self, request: web.Request) -> web.Response:
        ids = request.query["ids"].split(",")
        return web.json_response({"names": {i: i.title() for i in ids if i != "nobody"}})

    async def _increments(self, request: web.Request) -> web.Response:
        items = (await request.json())["items"]
        self.bodies.append(items)
        await asyncio.sleep(self.delay_seconds)
        return web.json_response({"items": [self._count(item) for item in items]})

    def _count(self, item: dict[str, Any]) -> dict[str, Any]:
        if self.refusal:
            return self.refusal
        user_id = item["context"].split(".")[1]
        key = (user_id, item["idempotency_key"] or item["grant"])
        if key in self.stored:
            return {**self.stored[key], "replayed": True, "remaining": 4}
        self.totals[user_id] += item["score_increment"]
        answer = {"user_id": user_id, "new_score": self.totals[user_id], "version": 1}
        self.stored[key] = answer
        return {**answer, "remaining": 4}

    async def _entries(self, request: web.Request) -> web.Response:
        entry = {
            "seq": 41, "delta": 10, "balance_after": 150, "kind": "increment",
            "created_at": "2025-03-01T12:34:00Z", "idempotency_key": "k", "fingerprint": "secret",
        }  # fmt: skip
        return web.json_response({"entries": [entry], "next": "41"})

    async def _tickets(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        return web.json_response({"ticket": "once", "expires_in": 30})

    async def _page(self, request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == ETAG:
            return web.Response(status=304, headers={"ETag": ETAG})
        page = {"board": "global", "epoch": 3, "rev": 91, "total": 0, "entries": []}
        return web.json_response(page, headers={"ETag": ETAG, "X-Internal": "secret"})

    async def _standing(self, request: web.Request) -> web.Response:
        user_id = request.match_info["user_id"]
        if user_id == "nobody":
            raise web.HTTPNotFound(text="secret of the upstream")
        return web.json_response({"user_id": user_id, "rank": 1, "score": 600})

    async def _account(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        if request.match_info["what"] == "logout":
            return web.Response(status=204)
        status = 401 if request.match_info["what"] == "login" else 200
        return web.json_response(
            {"path": request.path}, status=status, headers={"Set-Cookie": "a=b"}
        )

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": []})
