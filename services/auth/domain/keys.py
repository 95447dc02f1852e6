"""
The life of a signing key: next, current, previous, gone.

A key is published before it signs, so that every verifier knows it in time, and stays published
until the last token that it signed has ended. So a rotation refuses nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from libs.common.errors import Conflict
from libs.common.tokens import LEEWAY_SECONDS, REFRESH_SECONDS
from services.auth.domain.claims import LONGEST_ACCESS_SECONDS

# What a cache on the way may keep the published keys for.
CACHE_SECONDS = 300
# A verifier may have asked just before, and a cache have answered it; the rest is for replicas.
PUBLISHED_BEFORE_USE = timedelta(seconds=REFRESH_SECONDS + CACHE_SECONDS + 60)
KEPT_AFTER_USE = timedelta(seconds=LONGEST_ACCESS_SECONDS + LEEWAY_SECONDS + 60)


class KeyState(StrEnum):
    """There is exactly one next and one current."""

    NEXT = "next"
    CURRENT = "current"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair; `sealed` is its private half, encrypted."""

    kid: str
    sealed: bytes
    state: KeyState
    published_at: datetime
    activated_at: datetime | None = None
    retired_at: datetime | None = None


MakeKey = Callable[[datetime], SigningKey]
"""Makes a key pair, published from the given time on, in state next."""


def upkeep(
    keys: Sequence[SigningKey], *, now: datetime, max_age: timedelta, make: MakeKey
) -> Sequence[SigningKey]:
    """What the keys should be by now; the same ones if nothing is due."""
    if not keys:
        return (replace(make(now), state=KeyState.CURRENT, activated_at=now), make(now))
    kept = [key for key in keys if key.retired_at is None or now < key.retired_at + KEPT_AFTER_USE]
    current, upcoming = _in_use(kept)
    assert current.activated_at is not None
    if now >= current.activated_at + max_age and now >= _ready_at(current, upcoming):
        return rotated(kept, now=now, make=make)
    return keys if len(kept) == len(keys) else kept


def rotated(keys: Sequence[SigningKey], *, now: datetime, make: MakeKey) -> Sequence[SigningKey]:
    """The keys one turn on. Raises `Conflict` while some verifier may not know the next key."""
    current, upcoming = _in_use(keys)
    ready_at = _ready_at(current, upcoming)
    if now < ready_at:
        raise Conflict(f"the next key may be used from {ready_at:%Y-%m-%d %H:%M:%S} UTC on")
    return (
        *(key for key in keys if key.state is KeyState.PREVIOUS),
        replace(current, state=KeyState.PREVIOUS, retired_at=now),
        replace(upcoming, state=KeyState.CURRENT, activated_at=now),
        make(now),
    )


def _in_use(keys: Sequence[SigningKey]) -> tuple[SigningKey, SigningKey]:
    by_state = {key.state: key for key in keys}
    return by_state[KeyState.CURRENT], by_state[KeyState.NEXT]


def _ready_at(current: SigningKey, upcoming: SigningKey) -> datetime:
    # The first two were published together: who knows the one knows the other.
    if upcoming.published_at == current.published_at:
        return upcoming.published_at
    return upcoming.published_at + PUBLISHED_BEFORE_USE
