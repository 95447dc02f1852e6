"""The express way into the public stream: what it says is what the documented way says."""

import asyncio
import re
from urllib.parse import urlsplit

from tests.notification_server import Service, Start

pytest_plugins = ["tests.notification_fixtures"]

ANSWER_SECONDS = 10.0
QUERIES = ("", "since=1:1", "since=1%3A1", "since=1:1&ticket=", "ticket=", "since=&ticket=")


async def test_every_way_in_says_the_same(start: Start) -> None:
    """Those with a ticket, even an empty one, take the documented way; the others the express."""
    service = await start()
    answers = {query: await upgrade(service, query) for query in QUERIES}
    assert answers[""].startswith(b"HTTP/1.1 101 ")
    assert {fields(answer) for answer in answers.values()} == {fields(answers[""])}
    refusals = {query: await upgrade(service, query, "Origin: http://else") for query in QUERIES}
    assert refusals[""].startswith(b"HTTP/1.1 403 ")
    assert set(refusals.values()) == {refusals[""]}


async def upgrade(service: Service, query: str, *fields: str) -> bytes:
    """The head of the answer."""
    place = urlsplit(service.ws())
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = (
        f"GET {place.path}?{query} HTTP/1.1",
        *("Host: here", "Connection: Upgrade", "Upgrade: websocket", "X-Request-ID: fixed"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        *fields,
    )
    writer.write("\r\n".join((*head, "", "")).encode())
    async with asyncio.timeout(ANSWER_SECONDS):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return re.sub(rb"(?i)date: [^\r]+", b"", answer)


def fields(answer: bytes) -> frozenset[bytes]:
    """The lines of a head; their order means nothing."""
    return frozenset(answer.split(b"\r\n"))
