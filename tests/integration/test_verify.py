"""`ledger verify` on real PostgreSQL: what is changed behind its back is found and named."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from io import StringIO
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web
from rich.console import Console

from libs.common.clock import system_clock
from libs.common.contracts.boards import BoardPage, RankedEntry, Ranks, RanksQuery
from libs.common.contracts.corrections import ReversalOrder, Selector
from libs.devstack import provision
from services.score.domain.corrections import ApprovalLimits, approve, revert
from services.score.domain.increments import Entry
from services.score.store.cases import Cases
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from services.score.store.replay import open_whole_ledger
from services.score.store.users import Users
from services.score.verify import board as board_checks
from services.score.verify import ledger as ledger_checks
from services.score.verify.ledger import NotSettled, verify
from services.score.verify.report import Report, show
from tests import servers
from tests.stack import RunningStack

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 60
CLIENT = bytes.fromhex("c0" * 8 + "01" * 8)
MARA, NICK = "mara", "nick"

# Of carol: 1 +10, 2 +20, 3 +30, 4 -10 (case small), 5 -20 (case large), 6 +20 (its revert), 7 +40.
INCREMENT, REVERSAL = 2, 4

_keys = count(1)


async def keep_a_ledger(url: str) -> None:
    """Four users with everything that can happen to them: bob is held, dave was erased."""
    engine = open_engine(url, name="test", connections=2)
    lane, users = LedgerLane(url), Users(engine)
    cases = Cases(engine, ApprovalLimits(entries=2, points=1000))

    async def work() -> None:
        while await cases.work(limit=2):
            pass

    async def reverse(case_id: str, user: str, *seqs: int) -> None:
        selector = Selector(user_id=user, seqs=list(seqs))
        await cases.open(ReversalOrder(case_id=case_id, selector=selector, reason="bought"), MARA)
        await work()

    await lane.append([entry(user, n) for n in (10, 20, 30) for user in ("alice", "bob", "carol")])
    await reverse("small", "carol", 1)
    await reverse("undone", "carol", 2)
    await cases.move("undone", revert(MARA, "a mistake"))
    await work()
    await lane.append([entry("carol", 40), entry("alice", 5), entry("dave", 1)])
    await reverse("large", "alice", 1, 2, 3)
    await cases.move("large", approve(NICK))
    await work()
    await reverse("waiting", "bob", 1, 2, 3)
    await users.set_held("bob", held=True, actor=MARA, reason="looks odd")
    await users.set_held("bob", held=False, actor=MARA, reason="was not")
    await users.set_held("bob", held=True, actor=MARA, reason="it was")
    await users.erase("dave", actor=MARA, reason="asked for it")
    await lane.close()
    await engine.dispose()


def entry(user: str, delta: int) -> Entry:
    return Entry(user, f"key-{next(_keys)}", delta, CLIENT)


@pytest.fixture(scope="module")
def kept_database(postgres_url: str, template_database: str) -> Iterator[str]:
    """A database with a ledger in it; who changes it uses `tamper`."""
    name = "live_scoreboard_test_verify"
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    servers.run(execute(postgres_url, drop))
    servers.run(execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}"))
    url = provision.with_database(postgres_url, name)
    as_score = provision.with_login(url, provision.SCORE.role, servers.PASSWORD)
    servers.run(keep_a_ledger(as_score))
    yield url
    servers.run(execute(postgres_url, drop))


Tamper = Callable[..., Awaitable[None]]
TABLES = ("score_entry", "user_score", "case_entry", "reversal_case", "audit")


@pytest.fixture
async def tamper(kept_database: str) -> AsyncIterator[Tamper]:
    """Executes statements as an administrator whom no trigger stops; undone afterwards."""
    hidden = "SET session_replication_role = replica"
    await execute(kept_database, *(f"CREATE TABLE kept_{t} AS TABLE score.{t}" for t in TABLES))

    async def change(*statements: str) -> None:
        await execute(kept_database, hidden, *statements)

    yield change
    truncate = f"TRUNCATE {', '.join(f'score.{t}' for t in TABLES)}"
    restore = (f"INSERT INTO score.{t} OVERRIDING SYSTEM VALUE TABLE kept_{t}" for t in TABLES)
    drop = (f"DROP TABLE kept_{t}" for t in TABLES)
    await execute(kept_database, hidden, truncate, *restore, *drop)


async def checked(url: str, board_url: str = "") -> Report:
    return await verify(url, board_url, Console(file=StringIO()))


async def found_in(url: str) -> set[tuple[str, str, int]]:
    report = await checked(url)
    assert report.exit_code == (1 if report.first else 0)
    return {(v.check, v.user_id, v.seq) for v in report.first}


async def test_a_ledger_with_reversals_reverts_holds_and_an_erasure_holds(
    kept_database: str,
) -> None:
    report = await checked(kept_database)
    assert report.first == []
    assert (report.users, report.rows) == (4, 18)
    assert report.exit_code == 0
    assert set(report.not_checked) == {"L10", "L12"}


async def test_an_empty_ledger_holds(database_url: str) -> None:
    assert (await checked(database_url)).exit_code == 0


COLUMNS = {
    "version": "version + 1",
    "delta": "delta + 1",
    "balance_after": "balance_after + 1",
    "idem_key": "idem_key || 'x'",
    "request_hash": "set_byte(request_hash, 0, get_byte(request_hash, 0) # 1)",
    "actor": "actor || 'x'",
    "created_at": "created_at + interval '1 microsecond'",
    "hash": "set_byte(hash, 31, get_byte(hash, 31) # 1)",
    # Null and empty are the same to the hash.
    "case_id": "''",
    "reason": "''",
}


@pytest.mark.parametrize(("column", "value"), COLUMNS.items(), ids=COLUMNS)
async def test_one_byte_changed_in_an_increment_is_found_and_named(
    kept_database: str, tamper: Tamper, column: str, value: str
) -> None:
    await tamper(row(INCREMENT, f"SET {column} = {value}"))
    found = await found_in(kept_database)
    assert ("L8", "carol", INCREMENT) in found
    assert {at for check, _, at in found if check == "L8"} == {INCREMENT}
    assert {user for _, user, _ in found} == {"carol"}


CORRECTED = {
    **{c: v for c, v in COLUMNS.items() if c not in ("idem_key", "request_hash")},
    "reverses_seq": "3",
    "case_id": "'large'",
    "reason": "overlay(reason PLACING 'B' FROM 1)",
    "request_hash": "'\\x'",
}


@pytest.mark.parametrize(("column", "value"), CORRECTED.items(), ids=CORRECTED)
async def test_one_byte_changed_in_a_reversal_is_found_and_named(
    kept_database: str, tamper: Tamper, column: str, value: str
) -> None:
    await tamper(row(REVERSAL, f"SET {column} = {value}"))
    found = await found_in(kept_database)
    assert ("L8", "carol", REVERSAL) in found
    assert {at for check, _, at in found if check == "L8"} == {REVERSAL}


async def test_a_kind_changed_past_its_constraints_is_found(
    kept_database: str, tamper: Tamper
) -> None:
    table = "ALTER TABLE score.score_entry"
    await tamper(
        f"{table} DROP CONSTRAINT keyed, DROP CONSTRAINT corrects",
        row(INCREMENT, "SET kind = 'adjustment'"),
    )
    assert ("L8", "carol", INCREMENT) in await found_in(kept_database)
    await tamper(
        row(INCREMENT, "SET kind = 'increment'"),
        f"{table} ADD CONSTRAINT keyed CHECK ((kind = 'increment') = (idem_key IS NOT NULL)),"
        " ADD CONSTRAINT corrects CHECK ((kind = 'reversal') = (reverses_seq IS NOT NULL))",
    )


async def test_an_entry_moved_to_another_number_or_user_is_found(
    kept_database: str, tamper: Tamper
) -> None:
    await tamper(row(INCREMENT, "SET seq = 99"))
    found = await found_in(kept_database)
    assert {("L2", "carol", 3), ("L2", "carol", 99), ("L8", "carol", 99)} <= found
    await tamper("UPDATE score.score_entry SET user_id = 'eve', seq = 1 WHERE seq = 99")
    found = await found_in(kept_database)
    assert {("L2", "carol", 3), ("L8", "eve", 1), ("L1", "eve", 1)} <= found


async def test_a_fingerprint_may_be_forgotten(kept_database: str, tamper: Tamper) -> None:
    await tamper(row(INCREMENT, "SET fingerprint = NULL"))
    assert await found_in(kept_database) == set()


async def test_a_deleted_last_entry_is_found(kept_database: str, tamper: Tamper) -> None:
    await tamper("DELETE FROM score.score_entry WHERE user_id = 'carol' AND seq = 7")
    assert {("L1", "carol", 6)} <= await found_in(kept_database)


async def test_a_deleted_entry_in_between_is_found(kept_database: str, tamper: Tamper) -> None:
    await tamper("DELETE FROM score.score_entry WHERE user_id = 'carol' AND seq = 3")
    assert {("L2", "carol", 4), ("L8", "carol", 4)} <= await found_in(kept_database)


async def test_two_swapped_entries_are_found(kept_database: str, tamper: Tamper) -> None:
    await tamper(row(2, "SET seq = 99"), row(3, "SET seq = 2"), row(99, "SET seq = 3"))
    assert {("L8", "carol", 2), ("L8", "carol", 3)} <= await found_in(kept_database)


async def test_a_deleted_user_is_found(kept_database: str, tamper: Tamper) -> None:
    await tamper("DELETE FROM score.user_score WHERE user_id = 'carol'")
    assert await found_in(kept_database) == {("L1", "carol", 7)}


TOTALS = {
    "score": ("score + 1", ("L1", 7)),
    "entries": ("entries + 1", ("L1", 7)),
    "head": ("set_byte(head, 0, get_byte(head, 0) # 1)", ("L1", 7)),
    "version": ("version + 1", ("L9", 0)),
    "reached_at": ("reached_at + interval '1 microsecond'", ("L9", 0)),
    "held": ("NOT held", ("L9", 0)),
}


@pytest.mark.parametrize("column", TOTALS)
async def test_a_changed_total_is_found_and_named(
    kept_database: str, tamper: Tamper, column: str
) -> None:
    value, (check, seq) = TOTALS[column]
    change = f"SET {column} = {value} WHERE user_id = 'carol'"
    await tamper(f"UPDATE score.user_score {change}")
    assert await found_in(kept_database) == {(check, "carol", seq)}


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("DELETE FROM score.case_entry WHERE case_id = 'small'", ("carol", REVERSAL)),
        ("UPDATE score.case_entry SET seq = 3 WHERE case_id = 'small'", ("carol", 3)),
        ("DELETE FROM score.case_entry WHERE case_id = 'waiting' AND seq = 1", ("", 0)),
        ("DELETE FROM score.reversal_case WHERE case_id = 'small'", ("carol", REVERSAL)),
        ("UPDATE score.reversal_case SET approved_by = NULL WHERE case_id = 'large'", ("", 0)),
        ("UPDATE score.reversal_case SET requested_by = 'x' WHERE case_id = 'large'", ("alice", 5)),
        ("UPDATE score.reversal_case SET done = 0 WHERE case_id = 'undone'", ("", 0)),
        ("UPDATE score.reversal_case SET state = 'applied' WHERE case_id = 'undone'", ("", 0)),
    ],
)
async def test_a_changed_case_is_found_and_named(
    kept_database: str, tamper: Tamper, statement: str, where: tuple[str, int]
) -> None:
    await tamper(statement)
    assert ("L11", *where) in await found_in(kept_database)


async def test_the_root_of_a_time_is_the_same_later(
    kept_database: str, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=StringIO())
    now = system_clock.now()
    with pytest.raises(NotSettled):
        await verify(kept_database, "", console, as_of=now)
    monkeypatch.setattr(ledger_checks, "SETTLED", timedelta(0))
    noted = await verify(kept_database, "", console, as_of=now)

    lane = LedgerLane(kept_database)
    await lane.append([entry("alice", 1), entry("zoe", 1)])
    await lane.close()

    later = await verify(kept_database, "", console, as_of=now)
    assert later.root == noted.root
    assert later.rows == noted.rows + 2
    newest = await verify(kept_database, "", console, as_of=system_clock.now())
    assert newest.root != noted.root


REHASH = """
    DO $$
    DECLARE
        e score.score_entry;
        v_head bytea := '';
    BEGIN
        FOR e IN SELECT * FROM score.score_entry WHERE user_id = 'carol' ORDER BY seq LOOP
            v_head := score.link(v_head, '', score.entry_text(
                e.user_id, e.seq, e.version, e.delta, e.balance_after, e.kind, e.idem_key,
                e.request_hash, e.reverses_seq, e.case_id, e.actor, e.created_at, e.reason));
            UPDATE score.score_entry SET hash = v_head WHERE user_id = 'carol' AND seq = e.seq;
        END LOOP;
        UPDATE score.user_score SET head = v_head WHERE user_id = 'carol';
    END $$
