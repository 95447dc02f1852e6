"""Apply, announce, audit and rebuild together, on a ledger and a board in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any

import pytest

from libs.common.clock import system_clock
from libs.common.contracts.scores import LedgerDigest, LedgerPage
from libs.common.errors import PublishFailed
from libs.common.tasks import background
from services.score.domain.increments import Entry
from services.scoreboard.domain import Row, Top
from services.scoreboard.publisher import TooManyParked
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.apply import ApplyUpdates
from services.scoreboard.usecases.audit import Audit
from services.scoreboard.usecases.ports import BoardGone, BoardUnavailable, Gap
from services.scoreboard.usecases.rebuild import Rebuild
from tests.fakes import MemoryBoard, MemoryLedger

WINDOW_SECONDS = 0.02
HEARTBEAT_SECONDS = 0.2


class Screens:
    """Everything that was announced."""

    def __init__(self) -> None:
        self.tops: list[Top] = []
        self.broken = False

    async def publish(self, top: Top, moves: Mapping[str, int]) -> None:
        if self.broken:
            raise PublishFailed("no broker")
        self.tops.append(top)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.tops) < count:
                await asyncio.sleep(0.005)


class Parked:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def park(self, value: bytes | None, reason: str) -> None:
        if len(self.reasons) == 3:
            raise TooManyParked("3 in a test")
        self.reasons.append(reason)


class Log:
    async def ends(self) -> Mapping[int, int]:
        return {0: 40}


class World:
    """The parts, put together as main.py does."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.board = MemoryBoard()
        self.screens = Screens()
        self.parked = Parked()
        self.announcer = Announcer(
            self.board,
            self.screens,
            window_seconds=WINDOW_SECONDS,
            heartbeat_seconds=HEARTBEAT_SECONDS,
        )
        self.rebuild = Rebuild(self.board, self.ledger, Log(), system_clock)
        self.apply = ApplyUpdates(self.board, self.announcer, self.parked)
        self.audit = Audit(
            self.board, self.ledger, self.rebuild, self.announcer, interval_seconds=30
        )

    def second_announcer(self) -> Announcer:
        """Another replica's, of the same board."""
        return Announcer(
            self.board,
            self.screens,
            window_seconds=WINDOW_SECONDS,
            heartbeat_seconds=HEARTBEAT_SECONDS,
        )

    async def earn(self, *entries: Entry) -> list[bytes]:
        """Write to the ledger; the events that the relay would publish."""
        commit = await self.ledger.append(entries)
        return [change.event(commit.ledger_epoch) for change in commit.changes]

    async def handle(self, values: Sequence[bytes], reached: int) -> None:
        await self.apply.handle(values, {0: reached}, announce=True)

    async def shown(self) -> list[tuple[str, int]]:
        return await self.board.leaders(await self.board.current(), 100)

    async def truth(self) -> list[tuple[str, int]]:
        return [(row.user_id, row.score) for row in (await self.ledger.top(limit=100)).rows]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("services.scoreboard.usecases.audit.SETTLE_SECONDS", 0.001)
    world = World()
    await world.earn(Entry("old", "k", 5))
    assert await world.rebuild.run("missing", 0)
    await world.apply.locate(frozenset({0}))
    async with background(world.announcer.run(), name="announcer"):
        await world.screens.until(1)
        yield world


async def test_a_rebuilt_board_is_the_ledger_and_knows_where_to_read_on(world: World) -> None:
    assert await world.shown() == [("old", 5)]
    assert await world.apply.locate(frozenset({0, 1})) == {0: 40, 1: None}


async def test_an_update_reaches_the_screens(world: World) -> None:
    await world.handle(await world.earn(Entry("alice", "k", 10)), 41)
    await world.screens.until(2)
    assert world.screens.tops[-1].entries == (("alice", 10), ("old", 5))
    assert world.screens.tops[-1].reason == "scores"
    assert world.screens.tops[-1].accepted_us > 0


async def test_duplicates_and_old_news_change_no_screen(world: World) -> None:
    first = await world.earn(Entry("alice", "1", 10))
    second = await world.earn(Entry("alice", "2", 10))
    await world.handle(second, 42)
    await world.screens.until(2)
    await world.handle(first + second + first, 43)
    assert await world.shown() == await world.truth()
    positions = [top.position for top in world.screens.tops]
    assert positions == sorted(positions)


async def test_many_changes_in_one_window_are_one_frame_with_the_last(world: World) -> None:
    for number in range(50):
        await world.handle(await world.earn(Entry("alice", str(number), 1)), 41 + number)
    await asyncio.sleep(3 * WINDOW_SECONDS)
    assert len(world.screens.tops) <= 4
    assert world.screens.tops[-1].entries[0] == ("alice", 50)


