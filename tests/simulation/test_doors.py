"""What the product could take from the machine comes from the seed while a world lives."""

from collections.abc import Callable
from random import Random
from uuid import UUID, uuid4

import pytest

from libs.common.clock import system_clock
from services.scoreboard.usecases import apply
from tests.simulation.doors import replaced
from tests.simulation.loop import VirtualLoop


def within(act: Callable[[], object], seed: int = 1) -> object:
    loop = VirtualLoop()  # type: ignore[abstract] # what it does not have, it refuses

    async def live() -> object:
        loop.call_later(9, lambda: None)
        return act()

    with replaced(loop, Random(seed), lambda _event, _fields: None, lambda _signal: None):
        return loop.run(live())


def test_random_ids_come_from_the_seed() -> None:
    assert within(uuid4) == within(uuid4)
    assert within(uuid4) != within(uuid4, seed=2)
    assert isinstance(within(uuid4), UUID)
    assert uuid4() != uuid4()


def test_a_clock_that_a_module_holds_shows_virtual_time() -> None:
    assert within(lambda: vars(apply)["perf_counter"]()) == 0
    assert vars(apply)["perf_counter"]() > 0


def test_the_machines_clock_is_refused() -> None:
    with pytest.raises(AssertionError, match="the machine's clock"):
        within(lambda: system_clock.now())
