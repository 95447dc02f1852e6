"""
The express way for `POST /api/scores`: a request that is ordinary in every respect.

Nearly all requests of a leaderboard are alike. Such a one is answered here, past the framework, by
the same use case and with the same bytes as in `routes.scores`. Whatever is unusual goes there,
untouched, to be judged and explained; nothing is refused here but what score refuses.
"""

from collections.abc import Coroutine
from time import perf_counter
from typing import Any, NamedTuple, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common import metrics
from libs.common.app import own_fields, record_request, request_id_of
from libs.common.errors import AppError, InvalidRequest
from libs.common.server import Fields
from libs.common.server import answer as answer_whole
from services.gateway.domain.bodies import plain_increment
from services.gateway.domain.headers import parse_idempotency_key
from services.gateway.routes.access import WRITE_SCORES
from services.gateway.routes.edge import NO_STORE
from services.gateway.routes.parts import JSON, Parts
from services.gateway.routes.scores import GRANT_HEADER, KEY_HEADER, PATH, accepted, refused

_KEY = KEY_HEADER.lower().encode()
_GRANT = GRANT_HEADER.lower().encode()
_JSON = JSON.encode()
_TELLING = frozenset({b"authorization", b"content-type", _KEY, _GRANT})
_BEARER = b"Bearer "

_ACCEPTED = metrics.REQUESTS.labels("gateway", "POST", PATH, 200)
_SECONDS = metrics.REQUEST_SECONDS.labels("gateway", PATH)


class Head(NamedTuple):
    """What the head of an ordinary request says; `sent_key` is the key as it was sent."""

    token: str
    key: str
    sent_key: bytes


class Express:
    """Answers ordinary increments, and hands on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        parts: Parts = scope["state"]["parts"]
        head = plain_head(scope["headers"])
        caller = parts.judge.remembered(head.token) if head is not None else None
        if head is None or caller is None or WRITE_SCORES not in caller.permissions:
            await self._app(scope, receive, send)
            return
        message = at_once(receive)
        points = plain_points(message, parts.max_increment)
        if message is None or points is None:
            await self._app(scope, _again(message, receive), send)
            return
        request_id = request_id_of(scope)
        client = scope["client"]
        try:
            answer = await parts.add_score(
                caller,
                points,
                idempotency_key=head.key,
                request_id=request_id,
                fingerprint=parts.fingerprint(scope["headers"], client[0] if client else ""),
            )
        except AppError as error:
            response = refused(error, parts.quota, request_id=request_id, sent_key=head.sent_key)
            status, fields, body = response.status_code, response.raw_headers, bytes(response.body)
        else:
            status = 200
            fields, body = accepted(answer, parts.quota, sent_key=head.sent_key)
        fields = [*fields, *own_fields(request_id), NO_STORE]
        await answer_whole(scope, send, status, fields, body)
        seconds = perf_counter() - started
        if status == 200:
            _ACCEPTED.inc()
            _SECONDS.observe(seconds)
        else:
            record_request("gateway", "POST", PATH, status, seconds)


def at_once(receive: Receive) -> Message | None:
    """
    What has arrived with the head, as nearly every body of a few bytes has.

    None: nothing yet. Then nothing was taken, and whoever waits for it sets a timer.
    """
    receiving = cast(Coroutine[Any, Any, Message], receive())
    try:
        receiving.send(None)
    except StopIteration as arrived:
        message: Message = arrived.value
        return message
    receiving.close()
    return None


def plain_head(fields: Fields) -> Head | None:
    """A bearer token, JSON and one key, and no grant; None: look closer."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in _TELLING:
            if name in found:
                return None
            found[name] = value
    authorization, key = found.get(b"authorization", b""), found.get(_KEY, b"")
    ordinary = authorization.startswith(_BEARER) and found.get(b"content-type") == _JSON
    if not (ordinary and key) or _GRANT in found:
        return None
    try:
        token = authorization.removeprefix(_BEARER).decode("ascii")
        return Head(token, parse_idempotency_key([key.decode("ascii")]), key)
    except (UnicodeDecodeError, InvalidRequest):
        return None


def plain_points(message: Message | None, maximum: int) -> int | None:
    """The points, if all of the body is there and as most clients write it; None: look closer."""
    if message is None or message["type"] != "http.request" or message.get("more_body"):
        return None
    points = plain_increment(message.get("body", b""))
    return points if points is not None and points <= maximum else None


def _again(message: Message | None, receive: Receive) -> Receive:
    """As `receive` was before `message` was taken from it."""
    taken = message

    async def receive_again() -> Message:
        nonlocal taken
        first, taken = taken, None
        return first if first is not None else await receive()

    return receive_again
