"""What the detector's script measures, on a real Redis and in a time of its own."""

import math
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from redis.asyncio import Redis

from libs.common.contracts.reviews import Rule
from libs.common.errors import Unavailable
from services.score.domain.bots import MOST_FINGERPRINTS, MOST_USERS_OF_A_TRACE, Sighting, Signal
from services.score.store.signals import PREFIX, RedisSignals

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = 3600
RATE = 5.0


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis.from_url(redis_url)
    yield redis
    await redis.aclose()


def rule(signal: Signal, least: float, *, window: int = HOUR, name: str = "") -> Rule:
    return Rule(
        name=name or signal,
        signal=signal,
        window_seconds=window,
        threshold=least,
        action="tag",
        shadow=False,
    )


def seen(
    seconds: float, user: str = "alice", *, fingerprint: str = "aa", points: int = 1
) -> Sighting:
    return Sighting(user, fingerprint, START + timedelta(seconds=seconds), points)


async def values(redis: Redis, rule: Rule, sightings: Iterable[Sighting]) -> list[float]:
    """What each sighting was measured to be, in a call of its own; 0: nothing that could tell."""
    signals = RedisSignals(redis, [rule], rate_per_second=RATE)
    found = []
    for sighting in sightings:
        # Told of once in 15 minutes only: so that every value is seen, that is forgotten.
        suspicions = await signals.measure([sighting]) or []
        found.append(suspicions[0].value if suspicions else 0.0)
        await forget_told(redis, sighting.user_id)
    return found


async def forget_told(redis: Redis, user: str) -> None:
    await redis.eval(
        "local user = cmsgpack.unpack(redis.call('GET', KEYS[1])) user.told = {} "
        "redis.call('SET', KEYS[1], cmsgpack.pack(user))",
        1,
        f"{PREFIX}:user:{user}",
    )


def rhythm(gaps: Iterable[float], user: str = "alice") -> list[Sighting]:
    return [seen(at, user) for at in accumulate(gaps, initial=1.0)]


async def test_regularity_is_one_minus_the_variation_of_the_whole_rhythm(redis: Redis) -> None:
    noise = random.Random(1)
    gaps = [round(noise.uniform(1.5, 2.1), 3) for _ in range(150)]
    found = await values(redis, rule(Signal.REGULARITY, 0.001, window=1), rhythm(gaps))

    assert not any(found[:50])
    for n in range(50, 151):
        mean = sum(gaps[:n]) / n
        deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps[:n]) / n)
        assert found[n] == pytest.approx(1 - deviation / mean, abs=0.001)


async def test_a_rhythm_counts_when_it_has_lasted_the_window(redis: Redis) -> None:
    metronome = rule(Signal.REGULARITY, 0.9, window=200)
    found = await values(redis, metronome, rhythm([2.0] * 150))

    assert [n for n, value in enumerate(found) if value] == list(range(100, 151))


@pytest.mark.parametrize("break_seconds", [0.9, 3.1, 60])
async def test_a_pause_or_a_quick_one_ends_a_rhythm(redis: Redis, break_seconds: float) -> None:
    metronome = rule(Signal.REGULARITY, 0.9, window=1)
    found = await values(redis, metronome, rhythm([2.0] * 60 + [break_seconds] + [2.0] * 40))

    assert any(found[:61])
    assert not any(found[61:])


async def test_the_rate_share_is_what_was_accepted_of_what_could_be(redis: Redis) -> None:
    full = rule(Signal.RATE_SHARE, 0.01, window=60)
    flat_out = await values(redis, full, (seen(n / RATE) for n in range(900)))
    half = await values(redis, full, (seen(2 * n / RATE, "bob") for n in range(450)))
    pause = await values(redis, full, [seen(1000, "alice")])

    assert flat_out[-1] == pytest.approx(1, abs=0.02)
    assert half[-1] == pytest.approx(0.5, abs=0.02)
    assert pause == [0]


async def test_active_hours_are_counted_within_the_window(redis: Redis) -> None:
    hours = [0, 1, 1.5, 2, 5, 20, 24, 25, 26]
    day = rule(Signal.ACTIVE_HOURS, 1, window=24 * HOUR)
    short = rule(Signal.ACTIVE_HOURS, 1, window=2 * HOUR)

    found = await values(redis, day, (seen(hour * HOUR) for hour in hours))
    assert found == [1, 2, 0, 3, 4, 5, 5, 5, 5]
    found = await values(redis, short, (seen(hour * HOUR, "bob") for hour in hours))
    assert found == [1, 2, 0, 2, 1, 1, 1, 2, 2]


async def test_fingerprints_of_a_user_are_counted_in_a_sliding_window(redis: Redis) -> None:
    faces = rule(Signal.FINGERPRINTS_PER_USER, 1)
    sightings = [seen(0, fingerprint="aa"), seen(10, fingerprint="bb"), seen(20, fingerprint="aa")]

    assert await values(redis, faces, sightings) == [1, 2, 0]
    assert await values(redis, faces, [seen(HOUR + 15, fingerprint="cc")]) == [2]


