"""A slice of the campaign `loss`: Redis empty, the broker empty, the ledger as it was before."""

import pytest

from tests.faults.links import Wired
from tests.faults.loss import suffer


@pytest.mark.parametrize(
    "what", ["FLUSHALL", "broker wiped", "PostgreSQL recovered from a base backup"]
)
async def test_what_was_lost_is_built_from_the_ledger(product: Wired, what: str) -> None:
    outcome = await suffer(product.stack, product.places, what)
    assert not outcome.violations
