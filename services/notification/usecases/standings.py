"""Own rank and score on private streams: asked once a second, sent when they changed."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import islice

from libs.common.contracts.streams import StandingFrame
from libs.common.errors import Unavailable
from libs.common.logs import Trouble
from services.notification.domain import Client, Viewer, encode
from services.notification.usecases.ports import Ranks

POLL_SECONDS = 1.0
USERS_PER_CALL = 1000

Viewers = Callable[[], list[tuple[Client, Viewer]]]


class Standings:
    """What each private stream was last told about its user."""

    def __init__(self, ranks: Ranks, viewers: Viewers) -> None:
        self._ranks = ranks
        self._viewers = viewers
        self._told: dict[Client, tuple[int, int]] = {}

    async def watch(self) -> None:
        """Tell for ever; what could not be asked, or not be sent, is tried again."""
        trouble = Trouble("standings_not_told")
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.tell()
                trouble.over()
            except Unavailable as error:
                trouble.met(error)

    async def tell(self) -> None:
        """Ask for everyone once, and tell those whose standing changed. Raises `Unavailable`."""
        clients: dict[str, list[Client]] = defaultdict(list)
        for client, viewer in self._viewers():
            clients[viewer.user_id].append(client)
        watching = {client for several in clients.values() for client in several}
        self._told = {c: standing for c, standing in self._told.items() if c in watching}
        users = iter(list(clients))
        while batch := list(islice(users, USERS_PER_CALL)):
            self._tell(await self._ranks.of(batch), clients)

    def _tell(
        self, ranks: Mapping[str, tuple[int, int]], clients: Mapping[str, list[Client]]
    ) -> None:
        for user_id, (rank, score) in ranks.items():
            frames = None
            for client in clients.get(user_id, ()):
                if client.writable and self._told.get(client) != (rank, score):
                    frames = frames or encode(
                        StandingFrame(rank=rank, score=score, user_id=user_id)
                    )
                    self._told[client] = (rank, score)
                    client.write(frames[client.variant])
