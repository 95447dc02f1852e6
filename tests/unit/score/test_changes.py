"""A change is published as the contract says, to the byte."""

from datetime import UTC, datetime
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.scores import ChangeKind, ScoreUpdated
from libs.common.contracts.values import MAX_TOTAL, USER_ID_PATTERN
from services.score.domain.changes import Change


@given(
    user_id=st.from_regex(USER_ID_PATTERN, fullmatch=True),
    score=st.integers(0, MAX_TOTAL),
    version=st.integers(1, MAX_TOTAL),
    reached_at=st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    kind=st.sampled_from(get_args(ChangeKind)),
    held=st.booleans(),
    ledger_epoch=st.integers(1, 2**31),
)
def test_an_event_is_what_the_contract_writes(
    user_id: str,
    score: int,
    version: int,
    reached_at: datetime,
    kind: ChangeKind,
    held: bool,
    ledger_epoch: int,
) -> None:
    event = ScoreUpdated(
        user_id=user_id,
        new_score=score,
        timestamp=reached_at,
        event_id=f"{user_id}:{ledger_epoch}:{version}",
        version=version,
        ledger_epoch=ledger_epoch,
        kind=kind,
        held=held,
        schema=1,
    )

    change = Change(user_id, score, version, reached_at, kind, held)

    assert change.event(ledger_epoch) == event.model_dump_json(by_alias=True).encode()
