"""
What a trial needs to prove something.

Room at the top: players who do not lead move no screen. And news from auth: who listens to it
hears nothing else for 20 s.
"""

import asyncio

import aiohttp
import asyncpg
from pydantic import SecretStr

from libs.common.identity import ServiceIdentity
from libs.devstack.tokens import OPERATOR
from tests.oracle import truth
from tests.oracle.trial import Places

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 60

HOLD = """
    SELECT score.set_held(gen_random_uuid(), user_id, true, 'campaign', 'their trial is over', NULL)
    FROM score.user_score WHERE version > 0 AND NOT held
"""
# For the sweeper, which leaves to score for some seconds what score itself has just written.
SOON = "UPDATE score.outbox SET leased_until = clock_timestamp()"


async def clear(places: Places) -> None:
    """Hold everybody who ever played; return when the board is empty."""
    connection = await asyncpg.connect(places.postgres)
    try:
        async with connection.transaction():
            await connection.execute(HOLD)
            await connection.execute(SOON)
    finally:
        await connection.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await truth.board(places.gateway):
            await asyncio.sleep(POLL_SECONDS)


async def revoke(places: Places) -> None:
    """Revoke nobody's tokens; auth tells gateway and notification."""
    async with aiohttp.ClientSession() as session:
        secret = SecretStr(places.operator_secret)
        identity = ServiceIdentity(session, places.auth, OPERATOR, secret)
        url, order = f"{places.auth}/internal/revocations", {"user_id": "nobody"}
        async with session.post(url, json=order, headers=await identity.headers()) as answer:
            answer.raise_for_status()
