"""What the use cases need of the parts around them, in the words of the domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from libs.common.contracts.sessions import Node, StreamSession, StreamSessionList
from services.notification.domain import Client, Position, Viewer

Over = Literal["", "user", "address"]
"""Whose limit a session would exceed; empty if none."""


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One stream, as every node may know it: who, where, since when, from where (hashed)."""

    id: str
    node: str
    address: str
    transport: str
    since: datetime
    viewer: Viewer | None = None

    @property
    def user_id(self) -> str:
        """Whose stream it is; empty for a public one."""
        return "" if self.viewer is None else self.viewer.user_id


@dataclass(frozen=True, slots=True)
class Orders:
    """What operators want of a node: that it drains, and that it closes sessions."""

    drain: bool = False
    close: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Limits:
    """How many streams one user, and one address, may have over all nodes."""

    per_user: int
    per_address: int


class SessionStore(Protocol):
    """
    The sessions of all nodes; each method raises `Unavailable` when it does not answer.

    A session that is not kept for its time to live is gone: a killed node leaves no ghosts.
    """

    async def open(self, sessions: Sequence[Session]) -> list[Over]:
        """Record those that are within the limits, one after the other, and say which are not."""
        ...

    async def keep(self, sessions: Sequence[Session]) -> None:
        """Renew sessions, also those that the store has forgotten."""
        ...

    async def close(self, sessions: Sequence[Session]) -> None:
        """Forget sessions, and the orders to close them."""
        ...


class SessionIndex(Protocol):
    """The sessions of all nodes, in the order in which they began. Raises `Unavailable`."""

    async def page(self, *, after: str, limit: int) -> StreamSessionList:
        """Up to `limit` sessions after the one with this id; from the first if it is empty."""
        ...

    async def of_user(self, user_id: str) -> list[StreamSession]: ...

    async def find(self, session_id: str) -> StreamSession | None: ...


class NodeStore(Protocol):
    """
    The nodes that are up, and the orders to them. Raises `Unavailable`.

    An order stays until it is carried out: a node that was away for a while misses none.
    """

    async def report(self, node: str, *, sessions: int, draining: bool) -> Orders:
        """A node says that it is up, and hears its orders, also those that it heard before."""
        ...

    async def listed(self) -> list[Node]: ...

    async def order_close(self, sessions: Sequence[StreamSession]) -> None: ...

    async def order_drain(self, node: str) -> None: ...


class TicketStore(Protocol):
    """Tickets, each good once and for a short time. Raises `Unavailable`."""

    async def issue(self, viewer: Viewer) -> tuple[str, int]:
        """A new ticket, and for how many seconds it is good."""
        ...

    async def redeem(self, ticket: str) -> Viewer | None:
        """Who the ticket was for, the first time; None ever after."""
        ...


class Revoked(Protocol):
    """Which sign-ins no longer count."""

    def covers(self, *, user_id: str, jti: str, issued_at: datetime) -> bool: ...


class Fanout(Protocol):
    """Who is served with snapshots."""

    def join(self, client: Client, since: Position) -> None: ...

    def drained(self, client: Client) -> None: ...

    def leave(self, client: Client) -> None: ...


class Ranks(Protocol):
    """Where users stand on the board."""

    async def of(self, user_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """Rank and score of those who are on the board. Raises `Unavailable`."""
        ...
