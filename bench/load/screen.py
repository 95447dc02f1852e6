"""
From POST to screen: how long after it was to be sent an update is seen by each watcher.

A leader is a user who is lifted above everybody, so that each of their updates shows in the top
ten, with a score that was never there before. An update is seen when a frame shows that score or a
higher one: a board that is sent less often than it changes skips states, and skips no promise.

Reading a large crowd takes its time, which is counted as the server's: keep the watchers here to
the probes, and hold the others in another process (`python -m bench.load watch`).
"""

import asyncio
import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from statistics import median_low
from typing import NamedTuple

from pydantic import BaseModel, Field

from bench.load import posts
from bench.load.crowd import Crowd
from bench.load.latencies import Latencies
from bench.load.posted import Posted
from bench.load.watcher import Probe

LEAD_POINTS = 500_000
MAX_STEP_POINTS = 1_000_000  # the most that one increment may add by default
FIRST_FRAME_SECONDS = 30.0
SETTLE_SECONDS = 10.0
POLL_SECONDS = 0.01


class Update(NamedTuple):
    """One that was accepted: when it was to be sent (ns), whose, and the score that it made."""

    intended: int
    user_id: str
    score: int


class Shown(BaseModel):
    """
    `every` has each probe's latency of each update; `first`, `middle` and `last` have one for each
    update. `unseen` counts what a probe had not seen 10 s after the end: then nothing here holds.
    """

    posted: Posted
    lifted: Posted = Field(default_factory=Posted)
    beside: Posted = Field(default_factory=Posted)
    probes: int
    updates: int
    unseen: int = 0
    every: Latencies = Field(default_factory=Latencies)
    first: Latencies = Field(default_factory=Latencies)
    middle: Latencies = Field(default_factory=Latencies)
    last: Latencies = Field(default_factory=Latencies)

    @property
    def runs(self) -> list[Posted]:
        """Everything that was sent, what lifted the leaders with it."""
        return [self.lifted, self.posted, self.beside]


async def on_screen(
    url: str,
    tokens: Mapping[str, str],
    crowd: Crowd,
    *,
    rate: float,
    seconds: float,
    connections: int = 16,
    leaders: int = 1,
    beside_rate: float = 0.0,
) -> Shown:
    """
    Post the leaders' updates (the first so many users) at `rate`, beside them the others' at
    `beside_rate`, and time them on the crowd's probes. Raises `ConnectionError`, `TimeoutError`.
    """
    first = dict(islice(tokens.items(), leaders))
    others = {user: token for user, token in tokens.items() if user not in first}
    lifted = await lift(url, list(first.values()), crowd)
    accepted: list[tuple[int, bytes]] = []
    measured = posts.open_loop(
        url,
        first,
        connections=connections,
        rate=rate,
        seconds=seconds,
        on_accepted=lambda intended, body: accepted.append((intended, body)),
    )
    beside = Posted()
    if beside_rate:
        load = posts.open_loop(
            url, others, connections=connections, rate=beside_rate, seconds=seconds
        )
        posted, beside = await asyncio.gather(measured, load)
    else:
        posted = await measured
    updates = [_update(intended, body) for intended, body in accepted]
    await _settle(crowd.probes, updates)
    result = shown(crowd.probes, updates, posted)
    result.beside, result.lifted = beside, lifted
    return result


async def lift(url: str, tokens: Sequence[str], crowd: Crowd) -> Posted:
    """Give each of these users more points than anybody will have."""
    async with asyncio.timeout(FIRST_FRAME_SECONDS):
        while (top := crowd.newest) is None:
            await asyncio.sleep(POLL_SECONDS)
    lead = LEAD_POINTS + max(top.scores.values(), default=0)
    steps = [min(MAX_STEP_POINTS, lead - got) for got in range(0, lead, MAX_STEP_POINTS)]
    return await posts.each(url, [(token, points) for token in tokens for points in steps])


def shown(probes: Sequence[Probe], updates: Sequence[Update], posted: Posted) -> Shown:
    """When each update was first seen, as far as the probes remember."""
    result = Shown(posted=posted, probes=len(probes), updates=len(updates))
    sightings = [Sightings(probe) for probe in probes]
    for update in updates:
        seen = [time for one in sightings if (time := one.time(update)) is not None]
        result.unseen += len(sightings) - len(seen)
        if not seen:
            continue
        latencies = [time - update.intended for time in seen]
        for latency in latencies:
            result.every.record(latency)
        result.first.record(min(latencies))
        result.middle.record(median_low(latencies))
        result.last.record(max(latencies))
    return result


class Sightings:
    """When a probe saw which score of whom; scores grow, so the first sight is found by halving."""

    def __init__(self, probe: Probe) -> None:
        self._times: dict[str, list[int]] = defaultdict(list)
        self._scores: dict[str, list[int]] = defaultdict(list)
        for time, board in zip(probe.times, probe.boards, strict=True):
            for user, score in board.scores.items():
                scores = self._scores[user]
                if not scores or score > scores[-1]:
                    scores.append(score)
                    self._times[user].append(time)

    def time(self, update: Update) -> int | None:
        """When the update's score, or a higher one, was first seen."""
        at = bisect_left(self._scores[update.user_id], update.score)
        times = self._times[update.user_id]
        return times[at] if at < len(times) else None


async def _settle(probes: Sequence[Probe], updates: Sequence[Update]) -> None:
    """Until all have seen the last score of each leader, or for 10 s."""
    final = {update.user_id: 0 for update in updates}
    for update in updates:
        final[update.user_id] = max(final[update.user_id], update.score)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            while not all(_shows(probe, final) for probe in probes):
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pass  # counted as unseen


def _shows(probe: Probe, final: Mapping[str, int]) -> bool:
    scores = probe.boards[-1].scores if probe.boards else {}
    return all(scores.get(user, 0) >= score for user, score in final.items())


def _update(intended: int, body: bytes) -> Update:
    answer = json.loads(body)
    return Update(intended, answer["user_id"], answer["new_score"])
