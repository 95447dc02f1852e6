"""Six families of bots."""

import random
from collections.abc import Iterator, Sequence
from functools import partial

from bench.bots.actors import HOUR, MINUTE, Make, Step, pace, play, sittings, step
from bench.bots.clients import any_network, client
from bench.bots.people import casual, competitive

END = 26 * HOUR
MOST_STEPS = 8000
REPLAYS = 20
TRACE = 3 * HOUR

Accounts = Iterator[Sequence[Step]]


def fixed_interval(rng: random.Random, count: int) -> Accounts:
    """A loop with a sleep; only the network makes it uneven."""
    for _ in range(count):
        own = client(rng, rng.choice(("script", "android")))
        gap, jitter = 10 ** rng.uniform(-0.7, 1.5), rng.uniform(0.002, 0.015)
        start = rng.uniform(0, 5) * HOUR
        number = min(MOST_STEPS, int(3 * HOUR / gap))
        yield [step(rng, start + n * gap + abs(rng.gauss(0, jitter)), own) for n in range(number)]


def jittered(rng: random.Random, count: int) -> Accounts:
    """A random sleep, evenly within bounds; a half of them stop for the night."""
    for n in range(count):
        own, mean, part = client(rng), rng.uniform(15, 40), rng.uniform(0.2, 0.6)
        seconds = END if n % 2 else rng.uniform(9, 16) * HOUR
        gaps = (mean * (1 - part), mean * (1 + part))
        start = rng.uniform(0, 1) * HOUR
        sending = play(start, seconds - start, partial(rng.uniform, *gaps))
        yield [step(rng, at, own) for at in sending]


def replay(rng: random.Random, count: int) -> Accounts:
    """Twenty accounts on networks of their own send what one person once did."""
    for first in range(0, count, REPLAYS):
        (whole,) = competitive(rng, 1)
        begun = min(at for at, _, _ in whole)
        trace = [one for one in whole if one[0] < begun + TRACE]
        for _ in range(min(REPLAYS, count - first)):
            own, jitter = client(rng), rng.uniform(0.002, 0.010)
            start = rng.uniform(0, 5) * HOUR - begun
            yield [
                step(rng, start + at + abs(rng.gauss(0, jitter)), own, points=points)
                for at, points, _ in trace
            ]


def many_addresses(rng: random.Random, count: int) -> Accounts:
    """One account through a pool of proxies, another one every few requests."""
    for _ in range(count):
        own, gap, patience = client(rng), pace(rng, 10, 0.7), rng.uniform(1, 12)
        steps: list[Step] = []
        for at in play(rng.uniform(0, 5) * HOUR, rng.uniform(1, 4) * HOUR, gap):
            if rng.random() < 1 / patience:
                own = own.moved(any_network(rng))
            steps.append(step(rng, at, own))
        yield steps


def one_fingerprint(rng: random.Random, count: int) -> Accounts:
    """Many accounts from one machine, each at its own human-like pace, eleven hours on end."""
    shared = client(rng, "script")
    for _ in range(count):
        gap = pace(rng, 35, 0.5)
        start = rng.uniform(0, 40) * MINUTE
        yield [step(rng, at, shared) for at in play(start, rng.uniform(10, 13) * HOUR, gap)]


def perfect_farm(rng: random.Random, count: int) -> Accounts:
    """Real browsers on home networks, a person's pace, breaks and sleep: people, but for intent."""
    half = count // 2
    yield from casual(rng, half)
    for _ in range(count - half):
        yield sittings(
            rng, client(rng), pace(rng, 9, 0.6), times=(2, 3), minutes=(40, 90), between=(0, 22)
        )


FAMILIES: dict[str, Make] = {
    "fixed interval": fixed_interval,
    "jittered": jittered,
    "replayed trace": replay,
    "many addresses": many_addresses,
    "one fingerprint": one_fingerprint,
    "header-perfect farm": perfect_farm,
}
