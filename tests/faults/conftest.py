"""One stack for the slices of several campaigns."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.links import Wired, wired
from tests.faults.network import LIMITS


@pytest.fixture(scope="package")
async def product() -> AsyncIterator[Wired]:
    """Every way between two of its parts goes over a proxy."""
    async with wired(LIMITS) as product:
        yield product
