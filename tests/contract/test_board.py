"""One suite for the board in memory and the board in Redis."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.contracts.values import MAX_TOTAL
from services.scoreboard.domain import Row, in_order, newest
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from services.scoreboard.usecases.ports import (
    AnnouncedBoard,
    AuditedBoard,
    BoardBuilder,
    BoardDigest,
    BoardGone,
    Due,
    Gap,
    Later,
)
from tests.fakes import MemoryBoard

WINDOW_SECONDS = 0.05

_epochs = count(1)


class Board(AuditedBoard, BoardBuilder, AnnouncedBoard):
    """All that a board does."""


@pytest.fixture(params=["memory", "redis"])
async def board(request: pytest.FixtureRequest) -> AsyncIterator[Board]:
    if request.param == "memory":
        yield MemoryBoard()  # type: ignore[misc]
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    yield RedisBoard(redis, Keys("local", "global"))  # type: ignore[misc]
    await redis.aclose()


async def shown(board: Board, *rows: Row, ledger_epoch: int = 1) -> int:
    epoch = next(_epochs)
    assert await board.lock("builder", seconds=60)
    await board.begin(epoch, ledger_epoch, {0: 100})
    await board.fill(epoch, rows)
    assert await board.finish(epoch, "builder")
    await board.unlock("builder")
    return epoch


def row(user: str, score: int, version: int = 1, at: int = 0, **more: bool | int) -> Row:
    return Row(user, score, int(more.get("ledger", 1)), version, at, bool(more.get("held", False)))


async def test_there_is_no_board_at_first(board: Board) -> None:
    assert await board.current() == 0
    with pytest.raises(BoardGone):
        await board.offsets(0)
    with pytest.raises(BoardGone):
        await due(board, 0)


async def test_leaders_are_first_and_the_earliest_wins_a_tie(board: Board) -> None:
    epoch = await shown(
        board, row("late", 10, at=9), row("early", 10, at=3), row("b", 5, at=1), row("a", 5, at=1)
    )
    order = [user for user, _ in await board.leaders(epoch, 10)]
    assert order == ["early", "late", "a", "b"]


async def test_scores_up_to_the_limit_are_exact(board: Board) -> None:
    epoch = await shown(board, row("a", MAX_TOTAL), row("b", MAX_TOTAL - 1))
    assert await board.leaders(epoch, 2) == [("a", MAX_TOTAL), ("b", MAX_TOTAL - 1)]
    assert (await board.digest(epoch)).points == 2 * MAX_TOTAL - 1


async def test_an_older_version_changes_nothing(board: Board) -> None:
    epoch = await shown(board, row("a", 10, version=5))
    done = await board.apply(epoch, [row("a", 99, version=4), row("a2", 1)], {})
    assert done.count == 1
    assert (await board.leaders(epoch, 1)) == [("a", 10)]


async def test_a_later_ledger_epoch_beats_a_larger_version(board: Board) -> None:
    epoch = await shown(board, row("a", 10, version=5))
    await board.apply(epoch, [row("a", 3, version=2, ledger=2)], {})
    assert (await board.leaders(epoch, 1)) == [("a", 3)]


async def test_what_an_older_ledger_said_is_no_news(board: Board) -> None:
    epoch = await shown(board, row("a", 10, ledger=2), ledger_epoch=2)
    late = [row("a", 99, version=9), row("never-was", 99, version=9)]
    assert (await board.apply(epoch, late, {})).count == 0
    assert await board.leaders(epoch, 9) == [("a", 10)]
    assert await board.digest(epoch) == BoardDigest(2, 1, 10, 1)


async def test_a_score_can_fall_and_the_eleventh_comes_back(board: Board) -> None:
    epoch = await shown(board, *(row(f"u{n:02}", 100 - n) for n in range(11)))
    done = await board.apply(epoch, [row("u00", 1, version=2)], {})
    assert done.top is not None
    assert [user for user, _ in done.top.entries] == [f"u{n:02}" for n in range(1, 11)]


async def test_who_is_held_is_counted_but_not_shown_and_returns_to_the_same_rank(
    board: Board,
) -> None:
    epoch = await shown(board, row("a", 3, at=1), row("b", 2, at=1), row("c", 2, at=2))
    await board.apply(epoch, [row("b", 2, version=2, at=1, held=True)], {})
    assert [u for u, _ in await board.leaders(epoch, 9)] == ["a", "c"]
    assert await board.digest(epoch) == BoardDigest(1, 3, 7, 4)
    await board.apply(epoch, [row("b", 2, version=3, at=1)], {})
    assert [u for u, _ in await board.leaders(epoch, 9)] == ["a", "b", "c"]


async def test_rev_counts_changes_of_the_top_ten_only(board: Board) -> None:
    epoch = await shown(board, *(row(f"u{n:02}", 100 + n) for n in range(10)))
    before = await told(board, epoch)
    assert (await board.apply(epoch, [row("low", 1)], {})).top is None
    changed = await board.apply(epoch, [row("low", 999, version=2)], {})
    assert changed.top is not None
    assert changed.top.position == (epoch, before.top.rev + 1)
    after = await told(board, epoch)
    assert (after.top.position, after.top.entries) == (changed.top.position, changed.top.entries)


async def test_offsets_are_kept_with_the_state_and_never_fall(board: Board) -> None:
    epoch = await shown(board)
    assert await board.offsets(epoch) == {0: 100}
    await board.apply(epoch, [row("a", 1)], {0: (100, 110), 3: (0, 7)})
    await board.apply(epoch, [], {0: (100, 105)})  # a zombie, far behind
    assert await board.offsets(epoch) == {0: 110, 3: 7}


async def test_a_state_that_went_back_in_time_is_noticed(board: Board) -> None:
    epoch = await shown(board)
    with pytest.raises(Gap):
        await board.apply(epoch, [row("a", 1)], {0: (120, 130)})
    assert await board.leaders(epoch, 1) == []


async def test_a_board_that_was_replaced_takes_nothing(board: Board) -> None:
    old = await shown(board, row("a", 1))
    new = await shown(board, row("a", 2))
    assert await board.current() == new
    with pytest.raises(BoardGone):
        await board.apply(old, [row("a", 3, version=9)], {})


async def test_a_board_of_before_a_restart_takes_nothing(board: Board) -> None:
    """Its last writes may be lost, and a rev that was announced would get another content."""
    epoch = await shown(board, row("a", 1))
    assert not await board.server_changed(epoch)
    await restart(board, epoch)
    assert await board.server_changed(epoch)
    with pytest.raises(BoardGone):
        await board.apply(epoch, [row("a", 2, version=2)], {})


async def restart(board: Board, epoch: int) -> None:
    """As if the server that has the board were another run of it."""
    if isinstance(board, MemoryBoard):
        board.run += 1
    elif isinstance(board, RedisBoard):
        await board._redis.hset(board._keys.of(epoch)[2], "run_id", "another run")


async def due(board: Board, epoch: int) -> Due | Later:
    return await board.due(epoch, window_seconds=WINDOW_SECONDS, heartbeat_seconds=60)


async def told(board: Board, epoch: int) -> Due:
    """Wait for the turn, take it, and say so."""
    while isinstance(now := await due(board, epoch), Later):
        assert not now.quiet
        await asyncio.sleep(now.seconds)
    await board.announced(now)
    return now


async def test_a_new_board_is_announced_whatever_it_holds(board: Board) -> None:
    first = await told(board, await shown(board))
    assert (first.top.reason, first.top.entries, first.before) == ("rebuild", (), None)
    assert first.top.accepted_us == 0


async def test_a_change_is_announced_with_what_was_said_before(board: Board) -> None:
    epoch = await shown(board, row("a", 1))
    first = await told(board, epoch)
    quiet = await due(board, epoch)
    assert isinstance(quiet, Later)
    assert quiet.quiet
    await board.apply(epoch, [row("b", 2, at=9)], {})
    second = await told(board, epoch)
    assert (second.top.reason, second.top.accepted_us) == ("scores", 9)
    assert second.top.entries == (("b", 2), ("a", 1))
    assert second.before is not None
    assert second.before.position == first.top.position
    assert second.before.entries == first.top.entries
    await board.apply(epoch, [row("c", 3, at=4)], {})
    assert (await told(board, epoch)).top.accepted_us == 4


async def test_of_all_who_ask_in_a_window_one_has_the_turn(board: Board) -> None:
    epoch = await shown(board)
    await told(board, epoch)
    await asyncio.gather(*(board.current() for _ in range(5)))  # connect, outside of the window
    await asyncio.sleep(WINDOW_SECONDS)
    await board.apply(epoch, [row("a", 1)], {})
    answers = await asyncio.gather(*(due(board, epoch) for _ in range(5)))
    assert sum(isinstance(answer, Due) for answer in answers) == 1
    waits = [answer for answer in answers if isinstance(answer, Later)]
    assert all(0 < wait.seconds <= WINDOW_SECONDS and not wait.quiet for wait in waits)


async def test_what_was_not_said_in_the_end_is_due_again(board: Board) -> None:
    epoch = await shown(board)
    await told(board, epoch)
    await board.apply(epoch, [row("a", 1, at=5)], {})
    await asyncio.sleep(WINDOW_SECONDS)
    first = await due(board, epoch)
    await asyncio.sleep(WINDOW_SECONDS)
    assert await due(board, epoch) == first


async def test_a_change_that_was_taken_back_is_nothing_to_say(board: Board) -> None:
    epoch = await shown(board, row("a", 1))
    await told(board, epoch)
    await board.apply(epoch, [row("b", 2)], {})
    await board.apply(epoch, [row("b", 2, version=2, held=True)], {})
    await asyncio.sleep(WINDOW_SECONDS)
    assert isinstance(await due(board, epoch), Later)


async def test_a_correction_is_told_as_one_whatever_followed_in_its_window(board: Board) -> None:
    epoch = await shown(board, row("a", 9))
    await told(board, epoch)
    await board.apply(epoch, [Row("a", 1, 1, 2, 0, correction=True)], {})
    await board.apply(epoch, [row("b", 2)], {})
    assert (await told(board, epoch)).top.reason == "correction"
    await board.apply(epoch, [row("c", 3)], {})
    assert (await told(board, epoch)).top.reason == "scores"


async def test_a_late_word_does_not_hide_what_was_said_after_it(board: Board) -> None:
    epoch = await shown(board, row("a", 1))
    early = await told(board, epoch)
    await board.apply(epoch, [row("b", 2)], {})
    await told(board, epoch)
    await board.announced(early)
    await asyncio.sleep(WINDOW_SECONDS)
    assert isinstance(await due(board, epoch), Later)


async def test_a_heartbeat_repeats_the_newest_in_silence_only(board: Board) -> None:
    epoch = await shown(board, row("a", 1))
    first = await told(board, epoch)
    beat = await board.due(epoch, window_seconds=60, heartbeat_seconds=0)
    assert isinstance(beat, Due)
    assert (beat.top.reason, beat.top.position) == ("heartbeat", first.top.position)


async def test_an_older_board_is_never_shown_after_a_newer(board: Board) -> None:
    old, new = next(_epochs), next(_epochs)
    for epoch in (old, new):
        await board.begin(epoch, 1, {})
    await board.lock("builder", seconds=60)
    assert await board.finish(new, "builder")
    assert not await board.finish(old, "builder")
    assert await board.current() == new


async def test_a_builder_that_lost_its_lock_shows_nothing(board: Board) -> None:
    epoch = next(_epochs)
    await board.lock("one", seconds=60)
    await board.begin(epoch, 1, {})
    await board.unlock("one")
    assert not await board.finish(epoch, "one")
    await board.lock("two", seconds=60)
    await board.keep_lock("one", seconds=60)
    await board.begin(epoch, 1, {})
    assert not await board.finish(epoch, "one")
    assert await board.current() == 0


async def test_a_board_is_not_shown_if_what_was_put_in_may_be_lost(board: Board) -> None:
    await board.lock("builder", seconds=60)
    never_begun = next(_epochs)
    await board.fill(never_begun, [row("a", 1)])
    with pytest.raises(BoardGone):
        await board.finish(never_begun, "builder")
    epoch = next(_epochs)
    await board.begin(epoch, 1, {})
    await board.fill(epoch, [row("a", 1)])
    await restart(board, epoch)
    with pytest.raises(BoardGone):
        await board.finish(epoch, "builder")
    assert await board.current() == 0


async def test_only_one_builder_holds_the_lock(board: Board) -> None:
    assert await board.lock("one", seconds=60)
    assert not await board.lock("one", seconds=60)
    assert not await board.lock("two", seconds=60)
    await board.unlock("two")
    assert not await board.lock("two", seconds=60)
    await board.unlock("one")
    assert await board.lock("two", seconds=60)


async def test_rows_come_back_as_they_went_in(board: Board) -> None:
    weird = 'us"er\\|%d:{id}'
    rows = [row("a", 7, version=3, at=12), row(weird, 5, at=2**50, held=True)]
    epoch = await shown(board, rows[0], rows[1]._replace(correction=True))
    assert await board.rows(epoch, ["a", "nobody", weird]) == [rows[0], None, rows[1]]
    assert await board.rows(epoch, []) == []


_rows = st.lists(
    st.builds(
        Row,
        user_id=st.sampled_from([f"user{n}" for n in range(14)]),
        score=st.integers(0, 3),
        ledger_epoch=st.integers(1, 2),
        version=st.integers(1, 6),
        reached_us=st.integers(0, 3),
        held=st.booleans(),
    ),
    max_size=40,
    # A version has one content: that is what the ledger promises.
    unique_by=lambda r: (r.user_id, r.ledger_epoch, r.version),
)


@st.composite
def _deliveries(draw: st.DrawFn) -> tuple[list[Row], list[list[Row]]]:
    """Rows, and the batches in which they arrive: repeated, shuffled and cut at random."""
    rows = draw(_rows)
    repeated = rows + draw(st.lists(st.sampled_from(rows), max_size=20)) if rows else []
    shuffled = draw(st.permutations(repeated))
    size = draw(st.integers(1, 10))
    return rows, [shuffled[start : start + size] for start in range(0, len(shuffled), size)]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deliveries=_deliveries())
async def test_duplicated_shuffled_and_sliced_updates_give_the_same_board(
    board: Board, deliveries: tuple[list[Row], list[list[Row]]]
) -> None:
    rows, batches = deliveries
    truth = in_order(newest(rows))
    epoch = await shown(board)
    revs = []
    for batch in batches:
        done = await board.apply(epoch, newest(batch), {})
        if done.top:
            revs.append(done.top.rev)
    expected = [(r.user_id, r.score) for r in truth]
    assert await board.leaders(epoch, 100) == expected
    assert list((await told(board, epoch)).top.entries) == expected[:10]
    assert revs == sorted(set(revs))
    kept = newest(rows)
    sums = (len(kept), sum(r.score for r in kept), sum(r.version for r in kept))
    digest = await board.digest(epoch)
    assert (digest.users, digest.points, digest.versions) == sums
