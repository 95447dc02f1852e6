"""The board as anybody sees it, against the ledger: the same users, order and scores."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import aiohttp
from pydantic import ValidationError

from libs.common.clock import Clock, system_clock
from libs.common.contracts.boards import BoardPage, Ranks, RanksQuery
from libs.common.contracts.values import GLOBAL_BOARD
from services.score.domain.casebook import Violation
from services.score.store.replay import Public, WholeLedger

FIRST = 100
# A change takes well under a second to the board, a rebuild of the board some more.
CONVERGED_SECONDS = 5.0
PATIENCE_SECONDS = 20.0
RETRY_SECONDS = 0.1


class NotComparable(Exception):
    """Why the board cannot be held to the ledger right now."""


class Board:
    """scoreboard's public door at `url`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/boards/{GLOBAL_BOARD}"

    async def public(self, *, limit: int, users: Sequence[str]) -> Public:
        """What it shows. Raises `NotComparable` if it does not answer."""
        query = RanksQuery(user_ids=list(users)).model_dump()
        try:
            async with self._session.get(self._url, params={"limit": limit}) as answer:
                answer.raise_for_status()
                page = BoardPage.model_validate_json(await answer.read())
            async with self._session.post(f"{self._url}/ranks", json=query) as answer:
                answer.raise_for_status()
                ranks = Ranks.model_validate_json(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            reason = type(error).__name__
            raise NotComparable(f"no board answers at {self._url} ({reason})") from error
        return Public(
            page.total,
            [(entry.user_id, entry.score) for entry in page.entries],
            {entry.user_id: entry.score for entry in ranks.entries},
        )


async def compare(
    ledger: WholeLedger, board: Board, users: Sequence[str], clock: Clock = system_clock
) -> list[Violation]:
    """
    What of the board still differs when the ledger has been quiet for 5 s.

    Looks at the first 100, at how many there are, and at `users`. Raises `NotComparable`, also if
    the ledger does not come to rest within 20 s.
    """
    quiet_since = started = clock.monotonic()
    before = await ledger.public(limit=FIRST, users=users)
    while True:
        shown = await board.public(limit=FIRST, users=users)
        after = await ledger.public(limit=FIRST, users=users)
        found = list(_differences(after, shown))
        now = clock.monotonic()
        if before != after:
            quiet_since = now
        elif not found or now - quiet_since > CONVERGED_SECONDS:
            return found
        if now - started > PATIENCE_SECONDS:
            raise NotComparable("scores come in too fast to tell; try when it is quieter")
        before = after
        await asyncio.sleep(RETRY_SECONDS)


def _differences(ledger: Public, board: Public) -> Iterator[Violation]:
    for rank, (right, shown) in enumerate(zip_longest(ledger.top, board.top), start=1):
        if right != shown:
            user_id = (shown or right or ("", 0))[0]
            words = f"the board has {_entry(shown)} on rank {rank}, the ledger {_entry(right)}"
            yield Violation("L10", user_id, 0, words)
            break
    if ledger.users != board.users:
        words = f"the board holds {board.users} users, the ledger {ledger.users}"
        yield Violation("L12", "", 0, words)
    for user_id in sorted(ledger.named.keys() | board.named.keys()):
        right_score, shown_score = ledger.named.get(user_id), board.named.get(user_id)
        if right_score != shown_score:
            words = f"the board shows {shown_score}, the ledger {right_score}"
            yield Violation("L12", user_id, 0, words)


def _entry(entry: tuple[str, int] | None) -> str:
    return f"{entry[0]} with {entry[1]}" if entry else "nobody"
