"""
The rules of a stream: what orders its frames, how they are encoded, why it is closed.
"""

import hmac
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple

from libs.common.contracts.boards import LeaderboardUpdated
from libs.common.errors import InvalidRequest

ADDRESS_HASH_CHARACTERS = 32
IPV6_PREFIX_BITS = 64

_POSITION = re.compile(r"^([0-9]{1,18}):([0-9]{1,18})$")
_SNAPSHOT_FIELDS = {
    "board", "epoch", "rev", "top_10", "moves", "reason", "timestamp", "accepted_at",
}  # fmt: skip


class CloseCode(IntEnum):
    """Why we close a WebSocket. 4000-4499: reconnect. 4500-4999: do not."""

    INVALID_TEXT = 1007  # RFC 6455: a text that is not UTF-8
    DRAINING = 4000  # this process ends; come back after the advised time
    STALLED = 4001  # nothing was read for too long
    SESSION_EXPIRED = 4002  # the sign-in ended; come back with a new ticket
    REVOKED = 4500  # the sign-in was revoked
    PROTOCOL_ERROR = 4502  # too much, too often, or nothing that we understand


class Position(NamedTuple):
    """What orders snapshots; the larger is the newer."""

    epoch: int
    rev: int

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read `epoch:rev`; empty means: has seen nothing. Raises `InvalidRequest`."""
        if not text:
            return UNSEEN
        match = _POSITION.match(text)
        if match is None:
            raise InvalidRequest("since: must be epoch:rev, as in 3:91")
        return cls(int(match[1]), int(match[2]))


UNSEEN = Position(-1, -1)


class Variant(IntEnum):
    """How a stream wants its frames; the index into `Frames`."""

    WEBSOCKET = 0
    SSE = 1


class Frames(NamedTuple):
    """One message, encoded once for each variant, ready for the wire."""

    websocket: bytes
    sse: bytes


class Client:
    """
    A stream as the rules see it: bytes go in while it is writable.

    `sent` is the newest position it has been given, `unwritable_since` when it was first found
    stalled. Connections implement it, the hub serves it.
    """

    __slots__ = ("sent", "unwritable_since", "variant", "writable", "write")

    variant: Variant
    writable: bool
    sent: Position
    unwritable_since: float | None
    write: Callable[[bytes], object]

    def close(self, code: CloseCode, reason: str) -> None:
        """Say why, and end the stream; safe to repeat."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The top ten at a position; `accepted_at` when it shows something new."""

    position: Position
    frames: Frames
    accepted_at: datetime | None = None

    @classmethod
    def of(cls, event: LeaderboardUpdated) -> "Snapshot":
        body = event.model_dump(mode="json", include=_SNAPSHOT_FIELDS)
        position = Position(*event.position)
        news = event.reason in ("scores", "correction")
        return cls(
            position,
            encode({"type": "snapshot", **body}, position),
            event.accepted_at if news else None,
        )


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who watches a private stream, and the sign-in that it hangs on."""

    user_id: str
    jti: str
    issued_at: datetime
    expires_at: datetime


def heartbeat(position: Position) -> Frames:
    return encode({"type": "heartbeat", "epoch": position.epoch, "rev": position.rev}, position)


def current(position: Position) -> Frames:
    """Says that what the client has is the newest."""
    return encode({"type": "current", "epoch": position.epoch, "rev": position.rev}, position)


def encode(
    message: Mapping[str, Any], position: Position | None = None, *, retry_ms: int | None = None
) -> Frames:
    """A message for the wire; only a position becomes an SSE event's id."""
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    event = f"event: {message['type']}\n"
    if position is not None:
        event += f"id: {position.epoch}:{position.rev}\n"
    if retry_ms is not None:
        event += f"retry: {retry_ms}\n"
    return Frames(text_frame(text.encode()), chunk(f"{event}data: {text}\n\n".encode()))


def text_frame(payload: bytes) -> bytes:
    """An unmasked, unfragmented WebSocket text frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 2**16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def chunk(payload: bytes) -> bytes:
    """One chunk of an HTTP/1.1 body (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def origin_allowed(origin: str | None, own: str, allowed: frozenset[str]) -> bool:
    """
    Whether a page of this origin may open a stream.

    Browsers always send it; who does not is no browser, and has no cookies to abuse.
    """
    return origin is None or origin == own or origin in allowed


def hide_address(host: str, secret: bytes) -> str:
    """A keyed hash of an address, the same on every node; IPv6 counts by network."""
    if ":" in host:
        try:
            address = host.partition("%")[0]
            host = str(ipaddress.IPv6Network((address, IPV6_PREFIX_BITS), strict=False))
        except ValueError:
            pass  # not an address, but still a name for where it came from
    return hmac.digest(secret, b"stream-address:" + host.encode(), "sha256").hex()[
        :ADDRESS_HASH_CHARACTERS
    ]
