"""
What a node owes the others: it says that it is up, and does what it is told.

Asked for every second, so an order is carried out within 5 s, by whichever node it was given; and
an order stays in the store until then, so there is no message to lose.
"""

import asyncio
from collections.abc import Callable

import structlog

from libs.common.errors import Unavailable
from libs.common.logs import Trouble
from services.notification.usecases.ports import NodeStore
from services.notification.usecases.streams import Streams

REPORT_SECONDS = 1.0

_log = structlog.get_logger()


class Duty:
    """This node, as one of several."""

    def __init__(
        self, node: str, nodes: NodeStore, streams: Streams, send_away: Callable[[], None]
    ) -> None:
        self._node = node
        self._nodes = nodes
        self._streams = streams
        self._send_away = send_away

    async def watch(self) -> None:
        """Report for ever; while the store is away, this node goes on as it is."""
        trouble = Trouble("node_not_reported")
        while True:
            try:
                await self.report()
                trouble.over()
            except Unavailable as error:
                trouble.met(error)
            await asyncio.sleep(REPORT_SECONDS)

    async def report(self) -> None:
        """Report once, and carry out the orders. Raises `Unavailable`."""
        orders = await self._nodes.report(
            self._node, sessions=self._streams.count, draining=self._streams.draining
        )
        self._streams.close(orders.close)
        if orders.drain and not self._streams.draining:
            _log.warning("node_draining", node=self._node, sessions=self._streams.count)
            self._streams.drain()
            self._send_away()

    async def check(self) -> None:
        """Raises `Unavailable` while this node takes no new streams."""
        if self._streams.draining:
            raise Unavailable("draining")
