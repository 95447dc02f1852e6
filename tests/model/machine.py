"""
The steps: everything that people, processes and servers do to a board, in any order.

Each step is the product's own code from one wait to the next; what is checked after each one, and
in the end when all is quiet, is in `World`.
"""

import sys
from collections.abc import Sequence
from itertools import count
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from services.score.domain.changes import Commit
from services.score.domain.increments import Entry, Outcome
from tests.model.log import PARTITIONS
from tests.model.relay import Outcome as Fate
from tests.model.sightings import Sightings
from tests.model.stage import Stage
from tests.model.steps import step
from tests.model.truth import Case, Earned, Truth
from tests.model.world import MANY_RECORDS, USERS, World

MAX_POINTS = 3  # so few that many are level
MAX_ENTRIES_OF_A_CASE = 5
MAX_ENTRIES_PER_COMMIT = 3
MAX_RECORDS = 8
MAX_RECORDS_LOST = 4

users = st.sampled_from(USERS)
points = st.integers(1, MAX_POINTS)
anyone = st.integers(0, 50)  # of a list that is known only when the step is taken
partitions = st.integers(0, PARTITIONS - 1)
records = st.integers(1, MAX_RECORDS)
fates: st.SearchStrategy[Fate] = st.sampled_from(
    ["acked", "twice", "unacked", "refused", "not forgotten"]
)

T = TypeVar("T")