async def test_two_replicas_hide_nothing_from_each_other(world: World) -> None:
    other = ApplyUpdates(world.board, announcer := world.second_announcer(), world.parked)
    await other.locate(frozenset({1}))
    async with background(announcer.run(), name="other"):
        await world.handle(await world.earn(Entry("alice", "k", 10)), 41)
        await world.screens.until(2)
        hold = Row("alice", 10, 1, 2, 1, held=True)
        release = Row("alice", 10, 1, 3, 1)
        epoch = world.apply.epoch
        for mine, row in ((announcer, hold), (world.announcer, release)):
            await asyncio.sleep(2 * WINDOW_SECONDS)
            await world.board.apply(epoch, [row], {})
            mine.changed()
        await asyncio.sleep(2 * WINDOW_SECONDS)
    assert world.screens.tops[-1].entries == (("alice", 10), ("old", 5))


async def test_two_replicas_together_say_one_frame_per_window(world: World) -> None:
    other = world.second_announcer()
    started = system_clock.monotonic()
    async with background(other.run(), name="other"):
        for number in range(50):
            await world.handle(await world.earn(Entry("alice", str(number), 1)), 41 + number)
            other.changed()
            await asyncio.sleep(WINDOW_SECONDS / 10)
        windows = (system_clock.monotonic() - started) / WINDOW_SECONDS
        await asyncio.sleep(3 * WINDOW_SECONDS)
    assert len(world.screens.tops) <= windows + 4
    assert world.screens.tops[-1].entries[0] == ("alice", 50)


async def test_a_snapshot_that_was_not_published_is_tried_again(world: World) -> None:
    world.screens.broken = True
    await world.handle(await world.earn(Entry("alice", "k", 10)), 41)
    await asyncio.sleep(3 * WINDOW_SECONDS)
    world.screens.broken = False
    await world.screens.until(2)
    assert world.screens.tops[-1].entries[0] == ("alice", 10)


async def test_a_heartbeat_repeats_the_newest(world: World) -> None:
    await world.screens.until(3)
    assert world.screens.tops[-1].reason == "heartbeat"
    assert world.screens.tops[-1].position == world.screens.tops[-2].position


async def test_what_nobody_can_read_is_parked_within_a_budget(world: World) -> None:
    good = await world.earn(Entry("alice", "k", 10))
    bad = [b"{", b'{"user_id":"x"}', b""]
    await world.handle(bad + good, 44)
    assert len(world.parked.reasons) == 3
    assert (await world.shown())[0] == ("alice", 10)
    with pytest.raises(TooManyParked):
        await world.handle([b"[]"], 45)


async def test_lost_updates_are_found_and_repaired(world: World) -> None:
    await world.earn(Entry("alice", "k", 10), Entry("bob", "k", 7))
    report = await world.audit.once()
    assert (report.result, report.users, report.points) == ("repaired", 2, 17)
    assert await world.shown() == await world.truth()
    assert (await world.audit.once()).result == "equal"
    await world.screens.until(2)


async def test_an_old_version_on_the_board_is_found_and_repaired(world: World) -> None:
    first = await world.earn(Entry("alice", "1", 10))
    await world.earn(Entry("alice", "2", 5))
    await world.handle(first, 41)
    report = await world.audit.once()
    assert (report.result, report.users, report.points) == ("repaired", 1, 5)
    assert await world.shown() == await world.truth()


async def test_a_ledger_that_went_back_is_noticed_while_scores_pour_in(world: World) -> None:
    await world.handle(await world.earn(Entry("alice", "1", 10)), 41)
    backup = dict(world.ledger.rows)
    await world.handle(await world.earn(Entry("alice", "2", 5)), 42)
    world.ledger.rows = backup
    digest = world.ledger.digest
    keys = count(1)

    async def busy() -> LedgerDigest:
        key = next(keys)
        await world.handle(await world.earn(Entry("bob", f"k{key}", 1)), 42 + key)
        return await digest()

    world.ledger.digest = busy  # type: ignore[method-assign]
    assert (await world.audit.once()).result == "rebuilt"
    assert await world.shown() == await world.truth()


async def test_a_board_that_is_a_moment_behind_is_not_built_anew(world: World) -> None:
    top = world.ledger.top

    async def meanwhile(*, limit: int) -> LedgerPage:
        world.ledger.top = top  # type: ignore[method-assign]
        await world.earn(Entry("alice", "k", 10))
        return await top(limit=limit)

    world.ledger.top = meanwhile  # type: ignore[method-assign]
    assert (await world.audit.once()).result == "equal"


async def test_a_board_that_another_replica_repairs_meanwhile_is_not_built_anew(
    world: World,
) -> None:
    await world.earn(Entry("alice", "k", 10))
    totals = world.ledger.totals

    async def meanwhile(*, after: str, limit: int) -> LedgerPage:
        page = await totals(after=after, limit=limit)
        rows = [Row.of_ledger(row, 1) for row in page.rows]
        await world.board.apply(await world.board.current(), rows, {})
        return page

    world.ledger.totals = meanwhile  # type: ignore[method-assign]
    assert (await world.audit.once()).result == "equal"


