"""Twins and builders for the tests of notification."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from libs.common.contracts.boards import LeaderboardUpdated, Reason, TopEntry
from libs.common.contracts.sessions import Node, StreamSession, StreamSessionList
from libs.common.contracts.streams import CloseCode
from libs.common.errors import Unavailable
from services.notification.domain import UNSEEN, Client, Snapshot, Variant, Viewer, new_session_id
from services.notification.store.nodes import SILENT_SECONDS
from services.notification.usecases.ports import Limits, Orders, Over, Session

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_event(
    epoch: int = 1,
    rev: int = 1,
    *,
    region: str = "local",
    reason: Reason = "scores",
    score: int = 600,
) -> LeaderboardUpdated:
    return LeaderboardUpdated(
        top_10=[TopEntry(user_id="alice", score=score), TopEntry(user_id="bob", score=5)],
        timestamp=START,
        region=region,
        epoch=epoch,
        rev=rev,
        accepted_at=START,
        moves={"alice": 2},
        reason=reason,
    )


def a_snapshot(epoch: int = 1, rev: int = 1) -> Snapshot:
    return Snapshot.of(an_event(epoch, rev))


def a_viewer(
    user_id: str = "alice", *, jti: str = "", expires_at: datetime | None = None
) -> Viewer:
    return Viewer(
        user_id, jti or uuid4().hex, START, expires_at or datetime(2100, 1, 1, tzinfo=UTC)
    )


def a_session(user_id: str = "", *, address: str = "a1", node: str = "n1") -> Session:
    viewer = a_viewer(user_id) if user_id else None
    return Session(new_session_id(START), node, address, "websocket", START, viewer)


class FakeClient(Client):
    """A client whose buffer a test fills and drains; `taken` is what it was given."""

    def __init__(self, variant: Variant = Variant.WEBSOCKET) -> None:
        self.variant = variant
        self.writable = True
        self.sent = UNSEEN
        self.unwritable_since = None
        self.taken: list[bytes] = []
        self.write = self.taken.append
        self.closed: CloseCode | None = None

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = self.closed or code
        self.writable = False

    def messages(self) -> list[dict[str, Any]]:
        """What was taken, read by a real parser."""
        wire = b"".join(self.taken)
        return read_websocket(wire) if self.variant is Variant.WEBSOCKET else read_sse(wire)


class ManualClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(START.timestamp() + self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


class MemorySessions:
    """The sessions of all nodes, in one process."""

    def __init__(self, limits: Limits, clock: ManualClock, *, ttl_seconds: float) -> None:
        self._limits = limits
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._sessions: dict[str, tuple[Session, float]] = {}
        self.closing: dict[str, set[str]] = defaultdict(set)
        self.down = False

    async def open(self, sessions: Sequence[Session]) -> list[Over]:
        self._check()
        return [self._open(session) for session in sessions]

    async def keep(self, sessions: Sequence[Session]) -> None:
        self._check()
        for session in sessions:
            self._record(session)

    async def close(self, sessions: Sequence[Session]) -> None:
        self._check()
        for session in sessions:
            self._sessions.pop(session.id, None)
            self.closing[session.node].discard(session.id)

    async def page(self, *, after: str, limit: int) -> StreamSessionList:
        self._check()
        beyond = [s for s in self._listed() if s.session_id > after]
        return StreamSessionList(
            total=await self.count(),
            sessions=beyond[:limit],
            next=beyond[limit - 1].session_id if len(beyond) > limit else "",
        )

    async def of_user(self, user_id: str) -> list[StreamSession]:
        self._check()
        return [s for s in self._listed() if s.user_id == user_id]

    async def find(self, session_id: str) -> StreamSession | None:
        self._check()
        return next((s for s in self._listed() if s.session_id == session_id), None)

    async def count(self) -> int:
        return len(self._alive())

    def _listed(self) -> list[StreamSession]:
        alive = sorted(self._alive(), key=lambda session: session.id)
        return [
            StreamSession(
                session_id=s.id,
                user_id=s.user_id or None,
                node=s.node,
                since=s.since,
                transport="sse" if s.transport == "sse" else "websocket",
                address=s.address,
            )
            for s in alive
        ]

    def _open(self, session: Session) -> Over:
        alive = [other for other in self._alive() if other.id != session.id]
        same_user = sum(bool(s.user_id) and s.user_id == session.user_id for s in alive)
        if same_user >= self._limits.per_user:
            return "user"
        if sum(s.address == session.address for s in alive) >= self._limits.per_address:
            return "address"
        self._record(session)
        return ""

    def _record(self, session: Session) -> None:
        self._sessions[session.id] = (session, self._clock.monotonic() + self._ttl_seconds)

    def _alive(self) -> list[Session]:
        now = self._clock.monotonic()
        return [session for session, ends in self._sessions.values() if ends > now]

    def _check(self) -> None:
        if self.down:
            raise Unavailable("down, as the test says")


class MemoryNodes:
    """The nodes that are up, in one process."""

    def __init__(self, sessions: MemorySessions, clock: ManualClock) -> None:
        self._closing = sessions.closing
        self._clock = clock
        self._nodes: dict[str, Node] = {}
        self._draining: set[str] = set()
        self.down = False

    async def report(self, node: str, *, sessions: int, draining: bool) -> Orders:
        self._check()
        if draining:
            self._draining.add(node)
        self._nodes[node] = Node(
            node=node, sessions=sessions, draining=draining, seen_at=self._clock.now()
        )
        return Orders(node in self._draining, frozenset(self._closing[node]))

    async def listed(self) -> list[Node]:
        self._check()
        now = self._clock.now()
        return [
            node.model_copy(update={"draining": name in self._draining})
            for name, node in sorted(self._nodes.items())
            if (now - node.seen_at).total_seconds() <= SILENT_SECONDS
        ]

    async def order_close(self, sessions: Sequence[StreamSession]) -> None:
        self._check()
        for session in sessions:
            self._closing[session.node].add(session.session_id)

    async def order_drain(self, node: str) -> None:
        self._check()
        self._draining.add(node)

    def _check(self) -> None:
        if self.down:
            raise Unavailable("down, as the test says")


class MemoryTickets:
    """Tickets in one process."""

    def __init__(self) -> None:
        self._viewers: dict[str, Viewer] = {}

    async def issue(self, viewer: Viewer) -> tuple[str, int]:
        ticket = uuid4().hex[:22]
        self._viewers[ticket] = viewer
        return ticket, 30

    async def redeem(self, ticket: str) -> Viewer | None:
        return self._viewers.pop(ticket, None)


def read_websocket(wire: bytes) -> list[dict[str, Any]]:
    """What a WebSocket client makes of these bytes."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)
    client.receive_data(wire)
    assert client.parser_exc is None
    frames = client.events_received()
    return [json.loads(bytes(frame.data)) for frame in frames if isinstance(frame, Frame)]


def read_sse(wire: bytes) -> list[dict[str, Any]]:
    """The data of the events in a chunked body; checks that type and id agree with it."""
    found = []
    for event in unchunk(wire).decode().split("\n\n"):
        if not event or event.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in event.split("\n"))
        message = json.loads(fields["data"])
        assert fields["event"] == message["type"]
        if "epoch" in message:
            assert fields["id"] == f"{message['epoch']}:{message['rev']}"
        found.append(message)
    return found


def unchunk(wire: bytes) -> bytes:
    """The body in complete chunks (RFC 9112 §7.1)."""
    body = b""
    while wire:
        size, _, rest = wire.partition(b"\r\n")
        length = int(size, 16)
        if len(rest) < length + 2:
            break
        assert rest[length : length + 2] == b"\r\n"
        body, wire = body + rest[:length], rest[length + 2 :]
    return body
