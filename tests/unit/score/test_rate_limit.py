"""The rate limit as arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from services.score.domain.rates import Rate, admit

SECOND = 1_000_000
FIVE = Rate(per_second=5, burst=5)


def passed(times_us: list[int], rate: Rate) -> list[int]:
    tat = 0
    accepted = []
    for now in times_us:
        tat, decision = admit(tat, now, rate)
        if decision.allowed:
            accepted.append(now)
    return accepted


def test_five_of_six_requests_at_once_pass() -> None:
    assert len(passed([SECOND] * 6, FIVE)) == 5


def test_the_refused_one_is_told_when_to_come_back() -> None:
    tat = 0
    for _ in range(5):
        tat, _ = admit(tat, SECOND, FIVE)
    _, refused = admit(tat, SECOND, FIVE)
    assert not refused.allowed
    assert refused.retry_after_seconds == 0.2
    later = SECOND + int(refused.retry_after_seconds * SECOND)
    assert admit(tat, later, FIVE)[1].allowed


def test_remaining_counts_down_to_zero() -> None:
    tat = 0
    remaining = []
    for _ in range(5):
        tat, decision = admit(tat, SECOND, FIVE)
        remaining.append(decision.remaining)
    assert remaining == [4, 3, 2, 1, 0]


def test_a_clock_that_went_back_locks_nobody_out() -> None:
    hour = 3600 * SECOND
    tat = 0
    for _ in range(5):
        tat, _ = admit(tat, 2 * hour, FIVE)
    _, decision = admit(tat, hour, FIVE)
    assert decision.retry_after_seconds <= 1


@given(
    st.lists(st.integers(0, 20 * SECOND), max_size=200).map(sorted),
    st.integers(1, 50),
    st.integers(1, 20),
)
def test_no_window_ever_holds_more_than_burst_and_rate_allow(
    times: list[int], per_second: int, burst: int
) -> None:
    rate = Rate(per_second, burst)
    accepted = passed(times, rate)
    for first, start in enumerate(accepted):
        for count, end in enumerate(accepted[first:], start=1):
            # The interval is rounded to microseconds: allow one for that.
            assert count <= burst + (end - start) / rate.interval_us + 1e-6


@given(st.lists(st.integers(0, 5 * SECOND), max_size=100).map(sorted))
def test_who_keeps_to_the_rate_is_never_refused(times: list[int]) -> None:
    spaced = [time + n * FIVE.interval_us for n, time in enumerate(times)]
    assert passed(spaced, FIVE) == spaced