"""


async def test_a_ledger_rewritten_to_its_end_has_another_root(
    kept_database: str, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_checks, "SETTLED", timedelta(0))
    now = system_clock.now()
    noted = await verify(kept_database, "", Console(file=StringIO()), as_of=now)
    await tamper(row(INCREMENT, "SET idem_key = 'another'"), REHASH)
    report = await verify(kept_database, "", Console(file=StringIO()), as_of=now)
    assert report.first == []
    assert report.root != noted.root


async def test_the_report_names_what_it_found(kept_database: str, tamper: Tamper) -> None:
    await tamper(row(INCREMENT, "SET delta = delta + 1"))
    shown = StringIO()
    show(await checked(kept_database), Console(file=shown, width=120))
    assert "L8 carol seq 2: " in shown.getvalue()
    assert "18 entries of 4 users" in shown.getvalue()
    assert "not checked: SCOREBOARD_URL is not set" in shown.getvalue()


class FakeBoard:
    """Scoreboard's public door, with what a test says is on the board."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int]] = []
        self.url = ""

    async def page(self, request: web.Request) -> web.Response:
        ranked = self._ranked()
        page = BoardPage(epoch=1, rev=1, total=len(ranked), entries=ranked[:100])
        return web.json_response(text=page.model_dump_json())

    async def ranks(self, request: web.Request) -> web.Response:
        asked = RanksQuery.model_validate_json(await request.read()).user_ids
        known = [entry for entry in self._ranked() if entry.user_id in asked]
        return web.json_response(text=Ranks(entries=known).model_dump_json())

    def _ranked(self) -> list[RankedEntry]:
        return [
            RankedEntry(rank=rank, user_id=user, score=score)
            for rank, (user, score) in enumerate(self.entries, start=1)
        ]


