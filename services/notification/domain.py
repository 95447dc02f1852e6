"""
The rules of a stream: what orders its frames, how they are encoded, why it is closed.
"""

import hmac
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from secrets import token_hex
from typing import NamedTuple, Self

from libs.common.contracts import streams
from libs.common.contracts.boards import LeaderboardUpdated
from libs.common.contracts.streams import CloseCode
from libs.common.errors import InvalidRequest

ADDRESS_HASH_CHARACTERS = 32
IPV6_PREFIX_BITS = 64

MAX_SHARE = 0.5
MAX_WINDOW_SECONDS = 1.0
SMOOTHING = 0.2

_POSITION = re.compile(r"^([0-9]{1,18}):([0-9]{1,18})$")


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
        frame = streams.Snapshot(
            board=event.board,
            epoch=event.epoch,
            rev=event.rev,
            top_10=event.top_10,
            moves=event.moves,
            reason=event.reason,
            timestamp=event.timestamp,
            accepted_at=event.accepted_at,
        )
        position = Position(*event.position)
        news = event.reason in ("scores", "correction")
        return cls(
            position,
            encode(frame, position),
            event.accepted_at if news else None,
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """What a frame costs, so that fan-outs leave the process time for all else."""

    seconds_each: float = 0.0
    """CPU seconds for a client, smoothed over fan-outs; 0 before the first."""

    def after(self, clients: int, cpu_seconds: float) -> Self:
        """The pace once a fan-out to so many clients has cost so much."""
        if not clients:
            return self
        each = cpu_seconds / clients
        known = self.seconds_each or each
        return replace(self, seconds_each=known + SMOOTHING * (each - known))

    def window_seconds(self, clients: int) -> float:
        """
        From the beginning of a fan-out to the next: publishing takes half of the process at most.

        But nobody waits for more than 1 s, however many watch.
        """
        return min(clients * self.seconds_each / MAX_SHARE, MAX_WINDOW_SECONDS)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who watches a private stream, and the sign-in that it hangs on."""

    user_id: str
    jti: str
    issued_at: datetime
    expires_at: datetime


def heartbeat(position: Position) -> Frames:
    return encode(streams.Heartbeat(epoch=position.epoch, rev=position.rev), position)


def current(position: Position) -> Frames:
    """Says that what the client has is the newest."""
    return encode(streams.Current(epoch=position.epoch, rev=position.rev), position)


def encode(
    frame: streams.ServerFrame, position: Position | None = None, *, retry_ms: int | None = None
) -> Frames:
    """A frame for the wire; only a position becomes an SSE event's id."""
    text = frame.model_dump_json()
    event = f"event: {frame.type}\n"
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


def new_session_id(since: datetime) -> str:
    """32 hex digits that sort as the sessions began: 48 bits of ms, and 80 random ones."""
    return f"{int(since.timestamp() * 1000):012x}{token_hex(10)}"


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
