"""
Long polls that wait for the list of revocations to change.

One task per process asks the database for news, however many wait; so a change made by any replica
is heard here within `POLL_SECONDS` and the time of a query.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Protocol

from libs.common.contracts.identities import Revocation, RevocationList
from libs.common.errors import AppError, Unavailable
from libs.common.logs import Trouble

POLL_SECONDS = 0.2
MAX_WAITING = 1000
# A listener acts on what it holds from us, which is a minute old at most. The list goes back
# further for those who were away, up to here.
MAX_LISTED = 5000


class RevocationLog(Protocol):
    """What was revoked, by any replica."""

    async def revision(self) -> int:
        """A number that is another one after each change."""
        ...

    async def newest(self, count: int) -> Sequence[Revocation]:
        """What still matters, the newest first."""
        ...


class RevocationHub:
    """The list as it is now, and those who wait for the next."""

    def __init__(self, log: RevocationLog) -> None:
        self._revocations = log
        self._revision = -1
        self._list = _listed([])
        self._news = asyncio.Event()
        self._waiting = 0

    async def run(self) -> None:
        """Look for news for ever."""
        trouble = Trouble("revocations_not_read")
        while True:
            try:
                await self.look()
            except AppError as error:
                trouble.met(error)
            else:
                trouble.over()
            await asyncio.sleep(POLL_SECONDS)

    async def look(self) -> None:
        """Look for news once. Raises `Unavailable`."""
        # The number first: what is committed in between is read twice, never missed.
        revision = await self._revocations.revision()
        if revision == self._revision:
            return
        news = _listed(await self._revocations.newest(MAX_LISTED))
        self._revision = revision
        if news.etag != self._list.etag:
            self._list = news
            self._news.set()
            self._news = asyncio.Event()

    async def after(self, etag: str, *, wait_seconds: float) -> RevocationList | None:
        """The list once it differs from the one of this `etag`; None if it did not in time."""
        if etag == self._list.etag:
            if self._waiting >= MAX_WAITING:
                raise Unavailable("too many listeners are waiting")
            self._waiting += 1
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_seconds):
                        await self._news.wait()
            finally:
                self._waiting -= 1
        return self._list if self._list.etag != etag else None

    def close(self) -> None:
        """Let everyone go, now and from now on, so that the server can stop at once."""
        self._news.set()


def _listed(revocations: Sequence[Revocation]) -> RevocationList:
    content = RevocationList(etag="", revocations=list(revocations))
    etag = sha256(content.model_dump_json().encode()).hexdigest()[:32]
    return content.model_copy(update={"etag": f'"{etag}"'})
