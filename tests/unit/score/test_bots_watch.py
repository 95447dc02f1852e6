"""Watching increments: what is looked at, and that nothing of it gets in the ledger's way."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from libs.common import metrics
from libs.common.contracts.reviews import Rule
from libs.common.errors import Unavailable
from libs.common.tasks import background
from services.score.domain.bots import Sighting, Suspicion, rules_with
from services.score.domain.increments import Entry
from services.score.usecases import suspicion as module
from services.score.usecases.suspicion import (
    MAX_SIGHTINGS_PER_CALL,
    MAX_WAITING_COMMITS,
    WatchIncrements,
)
from tests.fakes import MemoryLedger

FINGERPRINT = bytes(range(16))


class Signals:
    """Suspects whoever sends 13 points, under every rule given."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.calls: list[list[Sighting]] = []
        self.rules = rules
        self.off = False
        self.failure: Exception | None = None

    async def measure(self, sightings: Sequence[Sighting]) -> list[Suspicion] | None:
        self.calls.append(list(sightings))
        if self.failure:
            raise self.failure
        if self.off:
            return None
        return [
            Suspicion(s.user_id, rule, 1, s.at)
            for s in sightings
            if s.points == 13
            for rule in self.rules
        ]

    @property
    def seen(self) -> list[Sighting]:
        return [sighting for call in self.calls for sighting in call]


class Suspects:
    def __init__(self) -> None:
        self.opened: list[tuple[str, str]] = []

    async def open(self, suspicion: Suspicion) -> None:
        self.opened.append((suspicion.user_id, suspicion.rule.name))


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def suspects() -> Suspects:
    return Suspects()


@pytest.fixture
def watch(signals: Signals, suspects: Suspects, monkeypatch: pytest.MonkeyPatch) -> WatchIncrements:
    monkeypatch.setattr(module, "COOL_DOWN_SECONDS", 0)
    monkeypatch.setattr(module, "GATHER_SECONDS", 0)
    return WatchIncrements(signals, suspects)


@asynccontextmanager
async def looking(watch: WatchIncrements) -> AsyncIterator[None]:
    """Let it look at everything that is offered before the block's end."""
    async with background(watch.run(), name="bots"):
        yield
        for _ in range(200):
            await asyncio.sleep(0)


async def offer(
    watch: WatchIncrements, *entries: Entry, ledger: MemoryLedger | None = None
) -> None:
    watch.offer(entries, await (ledger or MemoryLedger()).append(entries))


def unseen(reason: str) -> float:
    return float(metrics.BOTS_UNSEEN.labels(reason)._value.get())


async def test_what_was_accepted_is_looked_at_as_the_ledger_has_it(
    watch: WatchIncrements, signals: Signals
) -> None:
    ledger = MemoryLedger()
    entries = [Entry("alice", "1", 10, FINGERPRINT), Entry("bob", "1", 20)]
    commit = await ledger.append(entries)
    async with looking(watch):
        watch.offer(entries, commit)

    assert signals.seen == [
        Sighting("alice", FINGERPRINT.hex(), commit.changes[0].reached_at, 10),
        Sighting("bob", "", commit.changes[1].reached_at, 20),
    ]


async def test_what_was_not_accepted_or_repeated_is_not(
    watch: WatchIncrements, signals: Signals
) -> None:
    ledger = MemoryLedger()
    async with looking(watch):
        await offer(watch, Entry("alice", "1", 10), ledger=ledger)
        again = [Entry("alice", "1", 10), Entry("alice", "1", 99), Entry("alice", "2", 7)]
        await offer(watch, *again, ledger=ledger)
        await offer(watch, *again, ledger=ledger)

    assert [sighting.points for sighting in signals.seen] == [10, 7]


async def test_large_commits_are_looked_at_in_parts(
    watch: WatchIncrements, signals: Signals
) -> None:
    async with looking(watch):
        await offer(watch, *(Entry("alice", str(n), 1) for n in range(450)))

    assert [len(call) for call in signals.calls] == [MAX_SIGHTINGS_PER_CALL] * 4 + [50]


async def test_only_tags_and_holds_reach_a_person_and_all_are_counted(
    watch: WatchIncrements, signals: Signals, suspects: Suspects
) -> None:
    whole = {"signal": "active_hours", "window_seconds": 60, "threshold": 1, "shadow": False}
    signals.rules = rules_with(
        {
            "see": {**whole, "action": "observe"},
            "tag": {**whole, "action": "tag"},
            "hold": {**whole, "action": "hold"},
            "dark": {**whole, "action": "hold", "shadow": True},
        }
    )[-4:]
    effects = [("see", "observe"), ("tag", "tag"), ("hold", "hold"), ("dark", "shadow")]
    counters = [metrics.BOTS_SUSPICIONS.labels(*labels) for labels in effects]
    before = [counter._value.get() for counter in counters]
    async with looking(watch):
        await offer(watch, Entry("alice", "1", 13), Entry("bob", "1", 12))

    assert suspects.opened == [("alice", "tag"), ("alice", "hold")]
    assert [c._value.get() - n for c, n in zip(counters, before, strict=True)] == [1, 1, 1, 1]


async def test_switched_off_it_counts_what_it_does_not_see(
    watch: WatchIncrements, signals: Signals
) -> None:
    signals.off = True
    before = unseen("off")
    async with looking(watch):
        await offer(watch, Entry("alice", "1", 13), Entry("alice", "2", 1))

    assert unseen("off") - before == 2


@pytest.mark.parametrize("failure", [Unavailable("no Redis"), ZeroDivisionError("a fault")])
async def test_a_failure_is_counted_and_it_goes_on(
    watch: WatchIncrements, signals: Signals, failure: Exception
) -> None:
    before = unseen("failed")
    async with looking(watch):
        signals.failure = failure
        await offer(watch, Entry("alice", "1", 13))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        signals.failure = None
        await offer(watch, Entry("bob", "1", 5))

    assert unseen("failed") - before == 1
    assert signals.calls[-1][0].user_id == "bob"


async def test_when_too_much_waits_the_rest_is_let_go_and_counted(
    watch: WatchIncrements, signals: Signals
) -> None:
    before = unseen("full")
    for n in range(MAX_WAITING_COMMITS + 3):
        await offer(watch, Entry("alice", str(n), 1), Entry("bob", str(n), 1))
    assert unseen("full") - before == 6

    async with looking(watch):
        pass
    assert len(signals.seen) == 2 * MAX_WAITING_COMMITS


async def test_nothing_is_looked_at_before_the_caller_has_gone_on(
    watch: WatchIncrements, signals: Signals
) -> None:
    async with looking(watch):
        await asyncio.sleep(0)
        entries = [Entry("alice", "1", 1)]
        watch.offer(entries, await MemoryLedger().append(entries))
        assert signals.calls == []
