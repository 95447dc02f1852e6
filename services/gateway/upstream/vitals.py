"""What processes say of themselves: `/readyz`, and the lines of `/metrics` that are wanted."""

import asyncio
import socket
from collections.abc import Iterator, Sequence

import aiohttp
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from yarl import URL

from libs.common.health import Readiness
from services.gateway.domain.figures import NAMES, Sample
from services.gateway.usecases.status import Reading

# More than the 2 s in which a process gives up on what it needs, and then says so.
TIMEOUT_SECONDS = 2.5
LOOKUP_SECONDS = 1.0
MAX_PROCESSES = 16


class _Readiness(BaseModel):
    checks: dict[str, str]


class OwnVitals:
    """This process."""

    def __init__(self, ready: Readiness) -> None:
        self._ready = ready

    async def read(self) -> Sequence[Reading]:
        text = generate_latest().decode()
        return [Reading("", await self._ready.answers(), list(_samples(text)))]


class ServiceVitals:
    """
    Every process behind a service's name: replicas share one, and each counts for itself.

    At most 16 of them, those with the smallest addresses.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._url = URL(base_url)

    async def read(self) -> Sequence[Reading]:
        """None if the name leads nowhere."""
        hosts = await self._hosts()
        return await asyncio.gather(*(self._read(host) for host in hosts))

    async def _hosts(self) -> list[str]:
        assert self._url.host is not None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await loop.getaddrinfo(
                    self._url.host, self._url.port, type=socket.SOCK_STREAM
                )
        except (OSError, TimeoutError):
            return []
        # One family: a process that listens on both must not count twice.
        family = min(address[0] for address in found)
        return sorted({str(to[0]) for of, *_, to in found if of == family})[:MAX_PROCESSES]

    async def _read(self, host: str) -> Reading:
        url = self._url.with_host(host)
        address = f"{host}:{url.port}"
        try:
            readiness, metrics = await asyncio.gather(
                self._get(url / "readyz"), self._get(url / "metrics")
            )
            checks = _Readiness.model_validate_json(readiness).checks
            return Reading(address, checks, list(_samples(metrics.decode())))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return Reading(address)

    async def _get(self, url: URL) -> bytes:
        """The body, also that of the 503 with which a process says that it is not ready."""
        async with self._session.get(
            url,
            headers={"Host": self._url.authority},
            server_hostname=self._url.host if url.scheme == "https" else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        ) as answer:
            return await answer.read()


def _samples(text: str) -> Iterator[Sample]:
    # Only these: a whole page takes the parser 20 ms, in which nobody is served.
    wanted = "\n".join(line for line in text.splitlines() if line.startswith(NAMES))
    for family in text_string_to_metric_families(wanted):
        for sample in family.samples:
            yield Sample(sample.name, sample.labels, sample.value)
