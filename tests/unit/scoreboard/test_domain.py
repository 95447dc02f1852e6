"""The rules of the board."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.scoreboard.domain import Throttle, Top, moves


def top(*users: str, rev: int = 1) -> Top:
    return Top(1, rev, tuple((user, 10) for user in users))


def test_moves_are_places_gained_or_lost() -> None:
    before, after = top("a", "b", "c"), top("c", "a", "b")
    assert moves(before, after) == {"c": 2, "a": -1, "b": -1}


def test_a_newcomer_comes_from_behind_the_last() -> None:
    assert moves(top("a", "b"), top("new", "a", "b")) == {"new": 2, "a": -1, "b": -1}


def test_nothing_moved_before_the_first() -> None:
    assert moves(None, top("a")) == {}


def test_an_idle_throttle_lets_the_first_out_at_once() -> None:
    assert Throttle[str](window=0.05).offer("a").wait(now=100) == 0


def test_inside_the_window_the_newest_waits_for_its_end() -> None:
    throttle = Throttle[str](window=0.05).offer("a").emit(now=100).offer("b").offer("c")
    assert throttle.pending == "c"
    assert throttle.wait(now=100.03) == 100.05 - 100.03
    assert throttle.wait(now=100.05) == 0


@given(st.lists(st.floats(0, 10), min_size=1, max_size=100).map(sorted), st.floats(0.01, 2))
def test_no_two_emissions_share_a_window_and_the_last_value_always_goes_out(
    times: list[float], window: float
) -> None:
    throttle = Throttle[int](window)
    emitted: list[tuple[float, int]] = []

    def run_until(now: float) -> None:
        nonlocal throttle
        clock = emitted[-1][0] if emitted else 0.0
        while (wait := throttle.wait(clock)) is not None and clock + wait <= now:
            clock = max(clock + wait, throttle.open_at)
            assert throttle.pending is not None
            emitted.append((clock, throttle.pending))
            throttle = throttle.emit(clock)

    for number, time in enumerate(times):
        run_until(time)
        throttle = throttle.offer(number)
        if throttle.wait(time) == 0:
            emitted.append((time, number))
            throttle = throttle.emit(time)
    run_until(times[-1] + 2 * window)
    assert emitted[-1][1] == len(times) - 1
    gaps = [b[0] - a[0] for a, b in pairwise(emitted)]
    assert all(gap >= window * 0.999 for gap in gaps)
