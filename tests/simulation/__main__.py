"""`python -m tests.simulation`: see the package."""

import argparse
import sys

from rich.console import Console

from tests.faults.report import exit_code, show
from tests.simulation import broken, campaign
from tests.simulation.world import World

SEEDS = 1000
MAX_JOBS = 64


def main() -> int:
    """Run what was asked for; 1 if a promise broke, or a property was never hit."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many worlds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, choices=range(1, MAX_JOBS), metavar="N")
    parser.add_argument("--seed", type=int, help="one world only")
    parser.add_argument("--trace", action="store_true", help="with --seed: tell all of it")
    parser.add_argument("--broken", action="store_true", help="wrong builds, until each is caught")
    wanted = parser.parse_args()
    console = Console()
    if wanted.broken:
        rows = broken.run(console)
        show(rows, console)
        return exit_code(rows)
    if wanted.seed is not None:
        life = World(wanted.seed, echo=wanted.trace).live()
        for promise in life.broken:
            console.print(f"seed {life.seed}: {promise}", style="red", markup=False)
        console.print(f"{life.operations} increments, {life.seconds:.1f} s, trace {life.digest}")
        return int(bool(life.broken))
    seeds = range(wanted.first_seed, wanted.first_seed + wanted.seeds)
    done = campaign.run(seeds, jobs=wanted.jobs, console=console)
    campaign.show_sometimes(done, console)
    show([done.row], console)
    return int(done.failed)


if __name__ == "__main__":
    sys.exit(main())
