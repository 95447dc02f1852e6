"""
The express way for the gateway's batches: `POST /internal/increments`, past the framework.

What is ordinary is answered by the same use case and with the same bytes as in `routes.internal`;
what is unusual, or not admitted, goes there, untouched.
"""

from collections.abc import Coroutine
from time import perf_counter
from typing import Any, cast

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.app import own_fields, record_request, request_id_of
from libs.common.contracts.scores import IncrementBatch
from libs.common.errors import AppError
from libs.common.server import answer
from services.score.routes.internal import INCREMENTS, answered
from services.score.routes.parts import Parts


class Express:
    """Answers ordinary batches, and hands on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != INCREMENTS or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        parts: Parts = scope["state"]["parts"]
        message = at_once(receive)
        batch = await self._batch(scope, parts, whole_body(message))
        if batch is None:
            await self._app(scope, again(message, receive), send)
            return
        body = await answered(batch, parts)
        request_id = request_id_of(scope["headers"])
        fields = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
            *own_fields(request_id),
        ]
        await answer(scope, send, 200, fields, body)
        record_request("score", "POST", INCREMENTS, 200, perf_counter() - started)

    async def _batch(self, scope: Scope, parts: Parts, body: bytes | None) -> IncrementBatch | None:
        """What an admitted caller sent, if all of it is there and as it should be."""
        if body is None:
            return None
        proof = dict(scope["headers"]).get(b"authorization", b"")
        try:
            await parts.gateway_door.admit(proof.decode("latin-1"))
            return IncrementBatch.model_validate_json(body)
        except (AppError, ValidationError):
            return None


def at_once(receive: Receive) -> Message | None:
    """
    What has arrived with the head, as nearly every batch has: aiohttp sends both in one write.

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


def whole_body(message: Message | None) -> bytes | None:
    """The body, if the message has all of it."""
    if message is None or message["type"] != "http.request" or message.get("more_body"):
        return None
    body: bytes = message.get("body", b"")
    return body


def again(message: Message | None, receive: Receive) -> Receive:
    """As `receive` was before `message` was taken from it."""
    taken = message

    async def receive_again() -> Message:
        nonlocal taken
        first, taken = taken, None
        return first if first is not None else await receive()

    return receive_again
