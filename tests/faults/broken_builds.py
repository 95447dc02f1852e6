"""Builds that are wrong on purpose, as a campaign: a proof that cannot fail proves nothing."""

from rich.console import Console

from tests.faults.report import Row
from tests.simulation import broken

ABOUT = "builds that are wrong on purpose: each must be caught"
COUNT = 1


def run(count: int, console: Console) -> list[Row]:
    """All of them, in the worlds from seed `count` on, until each is caught."""
    return broken.run(console, count)
