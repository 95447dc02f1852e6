"""
The network: every question may be refused, lost or late, and so may its answer.

A question that is under way arrives even if its sender has died, or has given up: that is how a
commit of unknown outcome, a write of a zombie and an order that comes after its repetition are
made. Whoever asks may die right before the question, or right after its effect.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from tests.simulation.process import Process, Service, here

REFUSAL_SECONDS = 0.001
SPIKE = 50.0

T = TypeVar("T")
Trouble = Callable[[str], Exception]


@dataclass
class Weather:
    """How bad the network is: seconds of delay, and the probability of each fault per question."""

    delay_seconds: float = 0.0005
    spike: float = 0.0
    refused: float = 0.0
    question_lost: float = 0.0
    question_late: float = 0.0
    answer_lost: float = 0.0
    killed_before: float = 0.0
    killed_after: float = 0.0

    def __post_init__(self) -> None:
        """`worst`: the probability that anything goes wrong."""
        self.worst = (
            self.refused
            + self.question_lost
            + self.question_late
            + self.answer_lost
            + self.killed_before
            + self.killed_after
        )


class Server:
    """A machine that answers, unless it is down or `cut` off from who asks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.up = True
        self.cut: dict[str, None] = {}

    def hears(self, asker: str) -> bool:
        return self.up and asker not in self.cut


class Wires:
    """Carries questions and answers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dice: Random) -> None:
        self.weather = Weather()
        self._loop = loop
        self._dice = dice

    def delay(self) -> float:
        """How long something is under way, in seconds."""
        weather = self.weather
        delay = weather.delay_seconds * (0.2 + self._dice.random())
        return delay * SPIKE if weather.spike and self._dice.random() < weather.spike else delay

    async def ask(
        self, server: Server, act: Callable[[], T], *, error: Trouble, patience: float
    ) -> T:
        """
        Have `server` do something, all at once, and return what it says or raise what it raises.

        Raises `error` when there is no answer, after `patience` seconds at most; nobody knows then
        whether it was done.
        """
        process = here()
        if process.stands:
            await process.ready()
        answer: asyncio.Future[T] = self._loop.create_future()
        question = _Question(self, process, server, act, answer, error, patience)
        question.send()
        result = await answer
        if process.stands:
            await process.ready()
        return result

    async def request(
        self,
        service: Service,
        handle: Callable[[Any], Coroutine[Any, Any, T]],
        *,
        patience: float,
    ) -> T:
        """Call a service: as `ask`, but it takes its time, and may die of it. Raises `OSError`."""
        asker = here()
        done: asyncio.Future[T] = self._loop.create_future()

        def arrive() -> None:
            process = service.process
            if process is None or not process.alive or service.parts is None:
                raise ConnectionRefusedError(service.name)
            task = process.spawn(handle(service.parts))
            task.add_done_callback(lambda task: self._loop.call_later(self.delay(), finish, task))

        def finish(task: asyncio.Task[T]) -> None:
            failure = ConnectionResetError(service.name) if task.cancelled() else task.exception()
            if done.done():
                return  # who asked has given up
            if failure is not None:
                done.set_exception(failure)
                done.exception()  # seen, if nobody waits for it any more
            else:
                done.set_result(task.result())

        async with asyncio.timeout(patience):
            door = Server(service.name)
            await self.ask(door, arrive, error=ConnectionError, patience=patience)
            result = await done
        await asker.ready()
        if self.weather.answer_lost and self._dice.random() < self.weather.answer_lost:
            raise TimeoutError(service.name)
        return result

    def roll(self) -> float:
        return self._dice.random()


@dataclass(slots=True)
class _Question:
    """One question on its way, with the fate that the dice gave it."""

    wires: Wires
    process: Process
    server: Server
    act: Callable[[], Any]
    answer: asyncio.Future[Any]
    error: Trouble
    patience: float
    answer_lost: bool = False
    killed_after: bool = False

    def send(self) -> None:
        weather, wires = self.wires.weather, self.wires
        delay = wires.delay()
        dice = wires.roll()
        if dice >= weather.worst:
            self._later(delay, self._arrive)
        elif (dice := dice - weather.refused) < 0:
            self._fail(REFUSAL_SECONDS, "refused")
        elif (dice := dice - weather.question_lost) < 0:
            self._fail(self.patience, "lost")
        elif (dice := dice - weather.question_late) < 0:
            self._fail(self.patience, "late")
            self._later(self.patience * (1 + wires.roll()), self._arrive)
        elif (dice := dice - weather.answer_lost) < 0:
            self.answer_lost = True
            self._later(delay, self._arrive)
        elif dice - weather.killed_before < 0:
            self.process.kill(f"before it asked {self.server.name}")
            self._fail(0.0, "refused")
        else:
            self.killed_after = True
            self._later(delay, self._arrive)

    def _arrive(self) -> None:
        if not self.server.hears(self.process.name):
            self._fail(REFUSAL_SECONDS if not self.server.up else self.patience, "unreachable")
            return
        result, failure = None, None
        try:
            result = self.act()
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            failure = error
        if self.killed_after:
            self.process.kill(f"after {self.server.name} did what it asked")
        if self.answer_lost:
            self._fail(self.patience * self.wires.roll(), "unanswered")
        else:
            self._later(self.wires.delay(), self._settle, result, failure)

    def _fail(self, delay: float, why: str) -> None:
        world = self.process.world
        world.note(self.process.name, f"asks {self.server.name}: {why}")
        self._later(delay, self._settle, None, self.error(f"{self.server.name}: {why}"))

    def _settle(self, result: Any, failure: Exception | None) -> None:
        if self.answer.done():
            return
        if failure is not None:
            self.answer.set_exception(failure)
        else:
            self.answer.set_result(result)

    def _later(self, delay: float, call: Callable[..., None], *args: Any) -> None:
        self.wires._loop.call_later(delay, call, *args)
