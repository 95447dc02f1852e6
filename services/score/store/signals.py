"""
The detector's signals in Redis: one script per batch of accepted increments.

All keys share the hash tag `{bots}`, so a script finds them in one slot of a cluster; the kill
switch is one of them and kept nowhere else: a Redis that was emptied has the detector on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.contracts.reviews import Rule
from libs.common.errors import Unavailable
from services.score.domain.bots import Sighting, Suspicion

PREFIX = "{bots}"
SWITCH_KEY = f"{PREFIX}:off"

_SCRIPT = Path(__file__).with_name("signals.lua").read_text("utf-8")


class RedisSignals:
    """Every call raises `Unavailable` when Redis does not answer, or not as it should."""

    def __init__(self, redis: Redis, rules: Sequence[Rule], *, rate_per_second: float) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._rules = rules
        self._rate = rate_per_second
        self._table = json.dumps(
            [(r.name, r.signal, r.window_seconds * 1000, r.threshold) for r in rules]
        )

    async def measure(self, sightings: Sequence[Sighting]) -> list[Suspicion] | None:
        """Who crossed which rule, at most once in 15 minutes each. None: it is switched off."""
        seen = json.dumps(
            [(s.user_id, s.fingerprint, int(s.at.timestamp() * 1000), s.points) for s in sightings]
        )
        answer = await _asked(
            self._script(keys=[SWITCH_KEY], args=[PREFIX, self._table, seen, self._rate])
        )
        state, *flat = answer
        if state == b"OFF":
            return None
        return [
            Suspicion(user.decode(), self._rules[rule - 1], float(value), sightings[n - 1].at)
            for user, rule, value, n in zip(
                flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True
            )
        ]

    async def enabled(self) -> bool:
        """Whether anything is measured."""
        return not await _asked(self._redis.exists(SWITCH_KEY))

    async def switch(self, *, enabled: bool) -> None:
        """From the next batch on, for all replicas."""
        if enabled:
            await _asked(self._redis.delete(SWITCH_KEY))
        else:
            await _asked(self._redis.set(SWITCH_KEY, "1"))


async def _asked(answer: Any) -> Any:
    try:
        return await answer
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"the detector's Redis: {type(error).__name__}: {error}") from error
