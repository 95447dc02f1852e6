"""
The express way for `POST /api/scores`: a request that is ordinary in every respect.

Nearly all requests of a leaderboard are alike. Such a one is answered here, without a task and past
the framework, by the same use case and with the same bytes as in `routes.scores`. Whatever is
unusual goes there, untouched, to be judged and explained; nothing is refused here but what score
refuses, and what there is no room for.
"""

import asyncio
from functools import partial
from time import perf_counter
from typing import NamedTuple

from libs.common import metrics
from libs.common.app import own_fields, record_request, request_id_of
from libs.common.at_once import Connection, Fields, Whole
from libs.common.contracts.scores import Answer
from libs.common.errors import AppError, InvalidRequest
from services.gateway.domain.bodies import plain_increment
from services.gateway.domain.headers import parse_idempotency_key
from services.gateway.routes.access import WRITE_SCORES
from services.gateway.routes.edge import NO_STORE, refusal
from services.gateway.routes.parts import JSON, Parts
from services.gateway.routes.scores import GRANT_HEADER, KEY_HEADER, PATH, accepted, refused
from services.gateway.usecases.scores import counted

_KEY = KEY_HEADER.lower().encode()
_GRANT = GRANT_HEADER.lower().encode()
_JSON = JSON.encode()
_BEARER = b"Bearer "

_ACCEPTED = metrics.REQUESTS.labels("gateway", "POST", PATH, 200)
_SECONDS = metrics.REQUEST_SECONDS.labels("gateway", PATH)


class Head(NamedTuple):
    """What the head of an ordinary request says; `sent_key` is the key as it was sent."""

    token: str
    key: str
    sent_key: bytes


class Express:
    """Takes ordinary increments as an `AtOnce`, and leaves everything else."""

    line = f"POST {PATH} HTTP/1.1\r\n".encode()
    upgrades = False

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __call__(self, request: Whole, connection: Connection) -> bool:
        started = perf_counter()
        parts = self._parts
        if not parts.seats.free:
            fields, body = refusal(parts.seats, request.fields)
            connection.answer(503, [*fields, NO_STORE], body)
            return True
        head = plain_head(request.fields)
        points = plain_increment(request.body)
        if head is None or points is None or points > parts.max_increment:
            return False
        caller = parts.judge.remembered(head.token)
        if caller is None or WRITE_SCORES not in caller.permissions:
            return False
        request_id = request_id_of(request.fields)
        try:
            counting = parts.add_score.submit(
                caller,
                points,
                idempotency_key=head.key,
                request_id=request_id,
                fingerprint=parts.fingerprint(request.fields, request.client),
            )
        except AppError:
            return False
        parts.seats.take()
        counting.add_done_callback(
            partial(self._answer, connection, started, request_id, head.sent_key)
        )
        return True

    def _answer(
        self,
        connection: Connection,
        started: float,
        request_id: str,
        sent_key: bytes,
        counting: asyncio.Future[Answer],
    ) -> None:
        quota = self._parts.quota
        self._parts.seats.leave()
        try:
            fields, body = accepted(counted(counting), quota, sent_key=sent_key)
            status = 200
        except AppError as error:
            response = refused(error, quota, request_id=request_id, sent_key=sent_key)
            status, fields, body = response.status_code, response.raw_headers, bytes(response.body)
        connection.answer(status, [*fields, *own_fields(request_id), NO_STORE], body)
        seconds = perf_counter() - started
        if status == 200:
            _ACCEPTED.inc()
            _SECONDS.observe(seconds)
        else:
            record_request("gateway", "POST", PATH, status, seconds)


def plain_head(fields: Fields) -> Head | None:
    """A bearer token, JSON and a key, no grant, and no name twice; None: look closer."""
    found = dict(fields)
    if len(found) != len(fields):
        return None
    authorization, key = found.get(b"authorization", b""), found.get(_KEY, b"")
    ordinary = authorization.startswith(_BEARER) and found.get(b"content-type") == _JSON
    if not (ordinary and key) or _GRANT in found:
        return None
    try:
        token = authorization.removeprefix(_BEARER).decode("ascii")
        return Head(token, parse_idempotency_key([key.decode("ascii")]), key)
    except (UnicodeDecodeError, InvalidRequest):
        return None
