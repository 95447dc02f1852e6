"""
The storm: which faults a world has, and how often, drawn from its seed.

Each world has some kinds of faults only (swarm testing: Groce et al., ISSTA 2012): a fault that
always comes together with all the others hides what it does alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, TypeVar

from libs.common.contracts.topics import LEADERBOARD_UPDATED, SCORE_UPDATES
from tests.simulation.process import Service
from tests.simulation.wires import Server, Weather

if TYPE_CHECKING:
    from tests.simulation.world import World

KIND_LIKELY = 0.35
SECONDS = 12.0
EVENTS_PER_KIND = 3
HOUR_SECONDS = 3600.0
POISON = b'{"user_id": 1}'

R = TypeVar("R")


class Storm:
    """The faults of one world; over when `calm` was called."""

    def __init__(self, world: "World", dice: Random) -> None:
        self._world = world
        self._dice = dice
        self._written_but_unacked = 0.0
        self._written_twice = 0.0
        self.kinds = [kind for kind in KINDS if dice.random() < KIND_LIKELY]
        self._blow()

    async def rage(self) -> None:
        """Let the events of the enabled kinds happen, in no order."""
        plan = [
            (self._dice.random() * SECONDS, number, kind)
            for kind in self.kinds
            if kind in EVENTS
            for number in range(self._dice.randint(1, EVENTS_PER_KIND))
        ]
        loop = self._world.loop
        for when, _, kind in sorted(plan):
            await asyncio.sleep(max(0.0, when - loop.time()))
            self._world.note("storm", kind)
            EVENTS[kind](self)
        await asyncio.sleep(max(0.0, SECONDS - loop.time()))

    def calm(self) -> None:
        """Nothing fails any more, and everybody is up."""
        world = self._world
        world.wires.weather = Weather()
        self._written_but_unacked = self._written_twice = 0.0
        for server in world.servers:
            server.up = True
            server.cut.clear()

    def damage(self, records: Sequence[R]) -> Sequence[R]:
        """What of a request to Kafka is written: twice, in part, or as it is."""
        if self._written_twice and self._dice.random() < self._written_twice:
            return [*records, *records]
        if self._written_but_unacked and self._dice.random() < self._written_but_unacked:
            self._world.sometimes("records were written, but not acknowledged")
            return records[: self._dice.randrange(len(records))]
        return records

    def _blow(self) -> None:
        """The weather, for the kinds that are always there."""
        dice = self._dice

        def rate(kind: str, most: float) -> float:
            return most * dice.random() if kind in self.kinds else 0.0

        self._world.wires.weather = Weather(
            delay_seconds=dice.choice((0.0005, 0.002, 0.01)),
            spike=rate("slow network", 0.02),
            refused=rate("refused", 0.02),
            question_lost=rate("questions lost", 0.01),
            question_late=rate("questions late", 0.01),
            answer_lost=rate("answers lost", 0.01),
            killed_before=rate("killed before", 0.002),
            killed_after=rate("killed after", 0.002),
        )
        self._written_but_unacked = rate("unacknowledged", 0.05)
        self._written_twice = rate("written twice", 0.1)

    # --- events

    def kill(self) -> None:
        self._any_service().kill("killed")

    def pause(self) -> None:
        process = self._any_service().process
        if process is not None:
            process.pause(self._dice.choice((1.0, 6.0, 20.0)))

    def server_down(self) -> None:
        server = self._dice.choice(self._world.servers)
        server.up = False
        self._later(self._dice.choice((0.2, 2.0, 6.0)), lambda: _raise(server))

    def both_down(self) -> None:
        for server in (self._world.broker, self._world.board):
            server.up = False
            self._later(3.0, lambda server=server: _raise(server))  # type: ignore[misc]

    def cut(self) -> None:
        server, name = self._dice.choice(self._world.servers), self._any_service().name
        server.cut[name] = None
        self._later(self._dice.choice((1.0, 5.0, 18.0)), lambda: server.cut.pop(name, None))

    def redis_back(self) -> None:
        self._world.board.go_back(self._dice.randint(1, 5))

    def redis_empty(self) -> None:
        self._world.board.forget_all()

    def kafka_empty(self) -> None:
        self._world.broker.wipe()

    def kafka_tail(self) -> None:
        self._world.broker.lose_tail(
            self._dice.choice((SCORE_UPDATES.name, LEADERBOARD_UPDATED.name))
        )

    def offsets_lost(self) -> None:
        self._world.broker.lose_offsets()

    def clock_jumps(self) -> None:
        clock = self._dice.choice(self._world.clocks)
        clock.ahead_seconds += self._dice.choice((-HOUR_SECONDS, -1.0, 1.0, HOUR_SECONDS))

    def slow_screen(self) -> None:
        self._dice.choice(self._world.screens).be_slow(self._dice.choice((0.5, 4.0, 14.0)))

    def cut_screen(self) -> None:
        self._dice.choice(self._world.screens).be_cut()

    def poison(self) -> None:
        self._world.broker.append(SCORE_UPDATES.name, [(b"nobody", POISON, ())])

    def rates_down(self) -> None:
        server = self._world.rates
        server.up = False
        self._later(2.0, lambda: _raise(server))

    def _any_service(self) -> Service:
        return self._dice.choice(self._world.services)

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        self._world.loop.call_later(seconds, act)


EVENTS: dict[str, Callable[[Storm], None]] = {
    "kill": Storm.kill,
    "pause": Storm.pause,
    "server down": Storm.server_down,
    "kafka and redis down": Storm.both_down,
    "partition": Storm.cut,
    "redis goes back in time": Storm.redis_back,
    "redis is emptied": Storm.redis_empty,
    "kafka is emptied": Storm.kafka_empty,
    "kafka loses its newest": Storm.kafka_tail,
    "offsets are lost": Storm.offsets_lost,
    "a clock jumps": Storm.clock_jumps,
    "a screen is slow": Storm.slow_screen,
    "a screen is cut off": Storm.cut_screen,
    "an unreadable record": Storm.poison,
    "no redis for the rate limit": Storm.rates_down,
}

KINDS = (
    *EVENTS,
    "slow network",
    "refused",
    "questions lost",
    "questions late",
    "answers lost",
    "killed before",
    "killed after",
    "unacknowledged",
    "written twice",
)


def _raise(server: Server) -> None:
    server.up = True
