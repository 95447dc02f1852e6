"""
Demo players, so that the board moves: 25 people who score a few times a second, together.

A client like any other: it registers them (or signs them in), posts through the gateway, and waits
when something does not answer. It never ends by itself.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import uuid4

import aiohttp
import structlog
from pydantic import SecretStr

from libs.common import logs
from libs.common.identity import open_session
from libs.common.settings import EnvSettings

PLAYERS = (
    *("Ada", "Grace", "Linus", "Margaret", "Dennis", "Barbara", "Ken", "Radia", "Edsger"),
    *("Frances", "Donald", "Hedy", "Alan", "Katherine", "Tim", "Annie", "Niklaus", "Mary"),
    *("Evelyn", "Sophie", "Guido", "Karen", "Leslie", "Shafi", "Robin"),
)
INCREMENTS_PER_SECOND = 4.0
MAX_POINTS = 50
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 15.0

_log = structlog.get_logger()


class Settings(EnvSettings):
    """Where to play; the password is the same for all of them."""

    gateway_url: str
    auth_url: str
    player_password: SecretStr


class Refused(Exception):
    """An answer other than the wished one; the message is its status."""


@dataclass
class Player:
    """One of them; no token means: to be signed in."""

    name: str
    token: str = ""

    @property
    def login(self) -> str:
        return f"demo-{self.name.lower()}"


class Demo:
    """Plays until it is cancelled."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    async def play(self, players: Sequence[Player], chance: random.Random) -> None:
        """One increment at a time, at a bounded rate; after a failure, pause, longer each time."""
        skill = [chance.uniform(0.2, 1.0) for _ in players]
        pause = FIRST_PAUSE_SECONDS
        while True:
            player = chance.choices(players, skill)[0]
            try:
                if not player.token:
                    await self._sign_in(player)
                await self._score(player, chance.randint(1, MAX_POINTS))
            except (aiohttp.ClientError, TimeoutError, Refused) as error:
                _log.info("demo_waits", seconds=pause, error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                pause = FIRST_PAUSE_SECONDS
                await asyncio.sleep(chance.expovariate(INCREMENTS_PER_SECOND))

    async def _sign_in(self, player: Player) -> None:
        """The first time they register; later the login is taken, and theirs."""
        url = f"{self._settings.auth_url}/api/auth"
        proof = {
            "login": player.login,
            "password": self._settings.player_password.get_secret_value(),
        }
        person = {**proof, "display_name": player.name}
        async with self._session.post(f"{url}/register", json=person) as answer:
            status, body = answer.status, await answer.json(content_type=None)
        if status == HTTPStatus.CONFLICT:
            async with self._session.post(f"{url}/login", json=proof) as answer:
                status, body = answer.status, await answer.json(content_type=None)
        if status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise Refused(f"sign-in: {status}")
        player.token = body["access_token"]

    async def _score(self, player: Player, points: int) -> None:
        async with self._session.post(
            f"{self._settings.gateway_url}/api/scores",
            json={"score_increment": points},
            headers={
                "Authorization": f"Bearer {player.token}",
                "Idempotency-Key": str(uuid4()),
            },
        ) as answer:
            if answer.status == HTTPStatus.UNAUTHORIZED:
                player.token = ""  # it has ended; the next turn signs in again
            elif answer.status != HTTPStatus.OK:
                raise Refused(f"score: {answer.status}")


async def main() -> None:
    logs.configure("demo")
    settings = Settings()
    async with open_session() as session:
        await Demo(session, settings).play([Player(name) for name in PLAYERS], random.Random())  # noqa: S311


if __name__ == "__main__":
    asyncio.run(main())
