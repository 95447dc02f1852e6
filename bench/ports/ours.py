"""The product as a contender: `live-scoreboard up` with every limit out of the way."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from bench.contender import Sums, Target
from bench.ports import crowds, stores
from libs.common.contracts.values import GLOBAL_BOARD
from libs.devstack import credentials
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from tests.oracle import client
from tests.oracle.truth import REGION
from tests.servers import run
from tests.stack import UNLIMITED, running_stack

WITHOUT_LIMITS = MappingProxyType(
    UNLIMITED | {"MAX_CONNECTIONS_PER_ADDRESS": "100000", "MAX_REQUESTS": "10000"}
)
OPERATOR_SECRET = "operator_secret"  # noqa: S105 - the name of it
LEDGER = (
    "SELECT (SELECT count(*) FROM score.score_entry WHERE kind = 'increment'),"
    " (SELECT coalesce(sum(score), 0)::bigint FROM score.user_score)"
)


@dataclass(frozen=True)
class Ours:
    """
    The whole stack; `environment` sets what is to be measured differently.

    A `crowd` of so many users has scored before it is ready; then tokens are for some of those.
    """

    name: str = "ours"
    environment: Mapping[str, str] = field(default_factory=dict)
    crowd: int = 0

    @contextmanager
    def running(self) -> Iterator[Target]:
        """A stack of its own, without demo players."""
        with running_stack({**WITHOUT_LIMITS, **self.environment}) as stack:
            urls = stack.urls
            if self.crowd:
                run(crowds.gather(urls, self.crowd))
            secret = credentials.load(stack.data_dir)["client_operator"]
            yield Target(
                post_url=f"{urls['gateway']}/api/scores",
                board_url=f"{urls['gateway']}/api/leaderboard",
                websocket_url=f"{urls['notification'].replace('http', 'ws', 1)}/api/stream",
                events_url=f"{urls['notification']}/api/stream/sse",
                pids={p["name"]: p["pid"] for p in stack.status()["processes"] if p["pid"]},
                inside={**urls, OPERATOR_SECRET: secret},
            )

    async def tokens(self, target: Target, users: Sequence[str]) -> dict[str, str]:
        """From its auth service, as the operator; of a crowd, for those at equal distances."""
        if self.crowd:
            users = crowds.members(self.crowd, len(users))
        return await client.tokens(target.inside["auth"], target.inside[OPERATOR_SECRET], users)

    async def sums(self, target: Target) -> Sums:
        """From the ledger and the current board, every user counted."""
        accepted, points = await stores.one_row(target.inside["postgres"], LEDGER)
        redis_url, keys = target.inside["valkey"], Keys(REGION, GLOBAL_BOARD)
        redis = open_redis(redis_url)
        try:
            epoch = await RedisBoard(redis, keys).current()
        finally:
            await redis.aclose()
        sorted_set, _, _ = keys.of(epoch)
        # The best first: the sorted set holds each total with a minus.
        return Sums(accepted, points, -await stores.sum_of_scores(redis_url, sorted_set))
