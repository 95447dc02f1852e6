"""Figures of several processes, and what was added to a histogram."""

import pytest

from libs.common import metrics
from libs.common.contracts.status import Figures, Freshness
from services.gateway.domain.figures import NAMES, Histogram, Sample, figures, loop_lag


def a_histogram(*, small: float, all_: float, sum_: float) -> Histogram:
    return Histogram({0.1: small, 1.0: all_, float("inf"): all_}, sum_)


def test_counters_and_streams_of_several_processes_add_up() -> None:
    one = Sample("score_answers_total", {"result": "accepted"}, 10)
    watching = Sample("notification_connections", {"transport": "sse"}, 3)

    found = figures({"score": [one, one], "notification": [watching, watching]}, None)

    assert found.accepted_total == 20
    assert found.streams == {"sse": 6}


def test_what_belongs_to_the_database_is_not_counted_twice() -> None:
    depths = [Sample("score_outbox_batches", {}, depth) for depth in (4, 5)]

    assert figures({"score": depths}, None).outbox_batches == 5


def test_a_figure_is_taken_from_its_owner_only() -> None:
    samples = [
        Sample("score_outbox_batches", {}, 9),
        Sample("scoreboard_drift_users", {}, 9),
        Sample("score_answers_total", {"result": "accepted"}, 9),
    ]

    assert figures({"gateway": samples, "auth": samples}, None) == Figures()


def test_who_answers_but_counted_nothing_yet_counts_nothing() -> None:
    lag = Sample("event_loop_lag_seconds", {"service": "score"}, 0.5)

    found = figures({name: [lag] for name in ("score", "scoreboard", "notification")}, None)

    assert (found.accepted_total, found.consumer_lag_records, found.streams) == (0, 0, {})
    assert loop_lag([lag]) == 0.5
    assert loop_lag([]) is None


def test_a_retry_is_neither_accepted_nor_refused() -> None:
    results = ("accepted", "replayed", "rate-limited", "forbidden")
    answers = [Sample("score_answers_total", {"result": result}, 1) for result in results]

    found = figures({"score": answers}, None)

    assert (found.accepted_total, found.refused_total) == (1, 2)


def test_the_p99_is_the_bound_under_which_99_of_100_are() -> None:
    assert a_histogram(small=99, all_=100, sum_=5).freshness() == Freshness(
        mean_seconds=0.05, p99_seconds=0.1
    )
    slower = a_histogram(small=98, all_=100, sum_=5).freshness()
    assert slower is not None
    assert slower.p99_seconds == 1.0


def test_what_is_beyond_all_bounds_is_said_to_be_at_the_largest() -> None:
    histogram = Histogram({0.1: 0, float("inf"): 1}, 400)

    assert histogram.freshness() == Freshness(mean_seconds=400, p99_seconds=0.1)


def test_of_a_histogram_counts_what_was_added() -> None:
    earlier = a_histogram(small=100, all_=100, sum_=1)
    later = a_histogram(small=100, all_=110, sum_=6)

    assert later.since(earlier).freshness() == Freshness(mean_seconds=0.5, p99_seconds=1.0)
    assert earlier.since(earlier).freshness() is None


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    before = a_histogram(small=100, all_=100, sum_=1)
    anew = a_histogram(small=2, all_=2, sum_=0.1)

    assert anew.since(before) == anew


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_one_of_our_metrics(name: str) -> None:
    assert f"| `{name}` |" in metrics.page()
