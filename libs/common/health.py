"""
Probes: `/livez` says that the event loop turns, `/readyz` that what the service needs answers.

`/readyz` asks each dependency at most once a second, whoever asks how often.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common.clock import Clock, system_clock

CHECK_TIMEOUT_SECONDS = 2.0
CACHE_SECONDS = 1.0
CACHE_TROUBLE_SECONDS = 0.2  # who waits for a start wants to know soon

Check = Callable[[], Awaitable[object]]
"""Raises if the dependency does not answer."""


class Readiness:
    """Whether all dependencies answer; services register their checks as they open them."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._checks: dict[str, Check] = {}
        self._asked_at = float("-inf")
        self._answers: Mapping[str, str] = {}
        self._lock = asyncio.Lock()

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    async def answers(self) -> Mapping[str, str]:
        """`ok` or the kind of failure, by dependency."""
        async with self._lock:
            if self._clock.monotonic() - self._asked_at >= self._keep_seconds():
                results = await asyncio.gather(*(self._ask(c) for c in self._checks.values()))
                self._answers = dict(zip(self._checks, results, strict=True))
                self._asked_at = self._clock.monotonic()
            return self._answers

    def _keep_seconds(self) -> float:
        ready = all(answer == "ok" for answer in self._answers.values())
        return CACHE_SECONDS if ready else CACHE_TROUBLE_SECONDS

    @staticmethod
    async def _ask(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
            return type(error).__name__
        return "ok"


def router(readiness: Readiness) -> APIRouter:
    """The three internal routes that every service has."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    async def readyz() -> Response:
        answers = await readiness.answers()
        ready = all(answer == "ok" for answer in answers.values())
        return JSONResponse(
            {"status": "ok" if ready else "unavailable", "checks": dict(answers)},
            200 if ready else 503,
        )

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes
