"""
What `notification` says to browsers: the frames of a stream, one JSON object each.

The same objects travel as WebSocket text frames and as SSE events (`event:` is the type, `id:` is
`epoch:rev`). Of two frames the one with the larger `(epoch, rev)` is newer; drop what is not.
"""

from datetime import datetime
from enum import IntEnum
from typing import Literal

from pydantic import Field

from libs.common.contracts.boards import Reason, TopEntry
from libs.common.contracts.values import GLOBAL_BOARD, Contract, Total, UserId


class CloseCode(IntEnum):
    """Why a WebSocket was closed. 4000-4499: reconnect. 4500-4999: do not."""

    INVALID_TEXT = 1007  # RFC 6455: a text that is not UTF-8
    DRAINING = 4000  # this process ends; come back after the advised time
    STALLED = 4001  # nothing was read for too long
    SESSION_EXPIRED = 4002  # the sign-in ended; come back with a new ticket
    REVOKED = 4500  # the sign-in was revoked
    PROTOCOL_ERROR = 4502  # too much, too often, or nothing that we understand
    CLOSED_BY_OPERATOR = 4503  # an operator closed this stream; no ban: a person may open another


class Snapshot(Contract):
    """The top ten as it is now, whole."""

    type: Literal["snapshot"] = "snapshot"
    board: str = GLOBAL_BOARD
    epoch: int = Field(ge=1, examples=[3])
    rev: int = Field(ge=0, examples=[91])
    top_10: list[TopEntry] = Field(max_length=10)
    moves: dict[str, int] = Field(
        default_factory=dict, description="places gained since the last snapshot, lost if negative"
    )
    reason: Reason = "scores"
    timestamp: datetime
    accepted_at: datetime | None = Field(
        default=None, description="when the newest increment in it was accepted"
    )


class Heartbeat(Contract):
    """
    The stream lives, and this is the newest position; another one means: reconnect.

    Every 5 s, but not within 2.5 s after a snapshot: so nothing for 7.5 s at most.
    """

    type: Literal["heartbeat"] = "heartbeat"
    epoch: int = Field(ge=1, examples=[3])
    rev: int = Field(ge=0, examples=[91])


class Current(Contract):
    """The answer to a `since` that is the newest already, in place of a snapshot."""

    type: Literal["current"] = "current"
    epoch: int = Field(ge=1, examples=[3])
    rev: int = Field(ge=0, examples=[91])


class StandingFrame(Contract):
    """Where the owner of a private stream stands, whenever that changed."""

    type: Literal["standing"] = "standing"
    rank: int = Field(ge=1, examples=[12])
    score: Total
    user_id: UserId


class Reconnect(Contract):
    """This server is about to close; come back to another one, after so long."""

    type: Literal["reconnect"] = "reconnect"
    after_ms: int = Field(ge=0, examples=[1500])


class Ping(Contract):
    """What a client may send on a WebSocket, and all that it may."""

    type: Literal["ping"] = "ping"


class Pong(Contract):
    """The answer to a ping."""

    type: Literal["pong"] = "pong"


ServerFrame = Snapshot | Heartbeat | Current | StandingFrame | Reconnect | Pong