@asynccontextmanager
async def serving(board: FakeBoard) -> AsyncGenerator[str, None]:
    app = web.Application()
    app.router.add_get("/boards/global", board.page)
    app.router.add_post("/boards/global/ranks", board.ranks)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def board(kept_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBoard]:
    """Shows what the ledger says; carol 90 and alice 5, as bob and dave are held."""
    monkeypatch.setattr(board_checks, "CONVERGED_SECONDS", 0.3)
    board = FakeBoard()
    async with open_whole_ledger(kept_database) as ledger:
        board.entries = (await ledger.public(limit=100, users=[])).top
    async with serving(board) as url:
        board.url = url
        yield board


async def test_a_board_that_shows_the_ledger_holds(kept_database: str, board: FakeBoard) -> None:
    assert [user for user, _ in board.entries] == ["carol", "alice"]
    report = await checked(kept_database, board.url)
    assert (report.exit_code, report.first, report.not_checked) == (0, [], {})
    assert report.looked_up == 4


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ([("alice", 5), ("carol", 90)], {("L10", "alice")}),
        ([("carol", 90)], {("L10", "alice"), ("L12", ""), ("L12", "alice")}),
        ([("carol", 100), ("alice", 5)], {("L10", "carol"), ("L12", "carol")}),
        (
            [("carol", 90), ("bob", 60), ("alice", 5)],
            {("L10", "bob"), ("L12", ""), ("L12", "bob")},
        ),
    ],
    ids=["another order", "somebody missing", "an old score", "a held user"],
)
async def test_a_board_that_shows_something_else_is_found(
    kept_database: str,
    board: FakeBoard,
    shown: list[tuple[str, int]],
    found: set[tuple[str, str]],
) -> None:
    board.entries = shown
    report = await checked(kept_database, board.url)
    assert {(v.check, v.user_id) for v in report.first} == found
    assert report.exit_code == 1


