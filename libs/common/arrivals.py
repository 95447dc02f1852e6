"""What of a request is there already, for those who answer it without the framework (ASGI)."""

from collections.abc import Coroutine
from typing import Any, cast

from starlette.types import Message, Receive


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
