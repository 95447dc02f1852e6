"""
One trial: clients and screens at work while something is done to the servers; then the verdict.

    async with trial(Places.of(stack), users=200) as work:
        ...                       # break things
        verdict = await work.verdict(patience_seconds=30)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex

import aiohttp
import asyncpg
from rich.console import Console

from libs.devstack import credentials
from services.score.verify.ledger import verify
from tests.oracle import checks, truth
from tests.oracle.checks import Violation
from tests.oracle.client import Client, tokens
from tests.oracle.history import History
from tests.oracle.screens import Screen, Wall, watching
from tests.stack import RunningStack

POLL_SECONDS = 0.1
# A server that was just restarted may refuse for a moment.
AWAY = (OSError, TimeoutError, aiohttp.ClientError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True)
class Places:
    """Where to ask, by ways that a campaign leaves whole."""

    gateway: str
    auth: str
    scoreboard: str
    notification: str
    postgres: str
    valkey: str
    kafka: str
    operator_secret: str

    @classmethod
    def of(cls, stack: RunningStack) -> "Places":
        urls = {name: url for name, url in stack.urls.items() if name != "score"}
        secret = credentials.load(stack.data_dir)["client_operator"]
        return cls(**urls, operator_secret=secret)


@dataclass(frozen=True)
class Verdict:
    """What came of a trial; `seconds` until all had converged, from the last answer on."""

    history: History
    violations: Sequence[Violation]
    seconds: float
    frames: int

    def __str__(self) -> str:
        acked, (counted, absent) = len(self.history.acked), self.history.resolved
        return (
            f"{acked:,} accepted, {counted + absent:,} at first unsure ({counted:,} had counted), "
            f"{self.frames:,} frames, converged in {self.seconds:.1f} s, "
            f"{len(self.violations)} violations"
        )


class Trial:
    """Clients that send, and screens that watch, from the beginning of the block on."""

    def __init__(
        self,
        places: Places,
        client: Client,
        sending: asyncio.Future[None],
        screens: Sequence[Screen],
        wall: Wall,
    ) -> None:
        self.places = places
        self.client = client
        self.screens = screens
        self._wall = wall
        self._sending = sending

    @property
    def history(self) -> History:
        return self.client.history

    async def stop_sending(self) -> None:
        """Send no more, and wait until each request under way has its verdict."""
        self.client.stopped = True
        await self._sending

    def resume(self) -> None:
        """Go on after a verdict; the next one is on everything since the beginning."""
        self.client.stopped = False
        self._sending = asyncio.ensure_future(self.client.run())

    async def cancel(self) -> None:
        """Send no more, whatever becomes of the requests under way."""
        self._sending.cancel()
        await asyncio.wait({self._sending})

    async def verdict(self, *, patience_seconds: float) -> Verdict:
        """Stop, wait until all agree, at most so long, and ask the oracle."""
        await self.stop_sending()
        seconds = await until_converged(
            self.places, self.screens, patience_seconds=patience_seconds
        )
        await _until(self._audited, patience_seconds)
        violations = await self.violations()
        frames = sum(len(screen.positions) for screen in self.screens)
        return Verdict(self.history, violations, seconds, frames)

    async def violations(self) -> list[Violation]:
        """What the oracle finds wrong now; everything should be at rest."""
        at, requests, wall = self.places, self.history.requests, self._wall
        held = await truth.totals(at.postgres)
        ledger = await truth.entries(at.postgres, {request.user for request in requests})
        rows = await truth.redis_rows(at.valkey, [total.user for total in held.users])
        shown = {user for top in wall.contents.values() for user, _ in top}
        report = await verify(at.postgres, "", Console(quiet=True))
        return [
            *checks.lost(requests, ledger),
            *checks.phantom(requests, ledger),
            *checks.doubled(ledger),
            *checks.disordered(requests),
            *checks.miscounted(requests, ledger),
            *(Violation(v.check, f"{v.user_id} seq {v.seq}: {v.what}") for v in report.first),
            *checks.drifted(held.users, rows),
            *checks.misranked(held.shown, await truth.board(at.gateway), self.screens),
            *checks.misshown(self.screens, wall, await truth.balances(at.postgres, shown)),
            *checks.left_over(
                outbox=held.outbox,
                parked=await truth.parked(at.kafka),
                drift=await truth.drift(at.scoreboard),
            ),
        ]

    async def _audited(self) -> bool:
        """What an audit found while things were broken is said until the next."""
        return await truth.drift(self.places.scoreboard) == 0


@asynccontextmanager
async def trial(
    places: Places,
    *,
    users: int = 200,
    screens: int = 3,
    connections: int = 16,
    rate: float = float("inf"),
    count: int = 10**12,
) -> AsyncIterator[Trial]:
    """
    A trial of users that no other had: at most `count` increments, and `rate` a second.

    With a `count` of 0 nothing is sent but by `client.run`.
    """
    prefix = f"trial-{token_hex(4)}"
    names = [f"{prefix}-{number:05}" for number in range(users)]
    passes = await tokens(places.auth, places.operator_secret, names)
    client = Client(places.gateway, passes, connections=connections, rate=rate)
    wall = Wall()
    async with watching(places.notification, screens, wall) as watchers:
        sending = asyncio.ensure_future(client.run(count))
        work = Trial(places, client, sending, watchers, wall)
        try:
            yield work
        finally:
            await work.cancel()


async def until_converged(
    places: Places, screens: Sequence[Screen], *, patience_seconds: float
) -> float:
    """Seconds until outbox, board and screens agree with the ledger, at most that long."""

    async def converged() -> bool:
        held = await truth.totals(places.postgres)
        top = tuple(held.shown[: checks.TOP_SIZE])
        return (
            held.outbox == 0
            and all(screen.top == top for screen in screens)
            and await truth.board(places.gateway) == held.shown
        )

    return await _until(converged, patience_seconds)


async def _until(holds: Callable[[], Awaitable[bool]], patience_seconds: float) -> float:
    """Seconds until it holds, at most `patience_seconds`."""
    clock = asyncio.get_running_loop().time
    started = clock()
    while (waited := clock() - started) < patience_seconds:
        try:
            if await holds():
                return waited
        except AWAY:
            pass
        await asyncio.sleep(POLL_SECONDS)
    return waited