async def test_no_board_is_not_checked_rather_than_passed(kept_database: str) -> None:
    report = await checked(kept_database, "http://127.0.0.1:1")
    assert report.not_checked["L10"].startswith("no board answers at http://127.0.0.1:1")
    assert report.exit_code == 2


def test_the_command_says_in_one_line_what_it_cannot_check(tmp_path: Path) -> None:
    for asked, words in (
        (["--data-dir", str(tmp_path)], "start it with `live-scoreboard up`"),
        (["--database-url", "postgresql://127.0.0.1:1/none"], "the ledger cannot be read"),
        (["--database-url", "postgresql://127.0.0.1:1/none", "--as-of", "noon"], "AS_OF"),
    ):
        done = ledger_verify(*asked)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert words in done.stderr


async def test_the_command_tells_a_ledger_that_holds_from_one_that_does_not(
    kept_database: str, tamper: Tamper
) -> None:
    done = ledger_verify("--database-url", kept_database)
    assert (done.returncode, done.stderr) == (0, "")
    await tamper(row(INCREMENT, "SET actor = 'eve'"))
    done = ledger_verify("--database-url", kept_database)
    assert done.returncode == 1
    assert "L8 carol seq 2" in done.stdout


async def test_a_running_stack_is_verified_with_its_board(stack: RunningStack) -> None:
    url = stack.urls["postgres"]
    lane = LedgerLane(url)
    await lane.append([entry("verified", 10)])
    await lane.close()
    done = ledger_verify("--data-dir", str(stack.data_dir))
    assert done.returncode == 0, done.stdout
    assert "not checked" not in done.stdout


def ledger_verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    ours = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "SCOREBOARD_URL")}  # noqa: TID251
    return subprocess.run(
        [sys.executable, "-m", "libs.devstack", "ledger", "verify", *arguments],
        cwd=ROOT,
        env=ours,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def row(seq: int, change: str) -> str:
    return f"UPDATE score.score_entry {change} WHERE user_id = 'carol' AND seq = {seq}"


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
