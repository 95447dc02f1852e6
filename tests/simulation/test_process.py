"""Who is dead does nothing, and what it had sent arrives all the same."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.simulation.process import Process, Service
from tests.simulation.wires import Server, Weather
from tests.simulation.world import World


class Bench:
    """A world with one service, which writes into a list and says good-bye when it ends."""

    def __init__(self) -> None:
        self.world = World(1)
        self.written: list[str] = []
        self.server = Server("list")
        self.service = Service(self.world, "writer", self._build)

    @property
    def here(self) -> Process:
        assert self.service.process is not None
        return self.service.process

    async def write(self, text: str) -> None:
        await self.world.wires.ask(
            self.server, lambda: self.written.append(text), error=ConnectionError, patience=1
        )

    def run(self, seconds: float, weather: Weather | None = None) -> list[str]:
        self.world.wires.weather = weather or Weather()

        async def live() -> None:
            self.service.start()
            await asyncio.sleep(seconds)

        self.world.loop.run(live())
        self.service.kill("the test ends")
        self.world.loop.end()
        return self.written

    @asynccontextmanager
    async def _build(self, _process: Process) -> AsyncGenerator[None]:
        try:
            await self.write(f"hello {self.service.starts}")
            await asyncio.sleep(1)
            await self.write("still here")
            yield
        finally:
            await self.write("good-bye")


def test_who_was_killed_cannot_say_good_bye_and_comes_back() -> None:
    bench = Bench()
    bench.world.loop.call_later(0.5, bench.service.kill, "here")
    assert bench.run(30) == ["hello 1", "hello 2", "still here"]


def test_what_was_under_way_arrives_after_the_death_of_its_sender() -> None:
    bench = Bench()
    bench.world.loop.call_later(0.05, bench.service.kill, "here")
    assert bench.run(0.15, Weather(delay_seconds=0.1)) == ["hello 1"]


def test_who_is_stopped_goes_on_unaware() -> None:
    bench = Bench()
    bench.world.loop.call_later(0.5, lambda: bench.here.pause(20))
    bench.world.loop.call_later(19, lambda: bench.written.append("nothing yet"))
    assert bench.run(30) == ["hello 1", "nothing yet", "still here"]


def test_a_lost_answer_is_an_error_to_who_asked_and_done_all_the_same() -> None:
    bench = Bench()
    bench.world.loop.unhandled.clear()
    assert bench.run(0.15, Weather(answer_lost=1)) == ["hello 1"]
