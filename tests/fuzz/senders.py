"""
Senders that abuse HTTP/1.1: too slow, too much, too long, ambiguous, or nothing at all.

Each must end within `BOUND_SECONDS`: refused with the right status, or hung up on. `Abuse.allowed`
are the statuses that may come; none at all may always come, since what a server says to somebody
who is still sending is often lost.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

from tests.fuzz.raw import Ending, Piece, talk

BOUND_SECONDS = 15.0
DRIP_SECONDS = 0.5
HUGE_BYTES = 256 * 1024
PIPELINED = 50

_HOST = b"Host: here\r\n"
_JSON = b"Content-Type: application/json\r\n"


@dataclass(frozen=True)
class Abuse:
    """What is sent, and the statuses that may come back."""

    pieces: Callable[[], Iterator[Piece]]
    allowed: frozenset[int]

    def wrong(self, ending: Ending) -> str:
        """Why this ending is not one; empty if all is as it should be."""
        if not ending.cut:
            return f"still open after {ending.seconds:.1f} s"
        strange = set(ending.statuses) - self.allowed - {100}
        return f"answered {sorted(strange)}" if strange else ""


async def tried(url: str, abuse: Abuse) -> str:
    """Abuse a server, and tell what is wrong with how it ended; empty if nothing."""
    return abuse.wrong(await talk(url, abuse.pieces(), seconds=BOUND_SECONDS))


def every(path: bytes, body_path: bytes) -> dict[str, Abuse]:
    """By name; a GET of `path` answers 200, and a POST to `body_path` reads its body."""
    return {
        **_slow(path, body_path),
        **_endless(path, body_path),
        **_ambiguous(path, body_path),
        **_misspelt(path),
        **_in_order(path),
    }


def _slow(path: bytes, body_path: bytes) -> dict[str, Abuse]:
    get = b"GET %b HTTP/1.1\r\n" % path
    post = b"POST %b HTTP/1.1\r\n%b%b" % (body_path, _HOST, _JSON)
    length = b"Content-Length: 100\r\n\r\n"
    return {
        "nothing is sent": _abuse(408),
        "half a request line": _abuse(408, b"GET /api"),
        "a head by the byte": _dripped(408, get + _HOST + b"X: y\r\n" * 50),
        "a field at a time": _abuse(408, get, *_slowly(b"X-Slow: 1\r\n")),
        "empty lines for a request": _abuse(408, *_slowly(b"\r\n")),
        "a body by the byte": _abuse(408, post + length, *_slowly(b" ")),
        "a body that never comes": _abuse(408, post + length),
        "a chunk that never comes": _abuse(
            408, post + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"
        ),
        "a body promised with Expect": _abuse(408, post + b"Expect: 100-continue\r\n" + length),
        "a body by the byte, after the answer": _abuse(
            {404, 405, 401, 422}, b"POST /nowhere HTTP/1.1\r\n" + _HOST + length, *_slowly(b" ")
        ),
        "a second request by the byte": _abuse({200, 400}, get + _HOST + b"\r\n", *_slowly(b"G")),
    }


def _endless(path: bytes, body_path: bytes) -> dict[str, Abuse]:
    get = b"GET %b HTTP/1.1\r\n%b" % (path, _HOST)
    post = b"POST %b HTTP/1.1\r\n%b%b" % (body_path, _HOST, _JSON)
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    kilobyte = b"x" * 1024
    return {
        "a URL of 256 kB": _abuse(431, b"GET /" + b"a" * HUGE_BYTES + b" HTTP/1.1\r\n\r\n"),
        "a field of 256 kB": _abuse(431, get + b"X: " + b"a" * HUGE_BYTES + b"\r\n\r\n"),
        "a field without end": _abuse(431, get + b"X: ", *repeat(kilobyte, 256)),
        "20,000 fields": _abuse(431, get + b"X: y\r\n" * 20_000 + b"\r\n"),
        "fields without end": _abuse(431, get, *repeat(b"X-More: 1\r\n" * 100, 100)),
        "a body too large": _abuse(413, post + b"Content-Length: 1000000\r\n\r\n" + kilobyte * 900),
        "chunks without end": _abuse(413, chunked, *repeat(b"400\r\n%b\r\n" % kilobyte, 1000)),
        "a chunk extension without end": _abuse({408, 400}, chunked + b"1;", *repeat(kilobyte, 99)),
        "trailers without end": _abuse(
            {408, 413, 422, 431}, chunked + b"2\r\n{}\r\n0\r\n", *repeat(b"X: y\r\n" * 99, 99)
        ),
    }


def _ambiguous(path: bytes, body_path: bytes) -> dict[str, Abuse]:
    """Requests that two parsers would read in two ways: smuggling (RFC 9112 §6.3)."""
    post = b"POST %b HTTP/1.1\r\n%b%b" % (body_path, _HOST, _JSON)
    hidden = b"GET %b HTTP/1.1\r\nHost: hidden\r\n\r\n" % path
    heads = {
        "a length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "two lengths": b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "one length twice": b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "a list of lengths": b"Content-Length: 2, 2\r\n\r\n{}",
        "a length with a sign": b"Content-Length: +2\r\n\r\n{}",
        "a length below zero": b"Content-Length: -1\r\n\r\n",
        "a length in hex": b"Content-Length: 0x2\r\n\r\n{}",
        "a length of 2^64": b"Content-Length: 18446744073709551616\r\n\r\n",
        "a coding that is not chunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "chunked, then another": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "chunked twice": b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
        "a coding with a tab": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "a folded field": b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n",
        "a chunk size in letters": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "a chunk size of 2^68": b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n\r\n",
        "a chunk size with a sign": b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
        "a chunk longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    }
    # Refused, so that the request hidden behind is never read as one: no 200.
    return {name: _abuse(400, post + head + hidden) for name, head in heads.items()}


def _misspelt(path: bytes) -> dict[str, Abuse]:
    lines = {
        "an unknown method": b"FUZZ %b HTTP/1.1\r\n",
        "HTTP/9.9": b"GET %b HTTP/9.9\r\n",
        "no path": b"GET%.0b HTTP/1.1\r\n",
        "a path with a space": b"GET %b x HTTP/1.1\r\n",
        "a control character in the path": b"GET %b\x01 HTTP/1.1\r\n",
        "a NUL in a field": b"GET %b HTTP/1.1\r\nX: a\x00b\r\n",
        "a bare line feed in a field": b"GET %b HTTP/1.1\r\nX: a\nY\r\n",
        "a field without a name": b"GET %b HTTP/1.1\r\n: a\r\n",
        "a tunnel": b"CONNECT here:443%.0b HTTP/1.1\r\n",
        "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n%.0b",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc%.0b\r\n",
    }
    return {name: _abuse({400, 404}, line % path + _HOST + b"\r\n") for name, line in lines.items()}


def _in_order(path: bytes) -> dict[str, Abuse]:
    """Unusual, but allowed: it is answered, and the connection ends when nothing more comes."""
    get = b"GET %b HTTP/1.1\r\n%b" % (path, _HOST)
    return {
        f"{PIPELINED} requests at once": _abuse(200, (get + b"\r\n") * PIPELINED),
        "an upgrade to HTTP/2": _abuse(
            200, get + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
        ),
        "an upgrade to nonsense": _abuse(200, get + b"Connection: Upgrade\r\nUpgrade: x/1\r\n\r\n"),
        "the whole URL": _abuse(200, b"GET http://here%b HTTP/1.1\r\n%b\r\n" % (path, _HOST)),
        "the server itself": _abuse({400, 404, 405}, b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n"),
        "HTTP/0.9": _abuse({200, 400}, b"GET %b\r\n\r\n" % path),
        "HTTP/1.0": _abuse(200, b"GET %b HTTP/1.0\r\n\r\n" % path),
    }


def _abuse(allowed: int | set[int], *pieces: Piece) -> Abuse:
    statuses = {allowed} if isinstance(allowed, int) else allowed
    return Abuse(lambda: iter(pieces), frozenset(statuses))


def _dripped(allowed: int, text: bytes) -> Abuse:
    return _abuse(allowed, *(piece for byte in text for piece in (bytes((byte,)), DRIP_SECONDS)))


def _slowly(text: bytes) -> list[Piece]:
    return [DRIP_SECONDS, text] * round(2 * BOUND_SECONDS / DRIP_SECONDS)
