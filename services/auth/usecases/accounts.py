"""Registering, signing in, and what others see of a user."""

from collections.abc import Sequence
from secrets import token_hex
from typing import Protocol

from libs.common.errors import Conflict, Forbidden, NotFound, Unauthenticated
from services.auth.domain.people import User, display_name_of, login_of, password_of
from services.auth.domain.roles import PLAYER
from services.auth.usecases.limits import (
    LOGIN_PER_ACCOUNT,
    LOGIN_PER_ADDRESS,
    REGISTER_PER_ADDRESS,
    Throttle,
)
from services.auth.usecases.sessions import Sessions, SignedIn


class UserStore(Protocol):
    """Where users are kept."""

    async def add(self, user: User) -> bool:
        """Keep a new user; say whether the login was free."""
        ...

    async def by_login(self, login: str) -> User | None: ...

    async def by_ids(self, user_ids: Sequence[str]) -> list[User]:
        """The users among these ids, in any order."""
        ...

    async def change(
        self, user_id: str, *, display_name: str | None = None, password_hash: str | None = None
    ) -> User | None:
        """Change what is given; return the user as they are now."""
        ...


class PasswordHasher(Protocol):
    """Slow on purpose; so it says `Unavailable` when too many wait."""

    async def hash(self, password: str) -> str: ...

    async def check(self, password: str, known: str | None) -> tuple[bool, str | None]:
        """Whether it matches, and a better hash if there is one; no `known` takes as long."""
        ...


class Accounts:
    """The users that are registered here."""

    def __init__(
        self,
        users: UserStore,
        sessions: Sessions,
        passwords: PasswordHasher,
        throttle: Throttle,
        *,
        registration: bool,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = throttle
        self._registration = registration

    async def register(
        self, *, login: str, password: str, display_name: str | None, address: str
    ) -> SignedIn:
        """Make a player and sign them in. Raises `Conflict` if the login is taken."""
        if not self._registration:
            raise Forbidden("accounts are not made here; sign in with your identity provider")
        login = login_of(login)
        name = display_name_of(display_name or login.partition("@")[0] or login)
        password = password_of(password)
        await self._throttle.count(REGISTER_PER_ADDRESS, address)
        user = User(
            user_id=f"u_{token_hex(16)}",
            login=login,
            display_name=name,
            password_hash=await self._passwords.hash(password),
            roles=frozenset({PLAYER}),
        )
        if not await self._users.add(user):
            raise Conflict("this login is taken")
        return await self._sessions.open(user.user_id)

    async def log_in(self, *, login: str, password: str, address: str) -> SignedIn:
        """
        Sign in. Raises `Unauthenticated`, and never says whether the login exists.

        Only who proves the password hears that the account is banned: `Forbidden`.
        """
        login = login_of(login)
        password = password_of(password)
        # Counted before the check: a hundred guesses at once are a hundred guesses.
        await self._throttle.count(LOGIN_PER_ADDRESS, address)
        await self._throttle.count(LOGIN_PER_ACCOUNT, login)
        user = await self._users.by_login(login)
        valid, better = await self._passwords.check(password, user.password_hash if user else None)
        if user is None or not valid:
            raise Unauthenticated("login or password is wrong")
        await self._throttle.forgive(LOGIN_PER_ACCOUNT, login)
        if better:
            await self._users.change(user.user_id, password_hash=better)
        return await self._sessions.open(user.user_id)

    async def get(self, user_id: str) -> User:
        """A registered user. Raises `NotFound` for the users of other issuers."""
        for user in await self._users.by_ids([user_id]):
            return user
        raise NotFound("this user is not registered here")

    async def rename(self, user_id: str, display_name: str) -> User:
        """Show the user under another name. Raises `NotFound` like `get`."""
        user = await self._users.change(user_id, display_name=display_name_of(display_name))
        if user is None:
            raise NotFound("this user is not registered here")
        return user

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Display names by id; unknown ids are left out."""
        return {user.user_id: user.display_name for user in await self._users.by_ids(user_ids)}
