"""Nodes and the orders to them: kept until they are carried out, so that none can get lost."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from libs.common.contracts.sessions import Node, StreamSession
from services.notification.store.connection import PREFIX, asked
from services.notification.usecases.ports import Orders

SILENT_SECONDS = 10
# A node that Redis has not heard for longer may miss an order, when it comes back.
REMEMBERED_SECONDS = 3600

_NODES = f"{PREFIX}:nodes"
_REPORT_NODE = Path(__file__).with_name("report_node.lua").read_text("utf-8")


class RedisNodes:
    """A node is up while it reports; one that is silent for 10 s is not."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._report = redis.register_script(_REPORT_NODE)

    async def report(self, node: str, *, sessions: int, draining: bool) -> Orders:
        drain, closing = await asked(
            self._report(
                keys=[_NODES, _node_key(node), _closing_key(node)],
                args=[node, sessions, int(draining), REMEMBERED_SECONDS * 1000],
            )
        )
        return Orders(drain=bool(drain), close=frozenset(closing))

    async def listed(self) -> list[Node]:
        seconds, _ = await asked(self._redis.time())
        seen = await asked(
            self._redis.zrangebyscore(
                _NODES, (seconds - SILENT_SECONDS) * 1000, "+inf", withscores=True
            )
        )
        pipeline = self._redis.pipeline(transaction=False)
        for name, _ in seen:
            pipeline.hgetall(_node_key(name))
        found = await asked(pipeline.execute())
        nodes = [_read(name, at, fields) for (name, at), fields in zip(seen, found, strict=True)]
        return sorted(nodes, key=lambda node: node.node)

    async def order_close(self, sessions: Sequence[StreamSession]) -> None:
        ids = defaultdict(list)
        for session in sessions:
            ids[_closing_key(session.node)].append(session.session_id)
        pipeline = self._redis.pipeline()
        for key, several in ids.items():
            pipeline.sadd(key, *several)
            pipeline.expire(key, REMEMBERED_SECONDS)
        await asked(pipeline.execute())

    async def order_drain(self, node: str) -> None:
        pipeline = self._redis.pipeline()
        pipeline.hset(_node_key(node), "draining", "1")
        pipeline.expire(_node_key(node), REMEMBERED_SECONDS)
        await asked(pipeline.execute())


def _node_key(node: str) -> str:
    return f"{PREFIX}:node:{node}"


def _closing_key(node: str) -> str:
    return f"{PREFIX}:closing:{node}"


def _read(name: str, seen_ms: float, fields: dict[str, Any]) -> Node:
    return Node(
        node=name,
        sessions=int(fields.get("sessions", 0)),
        draining=fields.get("draining") == "1",
        seen_at=datetime.fromtimestamp(seen_ms / 1000, UTC),
    )
