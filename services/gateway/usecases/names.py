"""Display names for user ids: events and boards carry ids only, names are looked up when shown."""

from collections.abc import Sequence
from typing import Protocol

from cachetools import TTLCache

MAX_AGE_SECONDS = 5.0
MAX_NAMES = 10_000
MAX_IDS = 50

_UNKNOWN = ""


class NameBook(Protocol):
    """Auth."""

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Current names; unknown users are left out. Raises `Unavailable`."""
        ...


class ReadNames:
    """Looks up current display names; a change shows within 5 s."""

    def __init__(self, book: NameBook) -> None:
        self._book = book
        self._remembered: TTLCache[str, str] = TTLCache(MAX_NAMES, MAX_AGE_SECONDS)

    async def __call__(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Names by id; unknown users are left out. Raises `Unavailable`."""
        found = {
            user_id: name
            for user_id in user_ids
            if (name := self._remembered.get(user_id)) is not None
        }
        missing = [user_id for user_id in user_ids if user_id not in found]
        if missing:
            fresh = await self._book.names(missing)
            for user_id in missing:
                found[user_id] = self._remembered[user_id] = fresh.get(user_id, _UNKNOWN)
        return {user_id: name for user_id, name in found.items() if name != _UNKNOWN}
