"""A short kill campaign: every process once, most of them where it hurts."""

import asyncio
from collections.abc import Iterator

import pytest

from libs.devstack.stack import SERVICES
from tests.embedded import temporary_folder
from tests.faults.arming import Armory
from tests.faults.kills import ENVIRONMENT
from tests.faults.recovery import recovery
from tests.faults.victims import SERVERS, Victims
from tests.oracle.trial import Places, trial
from tests.stack import RunningStack, running_stack

# In an order in which nobody waits long: a fresh gateway asks auth, a dead lane leaves a batch.
WAYS = (
    *("gateway.forwarded", "auth.judging", "score.claimed", "scoreboard.applied"),
    *("postgres", "notification.fan-out", "kafka", "rebuild.copied"),
)
# No board may wait for a dead builder's lock, nor anybody for anything else, as long as this.
RECOVERY_SECONDS = 45
PATIENCE_SECONDS = 30


@pytest.fixture
def armory() -> Iterator[Armory]:
    with temporary_folder() as folder:
        yield Armory(folder)


@pytest.fixture
def stack(armory: Armory) -> Iterator[RunningStack]:
    with running_stack({**ENVIRONMENT, **armory.environment}) as stack:
        yield stack


async def test_every_process_may_be_killed_where_it_hurts(
    stack: RunningStack, armory: Armory
) -> None:
    victims = Victims(stack, armory)
    died: set[str] = set()
    async with trial(Places.of(stack), rate=200) as work:
        for way in WAYS:
            deaths = await victims.kill(way)
            async with asyncio.timeout(RECOVERY_SECONDS):
                print(way, await recovery(work, victims.all_replaced(deaths)))
            died |= {death.process for death in deaths}
        verdict = await work.verdict(patience_seconds=PATIENCE_SECONDS)
    print(verdict)
    assert died == {*SERVICES, *SERVERS}
    assert not verdict.violations
    counted, _ = verdict.history.resolved
    assert counted  # died between commit and answer, and yet counted once
