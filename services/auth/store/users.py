"""Users, in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from services.auth.domain.people import User
from services.auth.store.database import Database
from services.auth.store.tables import USERS


class PostgresUserStore:
    """One row per user; the database keeps logins apart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user: User) -> bool:
        """Keep a new user; say whether the login was free."""
        adding = (
            insert(USERS)
            .values(
                user_id=user.user_id,
                login=user.login,
                display_name=user.display_name,
                password_hash=user.password_hash,
                roles=sorted(user.roles),
            )
            .on_conflict_do_nothing(index_elements=[USERS.c.login])
            .returning(USERS.c.user_id)
        )
        async with self._database.transaction() as connection:
            return (await connection.execute(adding)).first() is not None

    async def by_login(self, login: str) -> User | None:
        async with self._database.reading() as connection:
            found = await connection.execute(select(USERS).where(USERS.c.login == login))
            row = found.first()
        return user_of(row) if row else None

    async def by_ids(self, user_ids: Sequence[str]) -> list[User]:
        """The users among these ids, in any order."""
        async with self._database.reading() as connection:
            found = await connection.execute(select(USERS).where(USERS.c.user_id.in_(user_ids)))
            return [user_of(row) for row in found]

    async def change(
        self, user_id: str, *, display_name: str | None = None, password_hash: str | None = None
    ) -> User | None:
        """Change what is given; return the user as they are now."""
        given = {"display_name": display_name, "password_hash": password_hash}
        news = {name: value for name, value in given.items() if value is not None}
        changing = update(USERS).where(USERS.c.user_id == user_id).values(news).returning(USERS)
        async with self._database.transaction() as connection:
            row = (await connection.execute(changing)).first()
        return user_of(row) if row else None


def user_of(row: Row[Any]) -> User:
    """The user of a row that has all columns of `USERS`."""
    return User(
        user_id=row.user_id,
        login=row.login,
        display_name=row.display_name,
        password_hash=row.password_hash,
        roles=frozenset(row.roles),
    )
