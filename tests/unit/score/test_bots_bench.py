"""The arithmetic that the bot reports rest on."""

import random

import pytest

from bench.bots.actors import actors
from bench.bots.families import FAMILIES
from bench.bots.latency import mann_whitney_p
from bench.bots.people import PEOPLE


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 0.00902),
        ([1, 3, 5, 7], [2, 4, 6, 8], 0.56370),
        ([1, 1, 2, 2], [1, 2, 2, 3], 0.34278),
        ([1, 1], [1, 1], 1),
    ],
)
def test_the_rank_test_says_what_the_textbook_does(
    one: list[float], other: list[float], p: float
) -> None:
    assert mann_whitney_p(one, other) == pytest.approx(p, abs=0.0001)
    assert mann_whitney_p(other, one) == pytest.approx(p, abs=0.0001)


def test_it_sees_a_small_difference_among_many() -> None:
    rng = random.Random(1)
    one = [rng.gauss(5, 1) for _ in range(2000)]

    assert mann_whitney_p(one, [rng.gauss(5, 1) for _ in range(2000)]) > 0.05
    assert mann_whitney_p(one, [rng.gauss(5.2, 1) for _ in range(2000)]) < 0.001


@pytest.mark.parametrize("kind", [*PEOPLE, *FAMILIES])
def test_a_corpus_is_the_same_for_a_seed_and_another_for_another(kind: str) -> None:
    make = (PEOPLE | FAMILIES)[kind]
    first = actors(kind, make, count=3, seed=1)

    assert actors(kind, make, count=3, seed=1) == first
    assert actors(kind, make, count=3, seed=2) != first
    for actor in first:
        times = [at for at, _, _ in actor.steps]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] < 27 * 3600
