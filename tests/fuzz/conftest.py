"""A stack of our own: the fuzzers drain, ban and erase, which no other test should meet."""

from collections.abc import Iterator

import pytest

from tests.fuzz.campaign import ENVIRONMENT
from tests.stack import RunningStack, running_stack


@pytest.fixture(scope="package")
def stack() -> Iterator[RunningStack]:
    """All servers and services, with their limits out of the way."""
    with running_stack(ENVIRONMENT) as stack:
        yield stack
