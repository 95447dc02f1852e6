"""
What the services expect to find: a database, two login roles, migrated schemas, topics.

Everything is safe to repeat, and cheap when there is nothing to do. Compose's one-shot commands
`migrate` and `topics` end here too.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from libs.common.kafka import ensure_topics
from libs.devstack.errors import StackError

CONNECT_SECONDS = 10
TOPICS_SECONDS = 60
RETRY_SECONDS = 1.0

_SERVICES = Path(__file__).parents[2] / "services"


@dataclass(frozen=True)
class Tenant:
    """A service with a schema of its own, and the role that it logs in as."""

    schema: str
    role: str

    @property
    def scripts(self) -> Path:
        """Its migrations; a path, because `libs` imports no service."""
        return _SERVICES / self.schema / "migrations"


AUTH = Tenant("auth", "auth_service")
SCORE = Tenant("score", "score_service")


async def create_database(admin_url: str, name: str) -> str:
    """Create the database if it is missing; return its URL."""
    connection = await _connect(admin_url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return with_database(admin_url, name)


async def migrate(admin_url: str, passwords: dict[Tenant, str]) -> None:
    """
    Create or update the login roles, then bring each schema to its newest version.

    `admin_url` needs the right to create roles and schemas. Raises `StackError`.
    """
    connection = await _connect(admin_url)
    try:
        await _set_roles(connection, urlsplit(admin_url).username, passwords)
        behind = [tenant for tenant in passwords if not await _is_newest(connection, tenant)]
    finally:
        await connection.close()
    for tenant in behind:
        # In a thread, because Alembic's environment runs an event loop of its own.
        await asyncio.to_thread(_upgrade, admin_url, tenant)


async def create_topics(bootstrap: str, *, replication: int) -> None:
    """Create the topics, waiting up to a minute for the brokers. Raises `StackError`."""
    try:
        async with asyncio.timeout(TOPICS_SECONDS):
            while True:
                try:
                    return await ensure_topics(bootstrap, replication=replication)
                except Exception:  # noqa: BLE001 - not up yet, in whatever way
                    await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError:
        raise StackError(f"Kafka at {bootstrap} made no topics in {TOPICS_SECONDS} s") from None


def with_login(url: str, user: str, password: str) -> str:
    """The same database for another user."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{place}"))


def with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _upgrade(admin_url: str, tenant: Tenant) -> None:
    # Takes half a second to import, which most starts need not spend.
    from libs.common.migrate import upgrade

    try:
        upgrade(admin_url, tenant.schema, tenant.scripts)
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise StackError(f"the migration of schema {tenant.schema} failed: {reason}") from error


async def _is_newest(connection: asyncpg.Connection, tenant: Tenant) -> bool:
    """Whether nothing is to be done, by the number that each migration's file name begins with."""
    files = (tenant.scripts / "versions").glob("[0-9]*_*.py")
    newest = max((file.name.partition("_")[0] for file in files), default=None)
    table = f"{tenant.schema}.alembic_version"
    if await connection.fetchval("SELECT to_regclass($1)", table) is None:
        return False
    return bool(newest == await connection.fetchval(f"SELECT version_num FROM {table}"))  # noqa: S608


async def _set_roles(
    connection: asyncpg.Connection, admin: str | None, passwords: dict[Tenant, str]
) -> None:
    try:
        for tenant, password in passwords.items():
            known = await connection.fetchval(
                "SELECT 1 FROM pg_roles WHERE rolname = $1", tenant.role
            )
            order = await connection.fetchval(
                "SELECT format('%s ROLE %I LOGIN PASSWORD %L', $1::text, $2::text, $3::text)",
                "ALTER" if known else "CREATE",
                tenant.role,
                password,
            )
            await connection.execute(order)
    except asyncpg.InsufficientPrivilegeError:
        raise StackError(
            f"{admin} may not create login roles: give DATABASE_URL a user with CREATEROLE"
        ) from None


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        where = urlsplit(url)
        raise StackError(
            f"PostgreSQL at {where.hostname}:{where.port or 5432} refuses: {error}"
        ) from error
