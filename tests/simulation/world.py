"""
One world: the product, its servers, who uses it, and a storm; from a seed to a verdict.

It lives in three parts. The storm: everybody is busy, and faults happen. The calm: nothing fails
any more, who had no verdict yet gets one. The convergence: within a stated time the board and
every screen show the ledger.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from services.score.domain.rates import Rate
from tests.oracle.history import History
from tests.oracle.screens import Wall
from tests.simulation import doors, services, telltales
from tests.simulation.casework import Casework
from tests.simulation.clock import WallClock
from tests.simulation.judge import judge, settled
from tests.simulation.kafka import BEAT_SECONDS, Broker
from tests.simulation.loop import VirtualLoop
from tests.simulation.players import Moderator, Player
from tests.simulation.process import Process, Service, adopt, here
from tests.simulation.storm import Storm
from tests.simulation.trace import Trace
from tests.simulation.watch import Watch
from tests.simulation.watchers import SimScreen
from tests.simulation.wires import Server, Wires

USERS = 15
PLAYERS = 5
INCREMENTS = 30
SCREENS = 3
CASES = 3
REPLICAS = 2
REMEMBER_SECONDS = 1.0
RESTART_SECONDS = (0.2, 1.0, 3.0, 18.0)
VERDICT_SECONDS = 60.0
# A late start (18 s), a dead member's session (15 s), three audits (5 s), and what they take.
CONVERGE_SECONDS = 60.0
LOOK_SECONDS = 0.25
RATES = (Rate(5, 5), Rate(5, 5), Rate(1, 2))


@dataclass(frozen=True)
class Life:
    """What became of a world."""

    seed: int
    operations: int
    seconds: float
    converged_seconds: float
    broken: tuple[str, ...]
    hit: frozenset[str]
    digest: str
    tail: tuple[str, ...]


class World:
    """Everything there is; its parts find each other here."""

    def __init__(
        self,
        seed: int,
        build: services.Build = services.Build(),  # noqa: B008 - frozen
        *,
        echo: bool = False,
    ) -> None:
        dice = Random(seed)
        self.seed = seed
        self.build = build
        self.dice = Random(dice.random())
        self.loop = VirtualLoop()  # type: ignore[abstract] # what it does not have, it refuses
        self.loop.on_task = adopt
        self.trace = Trace(echo=echo)
        self.watch = Watch(self.note)
        self.wires = Wires(self.loop, Random(dice.random()))

        self.redis_clock = WallClock(self.loop)
        ledger_clock = WallClock(self.loop)
        self.ledger = build.ledger(ledger_clock, self.watch)
        self.casework = Casework(self.ledger)
        self.board = build.board(self.redis_clock, self.watch)
        self.broker = Broker(self.loop, Random(dice.random()), self.watch)
        self.rates = Server("rates")
        self.tats: dict[str, int] = {}
        self.rate = dice.choice(RATES)

        self.scores = self._services("score", services.score)
        self.boards = self._services("scoreboard", services.scoreboard)
        self.nodes = self._services("notification", services.notification)
        self.services = self.scores + self.boards + self.nodes
        self.servers: list[Server] = [self.ledger, self.board, self.broker]
        self.clocks = [ledger_clock, self.redis_clock, *(s.clock for s in self.services)]

        self.history = History()
        self.wall = Wall()
        self.screens = [
            SimScreen(self, n, self.wall, Random(dice.random())) for n in range(SCREENS)
        ]
        self.storm = Storm(self, Random(dice.random()))
        self._people = Process(self, "people", WallClock(self.loop))
        self._people.mortal = False
        self._random_bytes = Random(dice.random())

    def live(self) -> Life:
        """From the beginning to the verdict."""
        with doors.replaced(self.loop, self._random_bytes, self._logged, self._ended):
            before = telltales.counted()
            try:
                converged = self.loop.run(self._live())
                for what, count in telltales.counted().items():
                    if count > before[what]:
                        self.sometimes(what)
                for context in self.loop.unhandled:
                    self.watch.always(False, "no error is left unhandled", str(context))
            finally:
                for service in self.services:
                    service.kill("the world ends")
                self.loop.end()
        return Life(
            self.seed,
            len(self.history.requests),
            self.loop.time(),
            converged,
            tuple(self.watch.broken),
            frozenset(self.watch.hit),
            self.trace.digest,
            tuple(self.trace.tail),
        )

    def note(self, who: str, what: str) -> None:
        self.trace.note(self.loop.time(), who, what)

    def sometimes(self, what: str) -> None:
        self.watch.sometimes(what)

    def restart_delay(self) -> float:
        """How long a supervisor takes, this time."""
        return self.dice.choice(RESTART_SECONDS)

    def truth(self) -> list[tuple[str, int]]:
        """The board as the ledger has it."""
        shown = [row for row in self.ledger.rows.values() if not row.held]
        shown.sort(key=lambda row: (-row.score, row.reached_us, row.user_id))
        return [(row.user_id, row.score) for row in shown]

    def at_limit(self, user: str) -> bool:
        """Whether the shared limiter has nothing left for a user."""
        window_us = self.rate.burst * self.rate.interval_us
        spent = self.tats.get(f"{{rate}}:{user}", 0) - self.redis_clock.seconds() * 1_000_000
        return spent > window_us - self.rate.interval_us

    async def _live(self) -> float:
        for service in self.services:
            service.start()
        users = [f"user-{n:02}" for n in range(USERS)]
        busy = [
            self._people.spawn(Player(self, n, users, Random(self.dice.random())).play(INCREMENTS))
            for n in range(PLAYERS)
        ]
        busy.append(self._people.spawn(Moderator(self, Random(self.dice.random())).work(CASES)))
        endless = [self._people.spawn(screen.watch()) for screen in self.screens]
        endless.append(self._people.spawn(self._tick()))
        await self.storm.rage()
        self.note("storm", "is over")
        self.storm.calm()
        _, undecided = await asyncio.wait(busy, timeout=VERDICT_SECONDS)
        self.watch.always(not undecided, "everybody gets a verdict when faults have stopped")
        converged = await self._converge()
        for task in (*busy, *endless):
            if task.done():
                task.result()
        for promise in judge(self):
            self.watch.always(False, promise)
        return converged

    async def _converge(self) -> float:
        """Wait until everybody shows the truth; how long that took, in seconds."""
        began = self.loop.time()
        while (wrong := settled(self)) and self.loop.time() - began < CONVERGE_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
        self.note("world", wrong or "has converged")
        return self.loop.time() - began

    async def _tick(self) -> None:
        """What servers do by themselves."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.broker.beat()
            self.board.remember()

    def _services(self, name: str, build: Any) -> list[Service]:
        return [Service(self, f"{name}-{n}", build) for n in range(1, REPLICAS + 1)]

    def _logged(self, event: str, fields: Mapping[str, Any]) -> None:
        """The product's log is part of the trace, and tells which of its guards were needed."""
        self.note(here().name, f"logs {event}{telltales.reason(fields)}")
        telltales.read(event, fields, self.watch)

    def _ended(self, _signal: int) -> None:
        here().kill("ended itself")
