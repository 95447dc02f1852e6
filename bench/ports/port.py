"""The two ports as contenders: the same doors and the same stores, other code behind."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp

from bench.contender import Sums, Target
from bench.ports import stack, stores

TOKENS_SECONDS = 60
LEDGER = (
    "SELECT (SELECT count(*) FROM score_entries),"
    " (SELECT coalesce(sum(total), 0)::bigint FROM user_scores)"
)
BOARD = "leaderboard"


@dataclass(frozen=True)
class Port:
    """A port, and how its author would start uvicorn."""

    name: str
    uvicorn_options: tuple[str, ...]

    @contextmanager
    def running(self) -> Iterator[Target]:
        """Servers and services of its own."""
        package = f"bench.ports.{self.name}"
        with stack.running(package, self.uvicorn_options) as processes:
            gateway, notification = processes.urls["gateway"], processes.urls["notification"]
            yield Target(
                post_url=f"{gateway}/api/scores",
                board_url=f"{gateway}/api/leaderboard",
                websocket_url=f"{notification.replace('http', 'ws', 1)}/api/stream",
                events_url=f"{notification}/api/stream/sse",
                pids=processes.pids,
                inside=processes.urls,
            )

    async def tokens(self, target: Target, users: Sequence[str]) -> dict[str, str]:
        """Signed by its auth service."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TOKENS_SECONDS)) as session,
            session.post(
                f"{target.inside['auth']}/tokens",
                json={"user_ids": list(users)},
                headers={"Authorization": f"Bearer {stack.OPERATOR_SECRET}"},
                raise_for_status=True,
            ) as answer,
        ):
            tokens: dict[str, str] = await answer.json()
            return tokens

    async def sums(self, target: Target) -> Sums:
        """From its tables and its sorted set."""
        accepted, points = await stores.one_row(target.inside["postgres"], LEDGER)
        board = await stores.sum_of_scores(target.inside["valkey"], BOARD)
        return Sums(accepted, points, board)


# What `uvicorn module:app` does, without a line of log for each request.
NAIVE = Port("naive", ("--no-access-log",))

COMPETENT = Port(
    "competent",
    (
        *("--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"),
        *("--no-server-header", "--no-date-header", "--no-proxy-headers"),
        # Longer than the gateway's client keeps a connection, which then never meets a closing one.
        *("--timeout-keep-alive", "75"),
        *("--ws-per-message-deflate", "false"),
    ),
)
