"""One way to the database: a pool, and transactions whose troubles are `Unavailable`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from libs.common.database import sqlalchemy_url
from libs.common.errors import Unavailable

POOL_WAIT_SECONDS = 2.0
STATEMENT_SECONDS = 30


def open_engine(
    url: str, *, name: str, connections: int, statement_seconds: float = STATEMENT_SECONDS
) -> AsyncEngine:
    """
    A pool of at most so many connections; `name` is what the database shows of it.

    A connection that died without a word costs whoever gets it `statement_seconds`.
    """
    return create_async_engine(
        sqlalchemy_url(url),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "timeout": POOL_WAIT_SECONDS,
            "command_timeout": statement_seconds,
            "server_settings": {"application_name": name},
        },
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection, None]:
    """All or nothing. Raises `Unavailable` when the database does not answer."""
    try:
        async with engine.begin() as connection:
            yield connection
    except (IntegrityError, ProgrammingError):
        raise  # not the database's trouble, but the statement's
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise Unavailable("the ledger does not answer") from error
