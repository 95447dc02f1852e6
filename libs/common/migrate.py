"""
Schema migrations: Alembic over asyncpg, one version table per schema, under an advisory lock.

A migration is a Python file beside a `.sql` file; `run_sql` executes the latter whole.
"""

import asyncio
from pathlib import Path

from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from libs.common.database import sqlalchemy_url

# Any number, as long as nobody else's locks use it.
_LOCK = 7_041_776


def upgrade(url: str, schema: str, scripts: Path, *, revision: str = "head") -> None:
    """Bring `schema` to a version, the newest by default; a second process waits for the first."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes.update(url=url, schema=schema)
    command.upgrade(config, revision)


def run_env() -> None:
    """What a `migrations/env.py` calls; Alembic has set up `context` by then."""
    asyncio.run(_run(**context.config.attributes))


def run_sql(path: Path) -> None:
    """Execute a file of many statements; asyncpg prepares, and one statement at a time only."""
    driver = op.get_bind().connection.dbapi_connection
    assert driver is not None
    sql = path.read_text("utf-8")
    driver.run_async(lambda connection: connection.execute(sql))


async def _run(url: str, schema: str) -> None:
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, schema)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, schema: str) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    connection.commit()
    context.configure(connection=connection, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
