"""Who sends increments, and when: the parts of which populations and families are made."""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.bots.clients import Client

MINUTE, HOUR = 60.0, 3600.0

Step = tuple[float, int, str]
"""Seconds since the start, points, fingerprint."""


@dataclass(frozen=True)
class Actor:
    """One account and everything that it sends, in order."""

    kind: str
    name: str
    steps: Sequence[Step]


Make = Callable[[random.Random, int], Iterable[Sequence[Step]]]
"""The steps of so many accounts of one kind."""


def actors(kind: str, make: Make, *, count: int, seed: int) -> list[Actor]:
    rng = random.Random(f"{kind} {seed}")
    found = [
        Actor(kind, f"{kind.replace(' ', '-')}-{n}", sorted(steps))
        for n, steps in enumerate(make(rng, count))
    ]
    assert len(found) == count, kind
    return found


def pace(rng: random.Random, median: float, spread: float) -> Callable[[], float]:
    """Times between two actions of a person: lognormal, with a person's own median."""
    own = math.log(median) + rng.gauss(0, 0.25)
    return lambda: max(0.25, rng.lognormvariate(own, spread))


def play(start: float, seconds: float, gap: Callable[[], float]) -> Iterator[float]:
    """When the actions of one sitting are."""
    at = start + gap()
    while at < start + seconds:
        yield at
        at += gap()


def step(rng: random.Random, at: float, client: Client, *, points: int = 0) -> Step:
    return at, points or rng.choice((5, 10, 10, 10, 20, 25, 50)), client.fingerprint


def sittings(
    rng: random.Random,
    client: Client,
    gap: Callable[[], float],
    *,
    times: tuple[int, int],
    minutes: tuple[float, float],
    between: tuple[float, float] = (0, 5),
) -> list[Step]:
    """Some sittings, within the given hours of the trial."""
    found = list[Step]()
    for _ in range(rng.randint(*times)):
        start = rng.uniform(*between) * HOUR
        sitting = play(start, rng.uniform(*minutes) * MINUTE, gap)
        found += [step(rng, at, client) for at in sitting]
    return found
