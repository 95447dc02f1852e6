"""Finding figures among a campaign's runs."""

from collections.abc import Iterable
from statistics import median

from bench.campaign import Run


def figure(runs: Iterable[Run], workload: str, contender: str, name: str) -> float | None:
    """The median over the turns; None if nothing was measured."""
    of_these = (r for r in runs if (r.workload, r.contender) == (workload, contender))
    seen = [value for run in of_these if (value := run.figures.get(name)) is not None]
    return median(seen) if seen else None


def workloads(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each workload, in the order in which they were first measured."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.workload, []).append(run)
    return found


def contenders(runs: Iterable[Run]) -> list[str]:
    """Whose they are, each once, in order."""
    return list(dict.fromkeys(run.contender for run in runs))
