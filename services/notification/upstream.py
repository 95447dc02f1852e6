"""Scoreboard, asked where signed-in watchers stand."""

from collections.abc import Mapping, Sequence

import aiohttp
from pydantic import ValidationError

from libs.common.contracts.boards import Ranks, RanksQuery
from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.errors import Unavailable


class ScoreboardRanks:
    """Ranks by HTTP; the answer takes at most the session's timeout."""

    def __init__(self, session: aiohttp.ClientSession, scoreboard_url: str) -> None:
        self._session = session
        self._url = f"{scoreboard_url}/boards/{GLOBAL_BOARD}/ranks"

    async def of(self, user_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        query = RanksQuery(user_ids=list(user_ids))
        try:
            async with self._session.post(self._url, json=query.model_dump()) as answer:
                answer.raise_for_status()
                ranks = Ranks.model_validate_json(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            raise Unavailable("scoreboard does not answer") from error
        return {entry.user_id: (entry.rank, entry.score) for entry in ranks.entries}
