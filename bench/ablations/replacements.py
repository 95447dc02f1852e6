"""What stands in for a fast path: the same work, as everyday code does it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bench.ablations.replacing import replace, replace_value
from libs.common.batching import Send as Handle

BATCHING = "libs.common.batching:Lanes"
WITHOUT_MAXIMUM_AGE = 0.0


def express() -> None:
    """Every increment goes through the framework and the documented route."""
    replace("services.gateway.routes.express:Express", lambda _: _nothing_ordinary)


def express_batches() -> None:
    """So does every batch of them, in score."""
    replace("services.score.routes.express:Express", lambda _: lambda app: app)


def express_streams() -> None:
    """Every stream is opened by the documented route, in notification."""
    replace("services.notification.routes.express:Express", lambda _: _nothing_ordinary)


def hop() -> None:
    """The gateway calls score once for each increment, as many at a time as there are."""
    replace(BATCHING, lambda _: OneByOne)


def verdicts() -> None:
    """The gateway asks auth about the token of every request."""
    replace_value("services.gateway.usecases.verdicts:MAX_AGE_SECONDS", WITHOUT_MAXIMUM_AGE)


def group_commit() -> None:
    """Each increment is a transaction of its own, on the same connections."""
    replace(BATCHING, _lanes_of_one)


def produce() -> None:
    """The relay hands records to Kafka's client one by one, as many at a time as there are."""
    replace("libs.common.kafka.publisher:Publisher.publish", _publish_each)


def gather() -> None:
    """The relay publishes as soon as the broker has taken the last."""
    replace_value("services.score.publisher:GATHER_SECONDS", 0.0)


def fetch() -> None:
    """Readers fetch again as soon as something came."""
    replace_value("libs.common.kafka.readers:GATHER_SECONDS", 0.0)
    replace_value("libs.common.kafka.readers:BROADCAST_GATHER_SECONDS", 0.0)


def apply() -> None:
    """Redis runs a script for each user of a batch."""
    replace_value("services.scoreboard.store.board:MAX_ROWS_PER_CALL", 1)


def frames() -> None:
    """A board is encoded for each client that gets it."""
    replace("services.notification.domain:encode", _encode_each_time)


def garbage() -> None:
    """The collector keeps its defaults, and looks at everything."""
    replace("libs.common.app:_settle_garbage", lambda _: lambda: None)


class OneByOne:
    """In place of `Lanes`: no batches, and nobody waits for another."""

    def __init__(self, sends: Sequence[Handle[Any, Any]], **_: int) -> None:
        self._send = sends[0]

    def submit(self, _key: str, item: object) -> asyncio.Future[Any]:
        return asyncio.ensure_future(self._one(item))

    async def _one(self, item: object) -> object:
        (result,) = await self._send([item])
        return result

    async def __aenter__(self) -> "OneByOne":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to stop."""


def _nothing_ordinary(_parts: object) -> None:
    """No `AtOnce`."""


def _lanes_of_one(lanes: Any) -> Any:
    def make(sends: Any, **options: Any) -> Any:
        return lanes(sends, **options | {"max_batch": 1})

    return make


def _publish_each(publish: Any) -> Any:
    async def each(publisher: Any, records: Sequence[Any]) -> None:
        await asyncio.gather(*(publish(publisher, [record]) for record in records))

    return each


def _encode_each_time(encode: Any) -> Any:
    class EachTime:
        def __init__(self, *args: Any, **options: Any) -> None:
            self._args, self._options = args, options

        def __getitem__(self, variant: int) -> bytes:
            frame: bytes = encode(*self._args, **self._options)[variant]
            return frame

        def __getattr__(self, name: str) -> bytes:
            frame: bytes = getattr(encode(*self._args, **self._options), name)
            return frame

    return EachTime
