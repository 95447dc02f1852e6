"""Whom a kill campaign kills, in how many ways, and in which order."""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from random import Random
from typing import NamedTuple

from libs.devstack import state
from libs.devstack.stack import SERVICES
from tests.faults.arming import Armory
from tests.faults.failpoints import FAILPOINTS
from tests.stack import RunningStack

POLL_SECONDS = 0.02
# To wait for a lease or an audit that brings a process to its failpoint.
FIRE_SECONDS = 60.0
# A process with more failpoints is killed more often.
WAYS_PER_TURN = 6
SERVERS = ("postgres", "valkey", "kafka")

Ways = Mapping[str, Sequence[str]]
"""By process: the names of the ways to kill it; its own is a SIGKILL at a random time."""


class NeverFired(Exception):
    """No process came by a failpoint."""


class Death(NamedTuple):
    """A process that was killed."""

    process: str
    pid: int


class Victims:
    """The processes of a stack that was started with the armory's environment."""

    def __init__(self, stack: RunningStack, armory: Armory) -> None:
        self._stack = stack
        self._armory = armory

    @property
    def ways(self) -> Ways:
        """All that can be done to them."""
        ways = {name: [name] for name in (*SERVICES, *SERVERS)}
        for point in FAILPOINTS.values():
            ways[point.service].append(point.name)
        return ways

    async def kill(self, way: str) -> Sequence[Death]:
        """
        Kill one process; and before it the one whose death brings it to its failpoint, if need be.

        Raises `NeverFired`.
        """
        if way not in FAILPOINTS:
            return [self.kill_now(way)]
        point = FAILPOINTS[way]
        self._armory.arm(way)
        try:
            before = await self.kill(point.cause) if point.cause else []
            async with asyncio.timeout(FIRE_SECONDS):
                while (pid := self._armory.taken(way)) is None:
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise NeverFired(way) from None
        finally:
            self._armory.disarm(way)
        return [*before, Death(point.service, pid)]

    def kill_now(self, process: str) -> Death:
        """SIGKILL, wherever it is."""
        pid = self._found(process).pid
        assert pid is not None, f"{process} is not there"
        os.kill(pid, signal.SIGKILL)
        return Death(process, pid)

    async def all_replaced(self, deaths: Sequence[Death]) -> None:
        """Return when others are ready in all their places."""
        await asyncio.gather(
            *map(self.replaced, {death.process: death for death in deaths}.values())
        )

    async def replaced(self, death: Death) -> None:
        """Return when another process is ready in its place."""
        while True:
            found = self._found(death.process)
            if found.state == "ready" and found.pid not in (None, death.pid):
                return
            await asyncio.sleep(POLL_SECONDS)

    def _found(self, process: str) -> state.ProcessState:
        running = state.running(self._stack.data_dir)
        return next(found for found in running.processes if found.name == process)


def order(ways: Ways, chance: Random) -> Iterator[tuple[str, ...]]:
    """
    For ever: one way, or two processes to be killed at once.

    All processes have their turn before one has its next, and so it is with the ways of each. Whom
    nobody killed for 30 s, the supervisor starts again without a longer pause.
    """
    turns = [name for name, own in ways.items() for _ in range(ceil(len(own) / WAYS_PER_TURN))]
    decks: dict[str, list[str]] = {name: [] for name in ways}
    while True:
        for process in chance.sample(turns, len(turns)):
            deck = decks[process]
            if not deck:
                deck += chance.sample(ways[process], len(ways[process]))
            yield (deck.pop(),)
        yield tuple(chance.sample(list(ways), 2))
