"""
How the whole product is: every process asked at once, its health and figures put together.

The answers of a second serve everybody who asks in it: a hundred open pages cost what one does.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.common.clock import Clock, system_clock
from libs.common.contracts.status import (
    Freshness,
    Health,
    ProcessStatus,
    ServiceStatus,
    StatusReport,
)
from services.gateway.domain.figures import FRESHNESS, Histogram, Sample, figures, loop_lag

CACHE_SECONDS = 1.0
WINDOW_SECONDS = 60.0

_WORST_FIRST: tuple[Health, ...] = ("down", "unavailable", "ok")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process says of itself; without `checks` it said nothing."""

    address: str
    checks: Mapping[str, str] | None = None
    samples: Sequence[Sample] = ()


class Vitals(Protocol):
    """The processes of one service."""

    async def read(self) -> Sequence[Reading]:
        """A reading of each. Takes a bounded time and never raises."""
        ...


class ReadStatus:
    """Puts the report together, at most once a second."""

    def __init__(self, services: Mapping[str, Vitals], clock: Clock = system_clock) -> None:
        self._services = services
        self._clock = clock
        self._lock = asyncio.Lock()
        self._report: StatusReport | None = None
        self._read_at = float("-inf")
        self._sent: deque[tuple[float, Histogram]] = deque()

    async def __call__(self) -> StatusReport:
        async with self._lock:
            if self._report is None or self._clock.monotonic() - self._read_at >= CACHE_SECONDS:
                self._report = await self._read()
                self._read_at = self._clock.monotonic()
            return self._report

    async def _read(self) -> StatusReport:
        read = await asyncio.gather(*(vitals.read() for vitals in self._services.values()))
        readings = dict(zip(self._services, read, strict=True))
        samples = {
            name: [sample for reading in processes for sample in reading.samples]
            for name, processes in readings.items()
        }
        freshness = self._freshness(Histogram.of(FRESHNESS, samples.get("notification", ())))
        return StatusReport(
            at=self._clock.now(),
            services=[_service(name, processes) for name, processes in readings.items()],
            figures=figures(samples, freshness),
        )

    def _freshness(self, newest: Histogram) -> Freshness | None:
        """That of the last minute; of all time, if this is the first look."""
        now = self._clock.monotonic()
        sent = self._sent
        sent.append((now, newest))
        while len(sent) > 2 and sent[1][0] <= now - WINDOW_SECONDS:
            sent.popleft()
        return (newest.since(sent[0][1]) if len(sent) > 1 else newest).freshness()


def _service(name: str, readings: Sequence[Reading]) -> ServiceStatus:
    processes = [
        ProcessStatus(
            address=reading.address,
            health=_health(reading),
            checks=dict(reading.checks or {}),
            loop_lag_seconds=loop_lag(reading.samples),
        )
        for reading in readings
    ]
    worst = min((process.health for process in processes), key=_WORST_FIRST.index, default="down")
    return ServiceStatus(name=name, health=worst, processes=processes)


def _health(reading: Reading) -> Health:
    if reading.checks is None:
        return "down"
    return "ok" if all(check == "ok" for check in reading.checks.values()) else "unavailable"
