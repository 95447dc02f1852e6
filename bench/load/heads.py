"""HTTP/1.1 as far as a client of its own needs it: where to, the head, and an answer in whole."""

from typing import NamedTuple
from urllib.parse import urlsplit

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024

_PORTS = {"http": 80, "ws": 80}


class Broken(ValueError):
    """The peer does not speak as expected here."""


class Address(NamedTuple):
    """Where a URL leads."""

    host: str
    port: int
    authority: str
    target: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """Raises `ValueError` unless it is an `http` or `ws` URL."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"not a URL with http:// or ws://: {url}")
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme], parts.netloc, target)


class Answer(NamedTuple):
    """`last`: the server closes the connection after it."""

    status: int
    body: bytes
    last: bool


def split(data: bytes) -> tuple[bytes, bytes] | None:
    """The head in lower case and what follows it; None while the head has no end."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if len(head) > MAX_HEAD_BYTES:
        raise Broken("a head without end")
    return (head.lower(), rest) if end else None


def status(head: bytes) -> int:
    """Raises `Broken` if it is not HTTP/1.1."""
    if not head.startswith(b"http/1.1 "):
        raise Broken(f"not HTTP/1.1: {head[:40]!r}")
    return int(head[9:12])


def field(head: bytes, name: bytes) -> bytes:
    """The value of a field, in lower case like the head; empty if there is none."""
    _, found, rest = head.partition(b"\r\n%b:" % name)
    return rest.partition(b"\r\n")[0].strip() if found else b""


def answer(data: bytes) -> Answer | None:
    """
    What was answered, None while some of it is missing.

    Raises `Broken` (a `ValueError`) if there is no `Content-Length`, or more than one answer.
    """
    parts = split(data)
    if parts is None:
        return None
    head, body = parts
    length = field(head, b"content-length")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        raise Broken("an answer without a (sensible) Content-Length")
    missing = int(length) - len(body)
    if missing > 0:
        return None
    if missing < 0:
        raise Broken("more than was asked for")
    return Answer(status(head), body, field(head, b"connection") == b"close")