class ScoreboardMachine(RuleBasedStateMachine):
    """One sequence of steps on a stage."""

    def __init__(self, stage: Stage, sightings: Sightings) -> None:
        super().__init__()
        self.stage = stage
        self.sightings = sightings
        self.keys = count(1)
        self.backup: Truth | None = None
        ledger, board = stage.run(stage.open())
        self.world = World(ledger, board, sightings)

    @property
    def truth(self) -> Truth:
        return self.world.truth

    @initialize(scores=st.lists(points, max_size=len(USERS)))
    def begin(self, scores: list[int]) -> None:
        entries = [self._entry(user, n) for user, n in zip(USERS, scores, strict=False)]
        self.stage.run(self._begin(entries))

    # --- what people do

    @step(user=users, points=points)
    async def increment(self, user: str, points: int) -> None:
        await self._append([self._entry(user, points)])

    @step(earned=st.lists(st.tuples(users, points), min_size=1, max_size=4), repeated=st.booleans())
    async def increment_in_a_batch(self, earned: list[tuple[str, int]], repeated: bool) -> None:
        entries = [self._entry(user, n) for user, n in earned]
        await self._append([*entries, entries[0]] if repeated else entries)

    @step(when=lambda self: self.truth.earned, which=anyone)
    async def send_again(self, which: int) -> None:
        self.sightings.saw("an answer was repeated")
        await self._append([self._earned(which).entry])

    @step(when=lambda self: self.truth.earned, which=anyone)
    async def use_key_for_another_body(self, which: int) -> None:
        self.sightings.saw("a key was used for another body")
        entry = self._earned(which).entry
        await self._append([Entry(entry.user_id, entry.key, entry.delta + 1)])

    @step(
        when=lambda self: self.truth.earned,
        which=anyone,
        most=st.integers(1, MAX_ENTRIES_OF_A_CASE),
    )
    async def take_back(self, which: int, most: int) -> None:
        user = self._earned(which).entry.user_id
        keys = tuple(earned.entry.key for earned in self.truth.free(user)[-most:])
        if keys:
            case_id = f"case-{next(self.keys)}"
            await self.world.ledger.take_back(case_id, user, keys)
            self.truth.cases[case_id] = Case(user, keys)

    @step(when=lambda self: self._applied(), which=anyone)
    async def give_back(self, which: int) -> None:
        case_id = pick(self._applied(), which)
        await self.world.ledger.give_back(case_id)
        self.truth.cases[case_id] = Case(
            self.truth.cases[case_id].user, self.truth.cases[case_id].keys, gives_back=True
        )

    @step(
        when=lambda self: any(not case.finished for case in self.truth.cases.values()),
        limit=st.integers(1, MAX_ENTRIES_PER_COMMIT),
    )
    async def work_on_case(self, limit: int) -> None:
        before = self.truth.board()[:10]
        commit = await self.world.ledger.work(limit=limit)
        assert commit is not None
        user = self.truth.work(limit)
        assert [change.user_id for change in commit.changes] == [user]
        self._committed(commit)
        top = [[user for user, _ in board] for board in (before, self.truth.board()[:10])]
        if user in top[0] and user not in top[1]:
            self.sightings.saw("a reversal took a user out of the top ten")
        if user not in top[0] and user in top[1]:
            self.sightings.saw("a revert brought a user into the top ten")

    @step(when=lambda self: self.truth.earned, which=anyone, held=st.booleans())
    async def hold_or_release(self, which: int, held: bool) -> None:
        user = self._earned(which).entry.user_id
        commit = await self.world.ledger.set_held(user, held=held)
        self.truth.hold(user, held=held)
        self._committed(commit)

    # --- score

    @step(when=lambda self: self.world.score.fresh, which=anyone, most=anyone, fate=fates)
    async def publish(self, which: int, most: int, fate: Fate) -> None:
        """Some of what was committed, the newer perhaps before the older."""
        fresh = self.world.score.fresh
        start = which % len(fresh)
        await self.world.score.publish(fresh[start : start + 1 + most % len(fresh)], fate)

    @step()
    async def everything_arrives(self) -> None:
        """What is the rule; all the rest is what goes wrong."""
        if self.world.score.fresh:
            await self.world.score.publish(list(self.world.score.fresh), "acked")
        await self.world.replica.read(0, MANY_RECORDS)

    @step(fate=fates, leases_expire=st.booleans())
    async def sweep(self, fate: Fate, leases_expire: bool) -> None:
        if leases_expire:
            await self.world.ledger.expire_leases()
        await self.world.score.sweep(fate)

    @step()
    async def score_dies(self) -> None:
        await self.world.restart_score()

    # --- scoreboard

    @step(first=partitions, most=records)
    async def read(self, first: int, most: int) -> None:
        await self.world.replica.read(first, most)

    @step()
    async def replica_dies(self) -> None:
        await self.world.restart_replica()

    @step(first=partitions, most=records)
    async def replica_becomes_a_zombie(self, first: int, most: int) -> None:
        await self.world.replace_replica(first=first, count=most)

    @step(when=lambda self: self.world.zombie)
    async def zombie_wakes(self) -> None:
        assert self.world.zombie is not None
        await self.world.zombie.read_held_back()

    @step()
    async def audit(self) -> None:
        report = await self.world.replica.audit()
        if report.result == "equal":
            self.sightings.saw("an audit found all equal")
        if report.result == "repaired":
            self.sightings.saw("an audit repaired the board")

    @step(broker_away=st.booleans())
    async def rebuild(self, broker_away: bool) -> None:
        self.world.log.away = broker_away
        await self.world.replica.rebuild(await self.world.board.current())
        self.world.log.away = False

    @step(by_zombie=st.booleans(), fate=st.sampled_from(["acked", "unacked", "refused"]))
    async def announce(self, by_zombie: bool, fate: Any) -> None:
        zombie = self.world.zombie if by_zombie else None
        self.world.announced.fate = fate
        await (zombie or self.world.replica).announce()

    @step(when=lambda self: self.world.announced.snapshots, which=anyone)
    async def screen_is_told(self, which: int) -> None:
        """Any snapshot, in any order, again and again."""
        snapshots = self.world.announced.snapshots
        if not await self.world.screen.read(snapshots[-1 - which % len(snapshots)]):
            self.sightings.saw("a screen was spared an old snapshot")

    # --- servers

    @step(most=st.integers(1, MAX_RECORDS_LOST))
    async def log_loses_its_tail(self, most: int) -> None:
        self.world.log.lose_tail(most)

    @step(partition=partitions)
    async def somebody_writes_nonsense(self, partition: int) -> None:
        self.world.log.partitions[partition].append(b'{"user_id":')

    @step()
    async def redis_saves(self) -> None:
        await self.world.board.save()

    @step(loses_tail=st.booleans())
    async def redis_restarts(self, loses_tail: bool) -> None:
        await self.world.restart_redis(loses_tail=loses_tail)

    @step()
    async def redis_is_flushed(self) -> None:
        await self.world.board.wipe()

    @step()
    async def ledger_is_backed_up(self) -> None:
        await self.world.ledger.back_up()
        self.backup = self.truth.backup()

    @step(when=lambda self: self.backup)
    async def ledger_is_restored(self) -> None:
        assert self.backup is not None
        if len(self.backup.earned) < len(self.truth.earned):
            self.sightings.saw("commits were lost with the ledger")
        await self.world.ledger.restore()
        self.world.truth = self.truth.restored(self.backup)
        self.world.looked_at.update(self.truth.states)

    # --- what holds

    @invariant()
    def everything_holds(self) -> None:
        self.stage.run(self.world.check())

    def teardown(self) -> None:
        """The faults stop; unless the sequence has failed already, or was not finished."""
        try:
            if sys.exc_info()[1] is None:
                self.stage.run(self.world.check_quiet())
                self.sightings.sequences += 1
        finally:
            if self.world.parked.partitions[0]:
                self.sightings.saw("an unreadable message was parked")
            self.stage.run(self.world.close())

    async def _begin(self, entries: list[Entry]) -> None:
        await self.world.open()
        if entries:
            await self._append(entries)

    async def _append(self, entries: Sequence[Entry]) -> None:
        commit = await self.world.ledger.append(entries)
        times = iter(commit.changes)
        for entry, settled in zip(entries, commit.settled, strict=True):
            assert settled == self.truth.expected(entry)
            if settled.outcome is Outcome.ACCEPTED:
                self.truth.accept(entry, settled, next(times).reached_at)
        assert next(times, None) is None
        self._committed(commit)

    def _committed(self, commit: Commit) -> None:
        if commit.changes:
            self.world.score.fresh.append(commit)
            self.world.looked_at.update(change.user_id for change in commit.changes)

    def _entry(self, user: str, delta: int) -> Entry:
        return Entry(user, f"key-{next(self.keys)}", delta)

    def _earned(self, which: int) -> Earned:
        return pick(list(self.truth.earned.values()), which)

    def _applied(self) -> list[str]:
        """Cases that can be reverted."""
        cases = self.truth.cases.items()
        return [case_id for case_id, case in cases if case.finished and not case.gives_back]


def pick(items: Sequence[T], which: int) -> T:
    """One of them; the newest are the likeliest."""
    return items[-1 - which % len(items)]
