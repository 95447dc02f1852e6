"""Calls to score: the ledger's state, page by page, and new epochs."""

from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from libs.common.contracts.scores import LedgerDigest, LedgerPage
from libs.common.errors import Unavailable
from libs.common.identity import ServiceIdentity

# A page of 5,000 users, and a digest over a large ledger, take their time.
TIMEOUT_SECONDS = 30.0

Body = TypeVar("Body", bound=BaseModel)


class ScoreClient:
    """The ledger as this board reads it; every method raises `Unavailable`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        identity: ServiceIdentity,
        *,
        region: str,
        board: str,
    ) -> None:
        self._session = session
        self._url = url
        self._identity = identity
        self._region = region
        self._board = board

    async def totals(self, *, after: str, limit: int) -> LedgerPage:
        return await self._get("totals", LedgerPage, after=after, limit=limit)

    async def top(self, *, limit: int) -> LedgerPage:
        return await self._get("top", LedgerPage, limit=limit)

    async def digest(self) -> LedgerDigest:
        return await self._get("digest", LedgerDigest)

    async def next_epoch(self, *, reason: str, after: int) -> int:
        order = {
            "board": self._board,
            "region": self._region,
            "reason": reason,
            "after": after,
        }
        answer = await self._call("POST", "epochs", json=order)
        return int(_Epoch.model_validate_json(answer).epoch)

    async def _get(self, path: str, body: type[Body], **params: str | int) -> Body:
        answer = await self._call("GET", path, params=params)
        try:
            return body.model_validate_json(answer)
        except ValidationError as error:
            raise Unavailable("score gave an answer that is not understood") from error

    async def _call(self, method: str, path: str, **options: Any) -> bytes:
        try:
            async with self._session.request(
                method,
                f"{self._url}/internal/{path}",
                headers=await self._identity.headers(),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
                **options,
            ) as answer:
                answer.raise_for_status()
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("score does not answer") from error


class _Epoch(BaseModel):
    epoch: int
