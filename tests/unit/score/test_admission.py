"""Who may add how much, and with what grant."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.scores import Increment
from libs.common.errors import (
    AppError,
    Forbidden,
    GrantRefused,
    GrantTooEarly,
    InvalidRequest,
    Unauthenticated,
)
from libs.common.tokens import Claims
from services.score.domain.bounds import Bounds, bounds_of, seconds_to_midnight
from services.score.usecases.admission import Admission

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WIDE = Bounds(1000)
TABLE = {
    "player": Bounds(100, per_day=500),
    "trusted": Bounds(500, per_day=2000),
    "guest": Bounds(10, per_day=50, grant_required=True),
}


class Book:
    """Tokens by name."""

    def __init__(self, **tokens: Claims) -> None:
        self._tokens = tokens

    async def verify(self, token: str) -> Claims:
        if token not in self._tokens:
            raise Unauthenticated("the token is not valid")
        return self._tokens[token]


class Noon:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


def claims(subject: str, raw: Mapping[str, Any], *, age_seconds: float = 0) -> Claims:
    issued = NOW - timedelta(seconds=age_seconds)
    return Claims(subject, f"jti-of-{subject}", issued, NOW + timedelta(hours=1), raw)


def context(user: str, *roles: str) -> Claims:
    return claims(user, {"permissions": ["scores:write"], "roles": list(roles)})


def grant(user: str, *, most: object = 50, wait: object = 30, age_seconds: float = 60) -> Claims:
    raw = {"max_increment": most, "min_elapsed_seconds": wait}
    return claims(user, raw, age_seconds=age_seconds)


ADMISSION = Admission(
    Book(
        alice=context("alice", "player"),
        tina=context("tina", "player", "trusted"),
        gus=context("gus", "guest"),
        nobody=claims("nobody", {"permissions": []}),
        stranger=context("stranger", "role-of-tomorrow"),
    ),
    Book(
        alices=grant("alice"),
        gus_=grant("gus"),
        early=grant("alice", age_seconds=10),
        empty=grant("alice", most=None),
    ),
    Noon(),
    bounds=TABLE,
    default=WIDE,
)


def sent(context: str, points: int = 10, *, grant: str = "") -> Increment:
    return Increment(context=context, idempotency_key="k", score_increment=points, grant=grant)


async def test_a_role_has_its_own_bounds() -> None:
    entry = await ADMISSION.entry(sent("alice", 100))
    assert (entry.user_id, entry.key, entry.delta, entry.day_limit) == ("alice", "k", 100, 500)
    with pytest.raises(InvalidRequest, match="from 1 to 100"):
        await ADMISSION.entry(sent("alice", 101))


async def test_of_several_roles_the_widest_counts() -> None:
    assert (await ADMISSION.entry(sent("tina", 500))).day_limit == 2000


async def test_an_unknown_role_has_what_everybody_has() -> None:
    assert (await ADMISSION.entry(sent("stranger", 1000))).day_limit is None


async def test_a_grant_is_the_key() -> None:
    entry = await ADMISSION.entry(sent("alice", 50, grant="alices"))
    assert entry.key == "grant:jti-of-alice"


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (sent("nobody"), Forbidden),
        (sent("forged"), Unauthenticated),
        (sent("gus"), GrantRefused),
        (sent("alice", grant="forged"), GrantRefused),
        (sent("alice", grant="gus_"), GrantRefused),
        (sent("alice", 51, grant="alices"), GrantRefused),
        (sent("alice", grant="empty"), GrantRefused),
        (sent("alice", grant="early"), GrantTooEarly),
    ],
)
async def test_what_may_not_be_counted_says_why(item: Increment, error: type[AppError]) -> None:
    with pytest.raises(error) as refused:
        await ADMISSION.entry(item)
    assert refused.type is error


async def test_a_grant_that_is_early_says_when_to_come_back() -> None:
    with pytest.raises(GrantTooEarly) as refused:
        await ADMISSION.entry(sent("alice", grant="early"))
    assert refused.value.retry_after_seconds == 20


@given(roles=st.sets(st.sampled_from([*TABLE, "unknown"])))
def test_a_further_role_never_narrows_the_bounds(roles: set[str]) -> None:
    before = bounds_of(roles or {"player"}, TABLE, WIDE)
    after = bounds_of((roles or {"player"}) | {"trusted"}, TABLE, WIDE)
    assert after.per_request >= before.per_request
    assert after.per_day is None or (before.per_day and after.per_day >= before.per_day)
    assert before.grant_required or not after.grant_required


def test_the_day_ends_at_midnight_utc() -> None:
    assert seconds_to_midnight(NOW) == 12 * 3600
