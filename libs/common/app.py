"""
The FastAPI application that every service starts from: probes, metrics, request ids, problems.

Importing it needs no environment; settings are read inside the lifespan.
"""

import asyncio
import gc
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from random import getrandbits
from time import perf_counter
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.routing import APIRouter
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common import health, logs, metrics, problems
from libs.common.openapi import ServiceApi
from libs.common.tasks import background, watch_loop_lag

MAX_BODY_BYTES = 2048
BODY_DEADLINE_SECONDS = 5.0
REQUEST_ID_HEADER = b"x-request-id"
# New objects before a collection of the young, and how many of those before one of the older.
GARBAGE_THRESHOLDS = (20_000, 20, 50)

_REQUEST_ID = re.compile(r"^[A-Za-z0-9_.:-]{1,64}$")
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")

_log = structlog.get_logger()

Lifespan = Callable[[FastAPI, health.Readiness], AbstractAsyncContextManager[dict[str, Any]]]
"""Opens a service's parts and yields them by name for `request.state`; closes them in reverse."""


def create_service(
    name: str,
    lifespan: Lifespan,
    routers: list[APIRouter],
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    larger_bodies: Mapping[str, int] | None = None,
    app_class: type[FastAPI] = ServiceApi,
    **options: Any,
) -> FastAPI:
    """
    A service with its routes, ready for `uvicorn services.<name>.main:app`.

    `larger_bodies` are the bytes of those exact paths that take more than the others.
    """
    readiness = health.Readiness()

    @asynccontextmanager
    async def run(app: FastAPI) -> Any:
        logs.configure(name)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(background(watch_loop_lag(name), name="loop-lag"))
            state = await stack.enter_async_context(lifespan(app, readiness))
            _log.info("service_started")
            _settle_garbage()
            yield state
            _log.info("service_stopping")

    app = app_class(
        title=f"Live Scoreboard: {name}", version="0.1.0", lifespan=run, redoc_url=None, **options
    )
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.include_router(health.router(readiness))
    app.add_middleware(BodyLimit, max_bytes=max_body_bytes, of_path=larger_bodies or {})
    app.add_middleware(RequestRecord, service=name)
    return app


class RequestRecord:
    """
    Gives each request an id, a metric and, if it was refused, a log line.

    Pure ASGI: Starlette's `BaseHTTPMiddleware` costs a task per request and breaks cancellation.
    """

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope["headers"])
        scope["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        status = 500
        started = perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    *own_fields(request_id),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            record_request(self._service, method, route, status, perf_counter() - started)


class BodyLimit:
    """
    Refuses a body over `max_bytes`, or over those of its path (413), or one that takes longer than
    5 s to arrive (408).
    """

    def __init__(self, app: ASGIApp, max_bytes: int, of_path: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._of_path = of_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._of_path.get(scope["path"], self._max_bytes)
        taken = 0
        complete = False
        deadline = 0.0

        async def receive_bounded() -> Message:
            nonlocal taken, complete, deadline
            if complete:  # a later call waits for the disconnect, however long that takes
                return await receive()
            # For all of the body: a byte now and then is not progress.
            deadline = deadline or asyncio.get_running_loop().time() + BODY_DEADLINE_SECONDS
            message = await _until(deadline, receive())
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > max_bytes:
                    raise HTTPException(413, f"the body is larger than {max_bytes} bytes")
                complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_bounded, send)


def _settle_garbage() -> None:
    """
    What lives from now on lives for ever: have the collector look at it no more, and less often.

    A full collection of some 100,000 objects stops every answer for its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def record_request(service: str, method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer, and log it if it is a refusal."""
    metrics.REQUESTS.labels(service, method, route, status).inc()
    metrics.REQUEST_SECONDS.labels(service, route).observe(seconds)
    if status >= 400 and route != "/readyz":  # that is an answer, and asked for again and again
        _log.info("request_refused", method=method, route=route, status=status)


def own_fields(request_id: str) -> list[tuple[bytes, bytes]]:
    """Header fields of every answer."""
    return [(REQUEST_ID_HEADER, request_id.encode()), _NO_SNIFFING]


def request_id_of(fields: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own id of a request, if it can be logged as it is, or a new one."""
    for name, value in fields:
        if name == REQUEST_ID_HEADER:
            text = value.decode("latin-1")
            if _REQUEST_ID.match(text):
                return str(text)
    return f"{getrandbits(128):032x}"  # a name, no secret; `urandom` asks the kernel each time


async def _until(deadline: float, receiving: Awaitable[Message]) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receiving
    except TimeoutError:
        raise HTTPException(408, "the body took too long to arrive") from None
