"""Auth when things go wrong, or on: start, stop, migration, outage, forgetting."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr

from libs.common import migrate
from libs.common.clock import system_clock
from libs.common.contracts.identities import Judgements
from libs.common.errors import Unavailable
from libs.devstack import provision
from services.auth.credentials.keys import KeyRing, KeySeal, WrongSecret
from services.auth.domain.people import User
from services.auth.store.database import Database
from services.auth.store.expired import PostgresExpired
from services.auth.store.keys import PostgresKeyStore
from services.auth.store.revocations import PostgresRevocationStore
from services.auth.store.sessions import PostgresSessionStore
from services.auth.store.users import PostgresUserStore
from services.auth.usecases.sessions import Grant
from services.auth.usecases.upkeep import KeepKeys
from tests import servers
from tests.fakes_auth import AuthClient, running, set_environment

NOW = system_clock.now()
STOP_SECONDS = 8


@asynccontextmanager
async def as_service(database_url: str) -> AsyncGenerator[Database]:
    login = provision.with_login(database_url, provision.AUTH.role, servers.PASSWORD)
    database = Database(login)
    yield database
    await database.close()


async def test_a_restart_keeps_keys_and_tokens(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> None:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as auth:
        token = await auth.order_token("carol")

    async with running() as auth:
        assert await auth.judge(token)


async def test_another_secret_does_not_open_the_keys(database_url: str) -> None:
    async with as_service(database_url) as database:

        def keeper(secret: str) -> KeepKeys:
            seal = KeySeal(SecretStr(secret * 32))
            ring = KeyRing(seal, issuer="us")
            return KeepKeys(
                PostgresKeyStore(database),
                seal.make,
                ring.adopt,
                system_clock,
                max_age_seconds=86_400,
            )

        await keeper("a").once()
        await keeper("a").once()
        with pytest.raises(WrongSecret):
            await keeper("b").once()


async def test_private_keys_are_not_readable_in_the_database(database_url: str) -> None:
    async with as_service(database_url) as database:
        seal = KeySeal(SecretStr("s" * 32))
        key = seal.make(NOW)
        await PostgresKeyStore(database).change(lambda _: [key])

        stored = await PostgresKeyStore(database).load()

    assert stored == [key]
    assert seal.open(key).private_bytes_raw() not in stored[0].sealed


async def test_a_lost_connection_is_unavailable_and_heals(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> None:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as auth:
        token = await auth.order_token("carol")
        gateway = await auth.as_service("gateway")
        await asyncio.gather(*(refusal(auth, token, gateway) for _ in range(10)))
        await cut_connections(database_url)

        refusals = [await refusal(auth, token, gateway) for _ in range(30)]

    assert set(refusals) <= {"", Unavailable.code}
    assert refusals[-1] == ""


async def refusal(auth: AuthClient, token: str, gateway: dict[str, str]) -> str:
    answer = await auth.post("/internal/verdicts", json={"tokens": [token]}, headers=gateway)
    [judgement] = Judgements.model_validate_json(answer.content).items
    return judgement.refusal


async def cut_connections(database_url: str) -> None:
    admin = await asyncpg.connect(database_url)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await admin.close()


async def test_no_database_is_unavailable() -> None:
    database = Database("postgresql://nobody:x@127.0.0.1:1/none")

    with pytest.raises(Unavailable):
        await database.ping()

    await database.close()


async def test_what_has_ended_is_forgotten_and_nothing_else(database_url: str) -> None:
    past, future = NOW - timedelta(seconds=1), NOW + timedelta(hours=1)
    async with as_service(database_url) as database:
        sessions = PostgresSessionStore(database, system_clock)
        revoked = PostgresRevocationStore(database)
        await PostgresUserStore(database).add(User("u_a", "alice", "A", "hash", frozenset()))
        for name, end in (("old", past), ("new", future)):
            grant = Grant(name.encode().ljust(32), end, f"jti-{name}", end, NOW)
            await sessions.open(name, "u_a", grant, keep=10)
            await revoked.add("u_b", name, NOW, matters_until=end)

        await PostgresExpired(database).purge(NOW, at_most=10)

        assert [revocation.jti for revocation in await revoked.newest(10)] == ["new"]
        grant = Grant(b"next".ljust(32), future, "jti-next", future, NOW)
        assert await sessions.renew("new", b"new".ljust(32), grant) == "u_a"
    admin = await asyncpg.connect(database_url)
    assert await admin.fetchval("SELECT count(*) FROM auth.session") == 1
    assert await admin.fetchval("SELECT count(*) FROM auth.access_token") == 2
    await admin.close()


async def test_forgetting_is_bounded(database_url: str) -> None:
    async with as_service(database_url) as database:
        revoked = PostgresRevocationStore(database)
        for number in range(5):
            await revoked.add("u_b", f"j{number}", NOW, matters_until=NOW)

        await PostgresExpired(database).purge(NOW + timedelta(seconds=1), at_most=3)

        assert len(await revoked.newest(10)) == 2


async def test_a_migration_is_whole_or_not_at_all(database_url: str, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    (tmp_path / "env.py").write_text("from libs.common.migrate import run_env\n\nrun_env()\n")
    (versions / "0001_half.py").write_text(
        "from pathlib import Path\n\nfrom libs.common.migrate import run_sql\n\n"
        'revision = "0001"\ndown_revision = None\n\n\n'
        'def upgrade() -> None:\n    run_sql(Path(__file__).with_suffix(".sql"))\n'
    )
    sql = versions / "0001_half.sql"
    sql.write_text("CREATE TABLE half.good (a int); CREATE TABLE half.bad (a nonsense);")

    with pytest.raises(Exception, match="nonsense"):
        await asyncio.to_thread(migrate.upgrade, database_url, "half", tmp_path)
    sql.write_text("CREATE TABLE half.good (a int); CREATE TABLE half.better (a int);")
    await asyncio.to_thread(migrate.upgrade, database_url, "half", tmp_path)
    await asyncio.to_thread(migrate.upgrade, database_url, "half", tmp_path)

    admin = await asyncpg.connect(database_url)
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'half'")
    await admin.close()
    assert {row["tablename"] for row in tables} == {"alembic_version", "good", "better"}


async def test_the_service_may_not_change_the_schema(database_url: str) -> None:
    login = provision.with_login(database_url, provision.AUTH.role, servers.PASSWORD)
    service = await asyncpg.connect(login)
    for statement in (
        "DROP TABLE auth.user_account",
        "CREATE TABLE auth.more (a int)",
        "UPDATE auth.revocation_revision SET revision = 0",
        "SELECT * FROM score.user_score",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
    await service.close()


async def test_long_polls_do_not_hold_up_a_stop(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> None:
    set_environment(monkeypatch, database_url, redis_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "services.auth.main:app", "--port", str(port),
        "--log-level", "warning", env=dict(os.environ),  # noqa: TID251
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with AuthClient(base_url=f"http://127.0.0.1:{port}") as auth:
            headers = await when_up(auth)
            known = await auth.get("/internal/revocations", headers=headers)
            headers["If-None-Match"] = known.headers["etag"]
            async with asyncio.TaskGroup() as tasks:
                poll = tasks.create_task(
                    auth.get(
                        "/internal/revocations", params={"wait": 25}, headers=headers, timeout=30
                    )
                )
                await asyncio.sleep(0.5)
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            assert poll.result().status_code == 304
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def when_up(auth: AuthClient) -> dict[str, str]:
    async with asyncio.timeout(20):
        while True:
            try:
                return await auth.as_service("gateway")
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