async def test_a_user_with_ever_new_fingerprints_takes_no_more_memory_than_for_32(
    redis: Redis,
) -> None:
    rules = [
        rule(Signal.FINGERPRINTS_PER_USER, MOST_FINGERPRINTS),
        rule(Signal.USERS_PER_FINGERPRINT, 1000),
        rule(Signal.TIRELESS_PER_FINGERPRINT, 1000),
    ]
    signals = RedisSignals(redis, rules, rate_per_second=RATE)
    found = await signals.measure([seen(n, fingerprint=f"{n:032x}") for n in range(500)])

    assert found
    assert found[0].value == MOST_FINGERPRINTS
    assert len(await redis.keys(f"{PREFIX}*")) < 2 * MOST_FINGERPRINTS
    assert (await redis.memory_usage(f"{PREFIX}:user:alice") or 0) < 4096


async def test_the_users_of_a_fingerprint_are_counted_over_two_windows(redis: Redis) -> None:
    crowd = rule(Signal.USERS_PER_FINGERPRINT, 1)
    first = [seen(n, f"user-{n}") for n in range(100)]

    found = await values(redis, crowd, first)
    assert found[-1] == pytest.approx(100, rel=0.03)
    assert await values(
        redis, crowd, [seen(200, "user-1"), seen(200, "eve", fingerprint="bb")]
    ) == [
        0,  # nothing new: that user was measured in this window
        1,
    ]
    assert (await values(redis, crowd, [seen(HOUR + 5, "user-1")]))[0] > 95
    assert await values(redis, crowd, [seen(3 * HOUR, "user-1")]) == [1]


async def test_who_sends_no_fingerprint_has_none(redis: Redis) -> None:
    nameless = [seen(n * HOUR, fingerprint="") for n in range(10)]
    for signal in (Signal.USERS_PER_FINGERPRINT, Signal.TIRELESS_PER_FINGERPRINT):
        assert max(await values(redis, rule(signal, 1), nameless)) == 0
    assert max(await values(redis, rule(Signal.FINGERPRINTS_PER_USER, 1), nameless)) == 0


@pytest.mark.parametrize(("visitors", "least"), [(0, 10), (30, 0)])
async def test_the_tireless_count_where_they_are_the_half_of_a_crowd(
    redis: Redis, visitors: int, least: int
) -> None:
    hours = range(9)
    workers = [
        seen(hour * HOUR + n, f"worker-{n}", fingerprint=f"{visitors:x}")
        for hour in hours
        for n in range(10)
    ]
    passers_by = [
        seen(8 * HOUR - 60 + n, f"visitor-{n}", fingerprint=f"{visitors:x}")
        for n in range(visitors)
    ]
    farm = rule(Signal.TIRELESS_PER_FINGERPRINT, 1, window=24 * HOUR)

    found = await values(redis, farm, sorted(workers + passers_by, key=lambda s: s.at))
    assert found[-1] == least


def trace(user: str, *, start: float, jitter_ms: float = 0, seed: int = 7) -> list[Sighting]:
    """A person's trace of 300 steps, or its replay by a user with other network delays."""
    steps, delays, at, found = random.Random(seed), random.Random(user), start, []
    for _ in range(300):
        at += steps.lognormvariate(1, 0.6)
        late = abs(delays.gauss(0, jitter_ms / 1000))
        found.append(seen(at + late, user, points=steps.randint(1, 9)))
    return found


async def shared(redis: Redis, traces: Sequence[list[Sighting]], *, by: int) -> bool:
    """Whether so many users were found on one trace."""
    together = sorted((s for trace in traces for s in trace), key=lambda s: s.at)
    replay = rule(Signal.USERS_PER_TRACE, by, window=24 * HOUR)
    signals = RedisSignals(redis, [replay], rate_per_second=RATE)
    batches = [together[n : n + 500] for n in range(0, len(together), 500)]
    return any([await signals.measure(batch) for batch in batches])


async def test_replays_of_one_trace_find_each_other(redis: Redis) -> None:
    replays = [trace(f"bot-{n}", start=400.0 * n, jitter_ms=2) for n in range(12)]

    assert await shared(redis, replays, by=10)


async def test_when_a_trace_is_shared_by_enough_all_of_them_are_told_of(redis: Redis) -> None:
    replays = [trace(f"bot-{n}", start=2000.0 * n) for n in range(5)]
    replay = rule(Signal.USERS_PER_TRACE, 5, window=24 * HOUR)
    signals = RedisSignals(redis, [replay], rate_per_second=RATE)
    for one in replays[:4]:
        assert await signals.measure(one) == []
    found = await signals.measure(replays[4]) or []

    assert {s.user_id for s in found} == {f"bot-{n}" for n in range(5)}
    assert {s.value for s in found} == {5}


