"""
`python -m bench.ports.serve …` is `uvicorn …` on a broker that behaves as Kafka does.

Kafka holds a fetch that finds nothing. The development broker answers at once (docs/adr/0008), so
that an idle consumer of aiokafka would ask thousands of times a second, and be charged for it. The
product paces its readers; this gives the ports the same, since with Kafka they would need nothing.
"""

import asyncio
from contextlib import suppress

import uvicorn
from aiokafka.consumer import consumer
from aiokafka.consumer.fetcher import Fetcher

# Those of `libs.common.kafka.readers`.
EMPTY_FETCH_SECONDS = 0.005
IDLE_FETCH_SECONDS = 0.025
IDLE_AFTER_SECONDS = 1.0


class PacedFetcher(Fetcher):  # type: ignore[misc]
    """Lets a fetch that brings nothing take 5 ms, and 25 ms when nothing came for a second."""

    _last_found = 0.0

    async def _proc_fetch_request(self, *request: object) -> bool:
        now = asyncio.get_running_loop().time
        idle = now() - self._last_found > IDLE_AFTER_SECONDS
        earliest = now() + (IDLE_FETCH_SECONDS if idle else EMPTY_FETCH_SECONDS)
        found = False
        # Cancelled when the consumer closes, which then awaits it: as in aiokafka's, it returns.
        with suppress(asyncio.CancelledError):
            found = await super()._proc_fetch_request(*request)
            if found:
                self._last_found = now()
            else:
                await asyncio.sleep(max(0.0, earliest - now()))
        return found


if __name__ == "__main__":
    consumer.Fetcher = PacedFetcher
    uvicorn.main()
