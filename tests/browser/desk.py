"""
What the operator's page asks for, answered as the contracts say.

Nothing is kept: an act is noted in `asked` and answered with what `answers` holds for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from libs.common.contracts.boards import BoardPage, RankedEntry
from libs.common.contracts.status import StatusReport
from tests.browser.answers import report, usual
from tests.browser.stage import POLICY, WEB, Stage

TOKEN = "e30.eyJzdWIiOiJvcHMifQ.x"  # its subject is "ops"
PER_REPORT = 40

Answer = BaseModel | tuple[int, str]
"""A body, or a refusal: its status and its detail."""


@dataclass(frozen=True)
class Asked:
    """A call of the admin API."""

    call: str
    query: dict[str, str]
    body: Any


class Desk(Stage):
    """A stage with the operator's page at `/ops`. Change `answers` at any time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[Asked] = []
        self.answers: dict[str, Answer | Callable[[], Answer]] = {
            "GET /api/admin/status": self._status,
            **usual(),
        }
        self._reports = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ops", self._ops),
            web.get("/api/auth/me", self._me),
            web.get("/api/leaderboard", self._board),
            web.route("*", "/api/admin/{rest:.+}", self._admin),
            *super().routes(),
        ]

    def calls(self, method: str) -> list[Asked]:
        """What was asked by this method, oldest first."""
        return [asked for asked in self.asked if asked.call.startswith(method)]

    async def _ops(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(
            text=(WEB / "ops" / "index.html").read_text(),
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY},
        )

    async def _me(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "the token is not valid")
        return problem(404, "there is no such account")

    async def _board(self, _request: web.Request) -> web.StreamResponse:
        entries = [RankedEntry(rank=1, user_id="alice", score=900)]
        return said(BoardPage(epoch=1, rev=1, total=1, entries=entries))

    async def _admin(self, request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        body = await request.json() if request.can_read_body else None
        self.asked.append(Asked(call, dict(request.query), body))
        answer = self.answers.get(call, (404, f"nobody answers {call}"))
        if not isinstance(answer, BaseModel | tuple):
            answer = answer()
        return said(answer) if isinstance(answer, BaseModel) else problem(*answer)

    def _status(self) -> StatusReport:
        self._reports += 1
        return report(accepted=self._reports * PER_REPORT)


def said(body: BaseModel) -> web.Response:
    return web.Response(text=body.model_dump_json(by_alias=True), content_type="application/json")


def problem(status: int, detail: str) -> web.Response:
    body = {"type": "urn:x", "status": status, "title": "", "detail": detail}
    return web.json_response(body | {"request_id": "req-7"}, status=status)