async def test_people_do_not_share_traces(redis: Redis) -> None:
    people = [trace(f"user-{n}", start=10.0 * n, seed=n) for n in range(12)]

    assert not await shared(redis, people, by=2)


@pytest.mark.parametrize("gaps", [[0.5], [3, 3, 6, 3], [0.2, 0.3, 0.5, 0.8, 1.2, 0.9]])
async def test_a_beat_or_a_quick_tune_is_no_trace(redis: Redis, gaps: list[float]) -> None:
    points = random.Random(1).choices(range(1, 10), k=301)
    players = [
        [replace(s, points=p) for s, p in zip(played, points, strict=False)]
        for played in (rhythm(gaps * (300 // len(gaps)), f"user-{n}") for n in range(12))
    ]
    assert not await shared(redis, players, by=1)


async def test_one_user_who_repeats_a_trace_stays_one(redis: Redis) -> None:
    again = [
        Sighting("alice", "aa", s.at, s.points)
        for n in range(3)
        for s in trace("alice", start=4000.0 * n)
    ]
    assert not await shared(redis, [again], by=2)


async def test_a_trace_tells_up_to_32_users_apart(redis: Redis) -> None:
    replays = [trace(f"bot-{n}", start=2.0 * n) for n in range(MOST_USERS_OF_A_TRACE + 8)]

    assert await shared(redis, replays, by=MOST_USERS_OF_A_TRACE)


async def test_a_user_is_told_of_again_after_15_minutes_only(redis: Redis) -> None:
    signals = RedisSignals(redis, [rule(Signal.RATE_SHARE, 0.00001)], rate_per_second=RATE)
    found = [len(await signals.measure([seen(60.0 * n)]) or []) for n in range(35)]

    assert [n for n, times in enumerate(found) if times] == [0, 15, 30]


async def test_two_rules_on_one_signal_measure_once_and_are_told_apart(redis: Redis) -> None:
    low = rule(Signal.RATE_SHARE, 0.5, window=1, name="low")
    high = rule(Signal.RATE_SHARE, 1, window=1, name="high")
    signals = RedisSignals(redis, [low, high], rate_per_second=RATE)
    found = await signals.measure([seen(n / 1000, points=1) for n in range(5)])

    assert found
    assert [(s.rule.name, s.value) for s in found] == [("low", 0.6), ("high", 1)]


async def test_a_batch_says_the_same_as_its_parts(redis: Redis) -> None:
    rules = [rule(s, 1, window=24 * HOUR) for s in Signal if s is not Signal.REGULARITY]
    sightings = [
        seen(37.0 * n, f"user-{n % 5}", fingerprint=f"{n % 3:x}", points=n % 4) for n in range(400)
    ]
    signals = RedisSignals(redis, rules, rate_per_second=0.001)
    whole = await signals.measure(sightings)
    await redis.flushdb()
    parts = [found for s in sightings for found in await signals.measure([s]) or []]

    assert whole
    assert parts == whole


async def test_an_increment_that_comes_late_makes_no_interval(redis: Redis) -> None:
    hours = rule(Signal.ACTIVE_HOURS, 1, window=24 * HOUR)
    late = [seen(5 * HOUR), seen(HOUR), seen(6 * HOUR)]

    assert await values(redis, hours, late) == [1, 0, 2]


async def test_every_key_has_an_end_and_the_same_slot(redis: Redis) -> None:
    rules = [rule(signal, 1, window=24 * HOUR) for signal in Signal]
    signals = RedisSignals(redis, rules, rate_per_second=RATE)
    await signals.measure(trace("alice", start=0))

    keys = [str(key, "ascii") for key in await redis.keys("*") if isinstance(key, bytes)]
    assert len({key.split(":")[1] for key in keys}) == 3  # users, user and trace
    for key in keys:
        assert key.startswith("{bots}:")
        assert 0 < await redis.ttl(key) <= 48 * HOUR


async def test_switched_off_nothing_is_measured_or_kept(redis: Redis) -> None:
    signals = RedisSignals(redis, [rule(Signal.ACTIVE_HOURS, 1)], rate_per_second=RATE)
    assert await signals.enabled()
    await signals.switch(enabled=False)

    assert not await signals.enabled()
    assert await signals.measure([seen(0)]) is None
    assert await redis.keys(f"{PREFIX}:user:*") == []

    await signals.switch(enabled=True)
    assert await signals.enabled()
    assert await signals.measure([seen(0)])


async def test_without_redis_it_says_so() -> None:
    signals = RedisSignals(Redis(host="127.0.0.1", port=1), [], rate_per_second=RATE)
    with pytest.raises(Unavailable):
        await signals.measure([seen(0)])


async def test_a_broken_memory_is_an_error_of_the_same_kind(redis: Redis) -> None:
    signals = RedisSignals(redis, [rule(Signal.ACTIVE_HOURS, 1)], rate_per_second=RATE)
    await redis.set(f"{PREFIX}:user:alice", "no state")
    with pytest.raises(Unavailable):
        await signals.measure([seen(0)])