async def test_leaders_in_another_order_lead_to_a_new_board(world: World) -> None:
    await world.handle(await world.earn(Entry("alice", "k", 5)), 41)
    world.board.leaders = backwards(world.board.leaders)  # type: ignore[method-assign]
    assert (await world.audit.once()).result == "rebuilt"


def backwards(leaders: Callable[[int, int], Awaitable[list[Any]]]) -> Any:
    async def read(epoch: int, count: int) -> list[Any]:
        return (await leaders(epoch, count))[::-1]

    return read


async def test_a_user_whom_the_ledger_does_not_know_leads_to_a_new_board(world: World) -> None:
    await world.board.apply(await world.board.current(), [Row("ghost", 99, 1, 1, 0)], {})
    assert (await world.audit.once()).result == "rebuilt"
    assert await world.shown() == [("old", 5)]


async def test_a_row_with_the_right_version_but_another_score_leads_to_a_new_board(
    world: World,
) -> None:
    await world.earn(Entry("alice", "1", 10), Entry("bob", "1", 10))
    alice = (await world.ledger.totals(after="", limit=1)).rows[0]
    wrong = Row.of_ledger(alice, 1)
    await world.board.apply(
        await world.board.current(), [Row("alice", 77, 1, 1, wrong.reached_us)], {}
    )
    assert (await world.audit.once()).result == "rebuilt"
    assert await world.shown() == await world.truth()


async def test_a_ledger_that_was_restored_to_the_past_wins(world: World) -> None:
    await world.handle(await world.earn(Entry("alice", "1", 10), Entry("alice", "2", 10)), 42)
    restored = MemoryLedger()
    restored.ledger_epoch = 2
    await restored.append([Entry("alice", "1", 10)])
    world.ledger.rows, world.ledger.ledger_epoch = restored.rows, 2
    assert (await world.audit.once()).result == "rebuilt"
    assert await world.shown() == [("alice", 10)]


async def test_a_restarted_redis_leads_to_a_new_epoch(world: World) -> None:
    before = await world.board.current()
    world.board.run += 1
    assert (await world.audit.once()).result == "rebuilt"
    assert await world.board.current() > before


async def test_a_flushed_redis_is_noticed_by_the_next_update(world: World) -> None:
    world.board.flush()
    with pytest.raises(BoardGone):
        await world.handle(await world.earn(Entry("alice", "k", 1)), 41)
    assert await world.rebuild.run("missing", world.apply.epoch)
    assert await world.shown() == await world.truth()


async def test_a_flushed_redis_is_noticed_by_the_audit_while_nobody_scores(world: World) -> None:
    world.board.flush()
    assert (await world.audit.once()).result == "rebuilt"
    assert await world.shown() == [("old", 5)]


async def test_a_redis_that_lost_its_tail_is_noticed_by_the_next_update(world: World) -> None:
    await world.handle(await world.earn(Entry("alice", "1", 1)), 50)
    epoch = await world.board.current()
    world.board._offsets[epoch][0] = 45
    with pytest.raises(Gap):
        await world.handle(await world.earn(Entry("alice", "2", 1)), 51)


async def test_a_second_builder_leaves_it_to_the_first(world: World) -> None:
    await world.board.lock("another", seconds=60)
    before = await world.board.current()
    assert not await world.rebuild.run("drill", before)
    assert await world.board.current() == before


async def test_of_two_who_found_the_same_loss_the_second_leaves_it_as_it_is(world: World) -> None:
    before = await world.board.current()
    assert await world.rebuild.run("drill", before)
    built = await world.board.current()
    assert not await world.rebuild.run("drill", before)
    assert await world.board.current() == built


async def test_a_board_that_is_replaced_during_an_audit_is_not_built_again(world: World) -> None:
    before = await world.board.current()
    digest = world.ledger.digest

    async def meanwhile() -> LedgerDigest:
        world.ledger.digest = digest  # type: ignore[method-assign]
        assert await world.rebuild.run("drill", before)
        return await digest()

    world.ledger.digest = meanwhile  # type: ignore[method-assign]
    await world.audit.once()
    assert await world.board.current() == before + 1


async def test_a_board_that_is_lost_while_it_is_built_is_for_a_later_call(world: World) -> None:
    begin = world.board.begin

    async def lost(epoch: int, ledger_epoch: int, offsets: Mapping[int, int]) -> None:
        await begin(epoch, ledger_epoch, offsets)
        world.board.flush()

    world.board.begin = lost  # type: ignore[method-assign]
    with pytest.raises(BoardUnavailable):
        await world.rebuild.run("drill", await world.board.current())
    world.board.begin = begin  # type: ignore[method-assign]
    assert await world.rebuild.run("missing", 0)


async def test_an_empty_batch_finds_out_that_another_board_is_shown(world: World) -> None:
    await world.apply.handle([], {}, announce=True)
    assert await world.rebuild.run("drill", world.apply.epoch)
    with pytest.raises(BoardGone):
        await world.apply.handle([], {}, announce=True)
