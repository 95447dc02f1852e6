"""
Streams from the first check to the last: who may open one, how many, and until when.

What every node must agree on (the counts) is asked of the store once, after everything that this
node knows by itself. Without the store streams open all the same, within this node's limits.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from itertools import islice

from libs.common.clock import Clock
from libs.common.contracts.streams import CloseCode
from libs.common.errors import RateLimited, Unavailable
from libs.common.logs import Trouble
from services.notification.domain import Client, Position, Viewer, new_session_id
from services.notification.usecases.ports import (
    Fanout,
    Limits,
    Over,
    Revoked,
    Session,
    SessionStore,
)
from services.notification.usecases.tickets import Tickets

TICK_SECONDS = 1.0
RENEWALS_PER_TTL = 3
RENEW_RETRY_SECONDS = 5.0
BATCH = 200
MAX_CLOSED_WAITING = 10_000
TOO_MANY_RETRY_SECONDS = 30
REGISTER_SECONDS = 1.0
DRAINING_RETRY_SECONDS = 1  # another node takes the stream at once

Register = Callable[[Session], Awaitable[Over]]
"""Records one session, batched with others that come at the same time."""


class Streams:
    """The open streams of this node."""

    def __init__(
        self,
        fanout: Fanout,
        tickets: Tickets,
        sessions: SessionStore,
        register: Register,
        revoked: Revoked,
        clock: Clock,
        *,
        limits: Limits,
        node: str,
        ttl_seconds: float,
    ) -> None:
        self._fanout = fanout
        self._tickets = tickets
        self._store = sessions
        self._register = register
        self._revoked = revoked
        self._clock = clock
        self._limits = limits
        self._node = node
        self._renew_seconds = ttl_seconds / RENEWALS_PER_TTL
        self._renew_at = clock.monotonic() + self._renew_seconds
        self._draining = False
        self._open: dict[Client, Session] = {}
        self._viewers: dict[Client, Viewer] = {}
        self._sessions: set[Session] = set()
        self._per_user: Counter[str] = Counter()
        self._per_address: Counter[str] = Counter()
        self._closed: list[Session] = []
        self._trouble = Trouble("sessions_not_told")

    @property
    def count(self) -> int:
        """How many streams are open here, or about to be."""
        return len(self._sessions)

    @property
    def draining(self) -> bool:
        """Whether this node takes no new streams."""
        return self._draining

    def drain(self) -> None:
        """Take no new streams from now on."""
        self._draining = True

    async def admit(self, *, address: str, transport: str, ticket: str) -> Session:
        """
        Let a stream in; end it with `closed`, or with `abandon` if it never began.

        Raises `RateLimited`, `Unavailable` when draining, and what `Tickets.redeem` raises.
        """
        if self._draining:
            raise Unavailable(
                "this node takes no new streams; try again, and another one will",
                retry_after_seconds=DRAINING_RETRY_SECONDS,
            )
        if self._per_address[address] >= self._limits.per_address:
            raise _too_many("address")
        viewer = await self._tickets.redeem(ticket) if ticket else None
        since = self._clock.now()
        session = Session(new_session_id(since), self._node, address, transport, since, viewer)
        self._reserve(session)
        try:
            async with asyncio.timeout(REGISTER_SECONDS):
                over = await self._register(session)
        except (Unavailable, TimeoutError):
            over = ""  # counting over all nodes is a courtesy; being up is the duty
            self._renew_soon()
        except BaseException:
            self.abandon(session)
            raise
        if over:
            self._release(session)
            raise _too_many(over)
        return session

    def begin(self, session: Session, client: Client, since: Position) -> None:
        """Serve a client from now on."""
        self._open[client] = session
        self._fanout.join(client, since)
        if session.viewer is not None:
            self._viewers[client] = session.viewer
            self._enforce(client, session.viewer)  # it may have been revoked since it was let in

    def drained(self, client: Client) -> None:
        self._fanout.drained(client)

    def closed(self, client: Client) -> None:
        """A stream is gone."""
        self._fanout.leave(client)
        self._viewers.pop(client, None)
        session = self._open.pop(client, None)
        if session is not None:
            self.abandon(session)

    def abandon(self, session: Session) -> None:
        """Give a session up, on this node now and in the store shortly."""
        self._release(session)
        if len(self._closed) < MAX_CLOSED_WAITING:  # the others expire in the store by themselves
            self._closed.append(session)

    def viewers(self) -> list[tuple[Client, Viewer]]:
        """The private streams."""
        return list(self._viewers.items())

    def close(self, session_ids: Collection[str]) -> None:
        """Close streams by the ids of their sessions; ids that are not known here are none."""
        for client, session in list(self._open.items()) if session_ids else ():
            if session.id in session_ids:
                client.close(CloseCode.CLOSED_BY_OPERATOR, "closed by an operator")

    def enforce(self) -> None:
        """Close the streams whose sign-in has ended or was revoked."""
        for client, viewer in self.viewers():
            self._enforce(client, viewer)

    async def watch(self) -> None:
        """Enforce, and keep the store up to date, for ever."""
        while True:
            await asyncio.sleep(min(TICK_SECONDS, self._renew_seconds))
            await self.tick()

    async def tick(self) -> None:
        """Enforce, and tell the store what is due."""
        self.enforce()
        await self.flush()
        if self._clock.monotonic() >= self._renew_at:
            await self._renew()

    async def flush(self) -> None:
        """Tell the store which sessions are over; what it does not hear expires there."""
        closed, self._closed = self._closed, []
        await self._tell(closed, self._store.close)

    async def _renew(self) -> None:
        # Same task as flush: a session cannot be renewed after it was closed.
        self._renew_at = self._clock.monotonic() + self._renew_seconds
        await self._tell(self._sessions, self._store.keep)

    async def _tell(
        self, sessions: Iterable[Session], tell: Callable[[list[Session]], Awaitable[None]]
    ) -> None:
        remaining = iter(list(sessions))
        try:
            while batch := list(islice(remaining, BATCH)):
                await tell(batch)
                self._trouble.over()
        except Unavailable as error:
            self._trouble.met(error)
            self._renew_soon()

    def _renew_soon(self) -> None:
        """The store did not hear something, and may have forgotten more."""
        soon = self._clock.monotonic() + RENEW_RETRY_SECONDS
        self._renew_at = min(self._renew_at, soon)

    def _reserve(self, session: Session) -> None:
        """Count a session here; nothing awaits between the check and the change."""
        if session.user_id and self._per_user[session.user_id] >= self._limits.per_user:
            raise _too_many("user")
        if self._per_address[session.address] >= self._limits.per_address:
            raise _too_many("address")
        self._sessions.add(session)
        self._per_user[session.user_id] += 1
        self._per_address[session.address] += 1

    def _release(self, session: Session) -> None:
        self._sessions.discard(session)
        for counter, key in (
            (self._per_user, session.user_id),
            (self._per_address, session.address),
        ):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]

    def _enforce(self, client: Client, viewer: Viewer) -> None:
        if self._revoked.covers(user_id=viewer.user_id, jti=viewer.jti, issued_at=viewer.issued_at):
            client.close(CloseCode.REVOKED, "the sign-in was revoked")
        elif viewer.expires_at <= self._clock.now():
            client.close(CloseCode.SESSION_EXPIRED, "the sign-in has ended")


def _too_many(over: str) -> RateLimited:
    return RateLimited(
        f"too many streams are open for this {over}", retry_after_seconds=TOO_MANY_RETRY_SECONDS
    )
