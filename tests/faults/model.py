"""`tests.model` as a campaign: sequences of steps, against a model that is a dictionary."""

from random import getrandbits

from rich.console import Console

from tests.faults.report import Row
from tests.model.campaign import Run, prove
from tests.model.memory import MemoryStage

ABOUT = "sequences of increments, corrections, lost messages and rebuilds, against a dictionary"
COUNT = 20_000


def run(count: int, console: Console) -> list[Row]:
    """On a ledger and a board in memory."""
    row, _ = prove(Run("in memory", count, seed=getrandbits(31)), MemoryStage(), console)
    return [row]
