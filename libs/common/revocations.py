"""
Whose tokens no longer count, pushed from auth within a second.

A long poll that returns the whole list at each change: a reader that was away misses nothing,
and there is no message to lose.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import aiohttp

from libs.common.contracts.identities import RevocationList
from libs.common.errors import AppError
from libs.common.identity import ServiceIdentity
from libs.common.logs import Trouble

POLL_SECONDS = 20
RETRY_SECONDS = 1.0


class Revocations:
    """The list as it was last heard."""

    def __init__(self) -> None:
        self._jtis: frozenset[str] = frozenset()
        self._not_before: dict[str, datetime] = {}

    def replace(self, news: RevocationList) -> None:
        self._jtis = frozenset(r.jti for r in news.revocations if r.jti)
        latest: dict[str, datetime] = {}
        for r in news.revocations:
            if r.not_before is not None:
                latest[r.user_id] = max(r.not_before, latest.get(r.user_id, r.not_before))
        self._not_before = latest

    def covers(self, *, user_id: str, jti: str, issued_at: datetime) -> bool:
        """Whether such a token was revoked. A token issued in the same second is, too."""
        if jti in self._jtis:
            return True
        not_before = self._not_before.get(user_id)
        return not_before is not None and issued_at <= not_before


async def follow(
    session: aiohttp.ClientSession,
    auth_url: str,
    identity: ServiceIdentity,
    heard: Callable[[RevocationList], None],
) -> None:
    """Call `heard` with the whole list at start and after each change, for ever."""
    etag = ""
    trouble = Trouble("revocations_not_heard")
    while True:
        try:
            async with session.get(
                f"{auth_url}/internal/revocations",
                params={"wait": POLL_SECONDS},
                headers={**await identity.headers(), "If-None-Match": etag},
                timeout=aiohttp.ClientTimeout(total=POLL_SECONDS + 5),
            ) as answer:
                if answer.status == 304:
                    trouble.over()
                    continue
                answer.raise_for_status()
                news = RevocationList.model_validate_json(await answer.read())
        except (aiohttp.ClientError, TimeoutError, AppError) as error:
            trouble.met(error)
            await asyncio.sleep(RETRY_SECONDS)
            continue
        trouble.over()
        etag = news.etag
        heard(news)
