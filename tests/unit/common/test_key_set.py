"""Public keys of an issuer: fetched rarely, kept for long, and waited for when they are needed."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.errors import Unavailable
from libs.common.tokens import MIN_REFRESH_SECONDS, REFRESH_SECONDS, KeySet


class Issuer:
    """Publishes keys by name; `open` is set when it answers."""

    def __init__(self, *kids: str) -> None:
        self.published = list(kids)
        self.fetches = 0
        self.broken = False
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> Mapping[str, Any]:
        self.fetches += 1
        await self.open.wait()
        if self.broken:
            raise OSError("no answer")
        return {"keys": [_jwk(kid) for kid in self.published]}


class ManualClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)


def _jwk(kid: str) -> dict[str, Any]:
    public = Ed25519PrivateKey.generate().public_key()
    made: dict[str, Any] = jwt.algorithms.OKPAlgorithm.to_jwk(public, as_dict=True)
    return {**made, "kid": kid, "alg": "EdDSA"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_all_who_need_the_first_keys_wait_for_one_fetch(clock: ManualClock) -> None:
    issuer = Issuer("a")
    issuer.open.clear()
    keys = KeySet(issuer.fetch, clock)
    asked = [asyncio.ensure_future(keys.get("a")) for _ in range(10)]
    await asyncio.sleep(0)
    issuer.open.set()
    assert all(await asyncio.gather(*asked))
    assert issuer.fetches == 1


async def test_a_new_key_is_found_by_everybody_at_once(clock: ManualClock) -> None:
    issuer = Issuer("old")
    keys = KeySet(issuer.fetch, clock)
    assert await keys.get("old")
    issuer.published.append("new")
    clock.seconds += MIN_REFRESH_SECONDS
    issuer.open.clear()
    asked = [asyncio.ensure_future(keys.get("new")) for _ in range(10)]
    await asyncio.sleep(0)
    issuer.open.set()
    assert all(await asyncio.gather(*asked))
    assert issuer.fetches == 2


async def test_a_known_key_waits_for_nobody(clock: ManualClock) -> None:
    issuer = Issuer("a")
    keys = KeySet(issuer.fetch, clock)
    await keys.get("a")
    clock.seconds += REFRESH_SECONDS + 1
    issuer.open.clear()
    slow = asyncio.ensure_future(keys.get("unknown"))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        assert await keys.get("a")
    issuer.open.set()
    assert await slow is None


async def test_old_keys_are_good_while_they_are_fetched_again(clock: ManualClock) -> None:
    issuer = Issuer("a")
    keys = KeySet(issuer.fetch, clock)
    await keys.get("a")
    clock.seconds += REFRESH_SECONDS + 1
    issuer.open.clear()
    issuer.published.append("b")
    async with asyncio.timeout(1):
        assert await keys.get("a")
    issuer.open.set()
    assert await keys.get("b")
    assert issuer.fetches == 2


async def test_who_gives_up_does_not_end_the_fetch_of_others(clock: ManualClock) -> None:
    issuer = Issuer("a")
    issuer.open.clear()
    keys = KeySet(issuer.fetch, clock)
    first, second = (asyncio.ensure_future(keys.get("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    issuer.open.set()
    assert await second
    assert issuer.fetches == 1


async def test_those_who_waited_for_a_slow_failure_do_not_wait_for_the_next(
    clock: ManualClock,
) -> None:
    issuer = Issuer()
    issuer.broken = True
    issuer.open.clear()
    keys = KeySet(issuer.fetch, clock)
    asked = [asyncio.ensure_future(keys.get("a")) for _ in range(10)]
    await asyncio.sleep(0)
    clock.seconds += 2
    issuer.open.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    with pytest.raises(Unavailable):
        await keys.get("a")
    assert issuer.fetches == 1


async def test_unknown_names_cause_no_flood_of_fetches(clock: ManualClock) -> None:
    issuer = Issuer("a")
    keys = KeySet(issuer.fetch, clock)
    for n in range(1000):
        assert await keys.get(f"unknown-{n}") is None
    assert issuer.fetches == 1


async def test_the_last_good_keys_stay(clock: ManualClock) -> None:
    issuer = Issuer("a")
    keys = KeySet(issuer.fetch, clock)
    await keys.get("a")
    issuer.broken = True
    clock.seconds += REFRESH_SECONDS + 1
    assert await keys.get("a")
    with pytest.raises(Unavailable):
        await KeySet(issuer.fetch, clock).check()
