"""The connection pool, and what its failures mean."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from libs.common.database import sqlalchemy_url
from libs.common.errors import Unavailable

POOL_SIZE = 10
POOL_WAIT_SECONDS = 2.0
CONNECT_SECONDS = 2.0
STATEMENT_SECONDS = 5.0

_SILENT = "the user store does not answer"


class Database:
    """At most `POOL_SIZE` connections; a trouble on the way is `Unavailable`, never a 500."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
                "server_settings": {"application_name": "auth"},
            },
        )

        # A single read needs no BEGIN and COMMIT around it: two trips less.
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Commits at the end, rolls back on any error. Raises `Unavailable`."""
        return _answering(self._engine.begin())

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """For one read at a time. Raises `Unavailable`."""
        return _answering(self._autocommit.connect())

    async def ping(self) -> None:
        """Raises if the database does not answer."""
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()


@asynccontextmanager
async def _answering(
    opening: AbstractAsyncContextManager[AsyncConnection],
) -> AsyncGenerator[AsyncConnection]:
    try:
        async with opening as connection:
            yield connection
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        raise Unavailable(_SILENT) from error
    except asyncpg.PostgresError as error:  # while connecting, SQLAlchemy lets them through
        raise Unavailable(_SILENT) from error
    except DBAPIError as error:
        # Without a statement it was the connection that was refused: a server that is starting up.
        if error.statement is not None and not error.connection_invalidated:
            raise
        raise Unavailable(_SILENT) from error
