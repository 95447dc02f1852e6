"""
Ten populations of honest players, the awkward ones above all.

The trial begins at 18:00 and lasts 26 hours. Where a number matters (how regular a person can be,
how many share an address), it is chosen to be hard for the detector rather than typical.
"""

import random
from collections.abc import Iterator, Sequence

from bench.bots.actors import HOUR, MINUTE, Make, Step, pace, play, sittings, step
from bench.bots.clients import any_network, client

SCHOOL_STARTS, SCHOOL_PERIOD = 14 * HOUR, 55 * MINUTE
TEAM = 5
SONGS = 12
SMALLEST_GAP = 0.21  # what the rate limit lets through for long

Accounts = Iterator[Sequence[Step]]


def casual(rng: random.Random, count: int) -> Accounts:
    """A few short sittings in the evening and at lunch."""
    for _ in range(count):
        own, gap = client(rng), pace(rng, 12, 0.9)
        evening = sittings(rng, own, gap, times=(1, 3), minutes=(5, 25))
        yield evening + sittings(rng, own, gap, times=(0, 1), minutes=(5, 20), between=(17, 19))


def competitive(rng: random.Random, count: int) -> Accounts:
    """Hours in a row, two evenings."""
    for _ in range(count):
        own, gap = client(rng, "windows"), pace(rng, 9, 0.6)
        first = sittings(rng, own, gap, times=(1, 1), minutes=(60, 150), between=(0, 2))
        yield first + sittings(rng, own, gap, times=(1, 1), minutes=(30, 90), between=(23, 24.5))


def classroom(rng: random.Random, count: int) -> Accounts:
    """Equal devices behind one address; everybody answers the same questions."""
    device = client(rng, "chromebook")
    lessons = [
        [
            SCHOOL_STARTS + SCHOOL_PERIOD * n + at
            for at in play(0, 40 * MINUTE, lambda: rng.uniform(20, 40))
        ]
        for n in range(4)
    ]
    for _ in range(count):
        quickness = pace(rng, 6, 0.5)
        yield [
            step(rng, asked + min(quickness(), 19), device, points=10)
            for lesson in rng.sample(lessons, 2)
            for asked in lesson
            if rng.random() < 0.8
        ]


def mobile_carrier(rng: random.Random, count: int) -> Accounts:
    """Three models of phone behind two addresses of a carrier."""
    networks = [any_network(rng) for _ in range(2)]
    models = [client(rng, kind) for kind in ("iphone", "iphone", "android")]
    for _ in range(count):
        own, gap = rng.choice(models), pace(rng, 10, 0.9)
        yield [
            one
            for _ in range(rng.randint(3, 6))
            for one in sittings(
                rng,
                own.moved(rng.choice(networks)),
                gap,
                times=(1, 1),
                minutes=(3, 10),
                between=(0, 24),
            )
        ]


def esports(rng: random.Random, count: int) -> Accounts:
    """Teams at one venue: the game sends points for all five at once, in bursts at the limit."""
    venue = any_network(rng)
    machine = client(rng, "windows", network=venue)
    for first in range(0, count, TEAM):
        events: list[tuple[float, int]] = []
        for match in range(3):
            at = rng.uniform(0.5, 1) * HOUR + match * HOUR
            while at < (1.5 + match) * HOUR:
                at += rng.expovariate(1 / 60)
                burst = range(rng.choice((1, 1, 2, 5, 25, 60)))
                events += [(at + n * SMALLEST_GAP, rng.choice((10, 25, 100))) for n in burst]
        for _ in range(min(TEAM, count - first)):
            yield [
                step(rng, at + abs(rng.gauss(0, 0.003)), machine, points=points)
                for at, points in events
            ]


def night(rng: random.Random, count: int) -> Accounts:
    """Ten hours through, with short breaks."""
    for _ in range(count):
        own, gap = client(rng), pace(rng, 20, 0.8)
        at, steps = rng.uniform(3, 5) * HOUR, list[Step]()
        end = at + rng.uniform(8, 11) * HOUR
        while at < end:
            sitting = rng.uniform(30, 90) * MINUTE
            steps += [step(rng, when, own) for when in play(at, sitting, gap)]
            at += sitting + rng.uniform(2, 12) * MINUTE
        yield steps


def switch_device(rng: random.Random, count: int) -> Accounts:
    """One switch, and a cursor that steps by itself: the person acts in its rhythm."""
    for _ in range(count):
        own = client(rng)
        period, wobble, missed = rng.uniform(1.2, 3), rng.uniform(0.025, 0.1), rng.uniform(0, 0.1)
        steps = []
        for start in rng.sample(range(1, 25), 2):
            cycles = int(rng.uniform(12, 25) * MINUTE / period)
            for n in range(cycles):
                if rng.random() >= missed:
                    late = rng.gauss(0.3, wobble) * period
                    steps.append(step(rng, start * HOUR + n * period + late, own, points=5))
        yield steps


def rhythm_game(rng: random.Random, count: int) -> Accounts:
    """A point for each note; good players are within 10 ms of the beat, and songs are the same."""
    songs = [_song(random.Random(f"song {n}")) for n in range(SONGS)]
    for _ in range(count):
        own, wobble = client(rng), rng.uniform(0.010, 0.035)
        at, steps = rng.uniform(0, 3) * HOUR, list[Step]()
        for song in rng.sample(songs, 5):
            for note in song:
                off = rng.gauss(0, wobble)
                points = 3 if abs(off) < 0.02 else 2 if abs(off) < 0.04 else 1
                steps.append(step(rng, at + note + off, own, points=points))
            at += song[-1] + rng.uniform(15, 60)
        yield steps


def family(rng: random.Random, count: int) -> Accounts:
    """Four accounts on one device."""
    for first in range(0, count, 4):
        shared = client(rng)
        for _ in range(min(4, count - first)):
            yield sittings(
                rng, shared, pace(rng, 10, 0.9), times=(2, 4), minutes=(10, 30), between=(0, 24)
            )


def commuter(rng: random.Random, count: int) -> Accounts:
    """A phone that is on another network every few minutes."""
    for _ in range(count):
        own, gap, steps = client(rng, "iphone"), pace(rng, 8, 0.9), list[Step]()
        for start in (rng.uniform(13, 15), rng.uniform(23, 24)):
            at = start * HOUR
            for _ in range(rng.randint(5, 14)):
                stay = rng.uniform(2, 8) * MINUTE
                here = own.moved(any_network(rng))
                steps += [step(rng, when, here) for when in play(at, stay, gap)]
                at += stay
        yield steps


PEOPLE: dict[str, Make] = {
    "casual": casual,
    "competitive": competitive,
    "classroom NAT": classroom,
    "carrier NAT": mobile_carrier,
    "e-sports burst": esports,
    "night player": night,
    "switch device": switch_device,
    "rhythm game": rhythm_game,
    "family device": family,
    "commuter": commuter,
}


def _song(rng: random.Random) -> list[float]:
    """When the notes are; some songs are nothing but the beat."""
    beat = 60 / rng.randint(90, 170)
    plain = rng.random() < 0.25
    notes, at = list[float](), 0.0
    while at < rng.uniform(120, 180):
        notes.append(at)
        at += beat if plain else beat * rng.choice((1, 1, 1, 2, 0.75 if beat > 0.3 else 1, 1.5))
    return notes
