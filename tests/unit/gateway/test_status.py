"""The report on the whole product: what it costs, and what it says when somebody is silent."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from libs.common.identity import open_session
from services.gateway.domain.figures import Sample
from services.gateway.upstream import vitals
from services.gateway.upstream.vitals import ServiceVitals
from services.gateway.usecases.status import CACHE_SECONDS, WINDOW_SECONDS, Reading, ReadStatus
from tests.unit.gateway.fakes import FakeClock, FakeServices


class FakeVitals:
    """Processes that say what they are told to, when `open` is set."""

    def __init__(self, *readings: Reading) -> None:
        self.readings: Sequence[Reading] = readings
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def read(self) -> Sequence[Reading]:
        self.asked += 1
        await self.open.wait()
        return self.readings


def well(address: str = "host:8000", *samples: Sample) -> Reading:
    return Reading(address, {"store": "ok"}, samples)


def sent(count: float, seconds: float) -> Reading:
    """Notification, after so many snapshots that took so long together."""
    name = "notification_freshness_seconds"
    buckets = [Sample(f"{name}_bucket", {"le": le}, count) for le in ("60.0", "+Inf")]
    return well("n:1", *buckets, Sample(f"{name}_sum", {}, seconds))


async def test_everybody_in_a_second_gets_the_same_report() -> None:
    clock, score = FakeClock(), FakeVitals(well())
    score.open.clear()
    read = ReadStatus({"score": score}, clock)

    asking = asyncio.gather(*(read() for _ in range(10)))
    await asyncio.sleep(0)
    score.open.set()
    reports = await asking
    assert score.asked == 1
    assert all(report is reports[0] for report in reports)

    clock.seconds = CACHE_SECONDS
    assert await read() is not reports[0]
    assert score.asked == 2


async def test_services_are_asked_at_once() -> None:
    score, auth = FakeVitals(well()), FakeVitals(well())
    score.open.clear()
    asking = asyncio.ensure_future(ReadStatus({"score": score, "auth": auth}, FakeClock())())

    while not auth.asked:
        await asyncio.sleep(0)

    score.open.set()
    assert (await asking).services[0].health == "ok"


@pytest.mark.parametrize(
    ("readings", "health"),
    [
        ([well("a"), well("b")], "ok"),
        ([well("a"), Reading("b", {"redis": "TimeoutError"})], "unavailable"),
        ([Reading("a", {"redis": "TimeoutError"}), Reading("b")], "down"),
        ([], "down"),
    ],
)
async def test_a_service_is_as_well_as_the_worst_of_its_processes(
    readings: list[Reading], health: str
) -> None:
    report = await ReadStatus({"score": FakeVitals(*readings)}, FakeClock())()

    (service,) = report.services
    assert service.health == health
    assert [process.address for process in service.processes] == [r.address for r in readings]


async def test_freshness_is_that_of_the_last_minute() -> None:
    clock, notification = FakeClock(), FakeVitals(sent(100, 1000))
    read = ReadStatus({"notification": notification}, clock)

    async def mean_after(seconds: float, reading: Reading) -> float | None:
        clock.seconds += seconds
        notification.readings = [reading]
        freshness = (await read()).figures.freshness
        return freshness.mean_seconds if freshness else None

    assert await mean_after(0, sent(100, 1000)) == 10  # since it began: nobody looked before
    assert await mean_after(2, sent(110, 1001)) == 0.1
    assert await mean_after(WINDOW_SECONDS - 2, sent(120, 1011)) == 0.55
    assert await mean_after(2, sent(120, 1011)) == 1.0
    assert await mean_after(WINDOW_SECONDS, sent(120, 1011)) is None


async def test_what_is_remembered_is_bounded() -> None:
    clock, notification = FakeClock(), FakeVitals(sent(1, 1))
    read = ReadStatus({"notification": notification}, clock)

    for _ in range(300):
        clock.seconds += CACHE_SECONDS
        await read()

    assert len(read._sent) <= WINDOW_SECONDS / CACHE_SECONDS + 2


async def test_every_process_behind_a_name_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(host: str, port: int, **_: Any) -> list[Any]:
        assert host == "score"
        found = [("127.0.0.9", port), ("127.0.0.1", port), ("127.0.0.1", port)]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            *((socket.AF_INET, socket.SOCK_STREAM, 6, "", to) for to in found),
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    async with FakeServices().serve() as services, open_session() as session:
        port = services.url.rpartition(":")[2]
        readings = await ServiceVitals(session, f"http://score:{port}").read()

        assert [reading.address for reading in readings] == [
            f"127.0.0.1:{port}",
            f"127.0.0.9:{port}",
        ]
        assert [reading.checks for reading in readings] == [{"store": "ok"}, None]
        assert services.asked("/readyz")[0].headers["Host"] == f"score:{port}"


async def test_a_name_that_leads_nowhere_has_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    async with open_session() as session:
        assert await ServiceVitals(session, "http://score:8000").read() == []


async def test_a_process_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "TIMEOUT_SECONDS", 0.05)

    async with FakeServices(delay_seconds=0.5).serve() as services, open_session() as session:
        (reading,) = await ServiceVitals(session, services.url).read()

    assert reading == Reading(services.url.removeprefix("http://"))
