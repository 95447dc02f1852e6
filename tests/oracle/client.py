"""
A load client as a careful game would write it: one key per increment, sent until it is answered.

Closed loop: each connection sends its next increment when it has the verdict on the last, at most
`rate` of them a second over all connections.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from uuid import uuid4

import aiohttp
from pydantic import SecretStr

from libs.common.identity import ServiceIdentity
from libs.devstack.tokens import OPERATOR
from tests.oracle.history import History, Request

ATTEMPT_SECONDS = 10
RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 120
TOKEN_SECONDS = 6 * 3600
MAX_POINTS = 9
# A refusal for good; every other answer that is not 200 is asked again.
REFUSED = {400, 403, 404, 409, 413, 422}
PROBLEM = "application/problem+json"


def said(answer: aiohttp.ClientResponse) -> str:
    """The status; with "bare" if a refusal does not say what it is, or a 503 when to come again."""
    explained = answer.content_type == PROBLEM and (
        answer.status != 503 or "Retry-After" in answer.headers
    )
    return str(answer.status) if answer.ok or explained else f"{answer.status} bare"


async def tokens(auth_url: str, secret: str, users: Sequence[str]) -> dict[str, str]:
    """An access token for each user."""
    async with aiohttp.ClientSession() as session:
        identity = ServiceIdentity(session, auth_url, OPERATOR, SecretStr(secret))
        headers = await identity.headers()
        gate = asyncio.Semaphore(16)

        async def one(user: str) -> tuple[str, str]:
            order = {"user_id": user, "roles": ["player"], "ttl_seconds": TOKEN_SECONDS}
            url = f"{auth_url}/internal/access-tokens"
            async with gate, session.post(url, json=order, headers=headers) as answer:
                return user, (await answer.json())["access_token"]

        return dict(await asyncio.gather(*(one(user) for user in users)))


class Client:
    """Sends increments from many connections, and logs what became of each."""

    def __init__(
        self,
        gateway_url: str,
        tokens: Mapping[str, str],
        *,
        connections: int = 64,
        rate: float = float("inf"),
    ) -> None:
        self._url = f"{gateway_url}/api/scores"
        self._tokens = tokens
        self.connections = connections
        self._rate = rate
        self.history = History()
        self.stopped = False

    async def run(self, count: int = 10**12) -> None:
        """
        Send `count` increments, or as many as come before `stopped`; each to a verdict.

        A request that gets none for 120 s stays without; the oracle then takes either outcome.
        """
        users = list(self._tokens)
        left = iter(range(count))
        pause = self.connections / self._rate

        async def worker(session: aiohttp.ClientSession) -> None:
            for _ in left:
                if self.stopped:
                    return
                started = asyncio.get_running_loop().time()
                user, points = random.choice(users), random.randint(1, MAX_POINTS)
                await self._send(session, user, uuid4().hex, points)
                took = asyncio.get_running_loop().time() - started
                await asyncio.sleep(max(0.0, pause - took))

        async with self._session() as session:
            await asyncio.gather(*(worker(session) for _ in range(self.connections)))

    async def send_again(self, requests: Sequence[Request]) -> None:
        """The same increments under the same keys, as new requests, over as many connections."""
        async with self._session() as session:
            await asyncio.gather(
                *(self._send(session, each.user, each.key, each.points) for each in requests)
            )

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=self.connections))

    async def _send(self, session: aiohttp.ClientSession, user: str, key: str, points: int) -> None:
        clock = asyncio.get_running_loop().time
        request = Request(user, key, points, clock())
        self.history.requests.append(request)
        while not request.verdict and clock() - request.started < GIVE_UP_SECONDS:
            request.attempts += 1
            answer = await self._try(session, request)
            self.history.answers[answer] += 1
            request.ended = clock()
            if not request.verdict:
                await asyncio.sleep(RETRY_SECONDS)

    async def _try(self, session: aiohttp.ClientSession, request: Request) -> str:
        headers = {
            "Authorization": f"Bearer {self._tokens[request.user]}",
            "Idempotency-Key": request.key,
        }
        body = {"score_increment": request.points}
        timeout = aiohttp.ClientTimeout(total=ATTEMPT_SECONDS)
        try:
            async with session.post(self._url, json=body, headers=headers, timeout=timeout) as got:
                answer = await got.json()
                if got.status == 200:
                    request.verdict = "acked"
                    request.seq, request.score = answer["version"], answer["new_score"]
                    request.replayed = "Idempotency-Replayed" in got.headers
                elif got.status in REFUSED:
                    request.verdict = "refused"
                return said(got)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__
