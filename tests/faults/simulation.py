"""`tests.simulation` as a campaign: the product's own code in worlds of chance and virtual time."""

from rich.console import Console

from tests.faults.report import Row
from tests.simulation import campaign

ABOUT = "worlds of chance in virtual time: crashes, partitions, lost and doubled messages, clocks"
COUNT = 10_000
JOBS = 2


def run(count: int, console: Console) -> list[Row]:
    """The worlds of the seeds from 1 on."""
    done = campaign.run(range(1, count + 1), jobs=JOBS, console=console)
    campaign.show_sometimes(done, console)
    return [done.row]
