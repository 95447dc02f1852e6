"""Whether something answers at a URL; small enough to ask twenty times a second."""

import asyncio
from urllib.parse import urlsplit

CONNECT_SECONDS = 2.0
ANSWER_BYTES = 4096


class NotReady(Exception):
    """It answers, but not as wished; the message says what it said."""


async def http_ok(url: str) -> None:
    """Raise unless a GET is answered with 200."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    async with asyncio.timeout(CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(request.encode("ascii"))
            answer = await reader.read(ANSWER_BYTES)
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise NotReady(body.decode("utf-8", "replace") or "no answer")


async def tcp_open(host: str, port: int) -> None:
    """Raise unless a connection is accepted."""
    async with asyncio.timeout(CONNECT_SECONDS):
        _, writer = await asyncio.open_connection(host, port)
    writer.close()
