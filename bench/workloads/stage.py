"""
Where watchers are measured: a contender on one core, and on the other who posts and who watches.

Everything that is posted is remembered, since a run counts only if it was kept.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench import generator, machine
from bench.contender import Contender, DoesNotCount, Sums, Target
from bench.load.posted import Posted
from bench.load.screen import Shown
from bench.workloads.sums import EMPTY, settled

NOTIFICATION = "notification"
LEADERS = 10  # all that a board has room for
# A connection that is not used for 5 s is closed by the server.
FEWEST_CONNECTIONS, MOST_CONNECTIONS = 4, 64
SLOW_ANSWER_SECONDS = 0.1
LIT_SECONDS = 1.0
LIT_PER_SECOND = 40.0


@dataclass(frozen=True)
class Stage:
    """A running contender, with `ours` as the generator's cores and `theirs` as its own."""

    contender: Contender
    target: Target
    ours: list[int]
    theirs: list[int]
    tokens: dict[str, str]
    sent: list[Posted] = field(default_factory=list)

    @property
    def notification(self) -> int:
        """The id of the process that holds the streams. Raises `DoesNotCount`."""
        if NOTIFICATION not in self.target.pids:
            raise DoesNotCount(f"which process of {self.contender.name} holds the streams?")
        return self.target.pids[NOTIFICATION]

    def stream(self, *, events: bool = False) -> str:
        """The URL of WebSockets, or of server-sent events. Raises `DoesNotCount`."""
        url = self.target.events_url if events else self.target.websocket_url
        if not url:
            kind = "server-sent events" if events else "WebSockets"
            raise DoesNotCount(f"{self.contender.name} has no {kind}")
        return url

    async def post(self, *, rate: float, seconds: float) -> Posted:
        """Increments of the leaders: each changes the board."""
        leaders = dict(list(self.tokens.items())[:LEADERS])
        posted = await generator.post(
            self.target.post_url,
            leaders,
            connections=_connections(rate),
            rate=rate,
            seconds=seconds,
            on=self.ours,
        )
        self.sent.append(posted)
        return posted

    @asynccontextmanager
    async def posting(self, *, rate: float, seconds: float) -> AsyncGenerator[None, None]:
        """As `post`, beside the block and again until it ends; the last is waited for."""
        over = asyncio.Event()

        async def post() -> None:
            while not over.is_set():
                await self.post(rate=rate, seconds=seconds)

        work = asyncio.ensure_future(post())
        try:
            yield
            over.set()
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def screen(
        self, *, rate: float, seconds: float, probes: int, leaders: int = 1, beside: float = 0.0
    ) -> Shown:
        """
        Time the updates of some leaders on so many probes, with others' updates beside.

        Raises `DoesNotCount` if a probe has not seen everything.
        """
        shown = await generator.screen(
            self.target.post_url,
            self.stream(),
            self.tokens,
            rate=rate,
            seconds=seconds,
            leaders=leaders,
            beside=beside,
            watchers=probes,
            connections=_connections(rate + beside),
            on=self.ours,
        )
        self.sent.extend(shown.runs)
        if shown.unseen:
            raise DoesNotCount(f"{shown.unseen} of the updates were not seen on a screen")
        return shown


@asynccontextmanager
async def staged(contender: Contender, *, users: int = LEADERS) -> AsyncGenerator[Stage, None]:
    """Started, pinned, with a full board; ended when it has kept all. Raises `DoesNotCount`."""
    ours, theirs = machine.split(machine.cores())
    with contender.running() as target:
        machine.pin(target.pids.values(), theirs)
        tokens = await contender.tokens(target, [user_id(number) for number in range(users)])
        begun: Sums = await contender.sums(target) or EMPTY
        stage = Stage(contender, target, ours, theirs, tokens)
        await stage.post(rate=LIT_PER_SECOND, seconds=LIT_SECONDS)
        await settled(contender, target, stage.sent, since=begun)
        yield stage
        await settled(contender, target, stage.sent, since=begun)


def _connections(rate: float) -> int:
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, int(rate * SLOW_ANSWER_SECONDS)))


def user_id(number: int) -> str:
    """As long as the product's own, so that frames are as long as its own."""
    return f"bench-{number:028}"
