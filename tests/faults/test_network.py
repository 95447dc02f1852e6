"""A slice of the campaign `network`: one fault of each kind, where it hurts most."""

import pytest

from tests.faults.links import Link, Wired
from tests.faults.network import suffer

FAULT_SECONDS = 1.0


@pytest.mark.parametrize(
    ("caller", "callee", "fault"),
    [
        ("score", "postgres", "answer lost"),
        ("gateway", "score", "half-open"),
        ("scoreboard", "valkey", "reset"),
    ],
)
async def test_a_broken_way_breaks_no_promise(
    product: Wired, caller: str, callee: str, fault: str
) -> None:
    outcome = await suffer(product, Link(caller, callee), fault, seconds=FAULT_SECONDS)
    assert outcome.met
    assert not outcome.violations
