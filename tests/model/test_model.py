"""A slice of the long run (`python -m tests.model`): the same sequences every time."""

from tests.model.campaign import Run, play
from tests.model.memory import MemoryStage
from tests.model.real import RealStage

MEMORY = Run("in memory", sequences=150)
REAL = Run("on PostgreSQL and Valkey", sequences=12, steps=20)


def test_no_sequence_of_steps_breaks_a_promise() -> None:
    sightings = play(MEMORY, MemoryStage())
    assert all(sightings.steps.values())


def test_nor_does_one_on_the_real_ledger_and_board(database_url: str, redis_url: str) -> None:
    play(REAL, RealStage(database_url, redis_url))
