"""More requests than may be at work, and a reader that never reads: a slice of the campaigns."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults import vitals
from tests.faults.crowd import EVENTS, WEBSOCKET, Pace, Race, Reader
from tests.faults.openloop import OpenLoop
from tests.faults.readers import DROPPED
from tests.oracle.client import tokens
from tests.oracle.trial import Places, trial
from tests.stack import UNLIMITED, RunningStack, running_stack

PATIENCE_SECONDS = 30
USERS, CONNECTIONS = 20, 100
# The limit is so low that any machine has too much to do.
LIMITS = UNLIMITED | {"AUDIT_SECONDS": "2", "MAX_REQUESTS": "5", "STALL_SECONDS": "1"}


@pytest.fixture(scope="module")
def tight() -> Iterator[RunningStack]:
    """A stack that is soon overloaded, and has little patience with readers."""
    with running_stack(LIMITS) as stack:
        yield stack


async def test_what_is_too_much_is_refused_and_nothing_is_lost(tight: RunningStack) -> None:
    places = Places.of(tight)
    users = [f"flood-{number}" for number in range(USERS)]
    passes = await tokens(places.auth, places.operator_secret, users)
    before = vitals.pids(tight)
    async with trial(places, users=1, count=0) as work:
        load = OpenLoop(places.gateway, passes, work.history)
        async with load.connected(CONNECTIONS):
            flow = await load.saturate(CONNECTIONS, seconds=2)
            assert flow.answers.keys() >= {"200", "503"}
            assert flow.malformed == 0
            await load.resolve()
            calm = await load.saturate(1, seconds=0.5)
            assert set(calm.answers) == {"200"}, calm.answers
        verdict = await work.verdict(patience_seconds=PATIENCE_SECONDS)
    assert verdict.violations == []
    assert vitals.pids(tight) == before


async def test_a_reader_that_never_reads_is_dropped_and_nobody_waits_for_it(
    tight: RunningStack,
) -> None:
    places = Places.of(tight)
    stuck = [
        Reader(places.notification, path, Race(""), Pace.STUCK) for path in (WEBSOCKET, EVENTS)
    ]
    tasks = [asyncio.ensure_future(reader.watch()) for reader in stuck]
    async with trial(places, users=10, screens=3, connections=4) as work:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await vitals.metrics(places.notification, [DROPPED]))[DROPPED] < len(stuck):
                await asyncio.sleep(0.2)
        verdict = await work.verdict(patience_seconds=PATIENCE_SECONDS)
    for task in tasks:
        task.cancel()
    assert verdict.violations == []
