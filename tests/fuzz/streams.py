"""
WebSocket abuse at notification's door, in the bytes of TCP: bad handshakes, bad frames, noise.

Each stream must end soon, and with the right close code or HTTP status.
"""

import base64
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fuzz import frames
from tests.fuzz.raw import Ending, Line, Piece, talk

PATH = b"/api/stream"
OPEN_SECONDS = 10.0
BOUND_SECONDS = 15.0
NOISE_ENDS = frozenset({1000, 1002, 1005, 1007, 4502})
_SWITCHED = b"\r\n\r\n"


@dataclass(frozen=True)
class Knock:
    """A handshake, and the statuses that may answer it."""

    sent: tuple[Piece, ...]
    allowed: frozenset[int]


async def say(url: str, said: frames.Says) -> str:
    """Open a stream, say this, and tell what is wrong with how it ended; empty if nothing."""
    code, ending = await _spoken(url, said.sent)
    if not ending.cut:
        return f"still open after {ending.seconds:.1f} s"
    # Who is in the middle of sending when the line is cut may not hear the reason.
    return "" if code in said.codes | {None} else f"closed with {code}, not {sorted(said.codes)}"


async def make_noise(url: str, seed: int) -> str:
    """Open a stream, say something random and then goodbye; tell what is wrong with the end."""
    said = frames.random_frames(random.Random(seed)) + frames.close(1000)
    # Noise may end in the middle of a frame that swallows the goodbye: then nothing more comes.
    code, ending = await _spoken(url, said, None)
    if not ending.cut:
        return f"seed {seed}: still open after {ending.seconds:.1f} s"
    return "" if code in NOISE_ENDS | {None} else f"seed {seed}: closed with {code}"


async def knock(url: str, knocked: Knock) -> str:
    """Try to open a stream, and tell what is wrong with the answer; empty if nothing."""
    ending = await talk(url, knocked.sent, seconds=BOUND_SECONDS)
    if not ending.cut:
        return f"still open after {ending.seconds:.1f} s"
    strange = set(ending.statuses[:1]) - knocked.allowed
    return f"answered {sorted(strange)}" if strange else ""


async def _spoken(url: str, *said: Piece) -> tuple[int | None, Ending]:
    line = await Line.to(url)
    await line.send([_handshake()])
    head = await line.read_until(_SWITCHED, seconds=OPEN_SECONDS)
    assert head.startswith(b"HTTP/1.1 101 "), head
    await line.send(said)
    ending = await line.ending(seconds=BOUND_SECONDS)
    return close_code(ending.received), ending


def close_code(received: bytes) -> int | None:
    """The code of the close frame among a server's frames: 1005 if it names none."""
    at = 0
    while at + 2 <= len(received):
        opcode, size = received[at] & 0x0F, received[at + 1] & 0x7F
        at += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(received[at : at + width], "big")
            at += width
        if opcode == frames.CLOSE:
            return int.from_bytes(received[at : at + 2], "big") if size else 1005
        at += size
    return None


def knocks(host: str) -> Mapping[str, Knock]:
    """Handshakes that must not open a stream, and two that may, by name."""
    good = _fields(host)
    without = {f"no {name}": {k: v for k, v in good.items() if k != name} for name in good}
    changed: dict[str, tuple[dict[str, str], set[int]]] = {
        "version 12": ({"Sec-WebSocket-Version": "12"}, {400, 426}),
        "version 99999999999999999999": ({"Sec-WebSocket-Version": "9" * 20}, {400, 426}),
        "an empty key": ({"Sec-WebSocket-Key": ""}, {400}),
        "a key of 15 bytes": ({"Sec-WebSocket-Key": _key(15)}, {400}),
        "a key of 17 bytes": ({"Sec-WebSocket-Key": _key(17)}, {400}),
        "a key that is no Base64": ({"Sec-WebSocket-Key": "?" * 24}, {400}),
        "another site": ({"Origin": "https://evil.example"}, {403}),
        "no site": ({"Origin": "null"}, {403}),
        "a site with our name in it": ({"Origin": f"http://{host}.evil.example"}, {403}),
        "two versions": ({"Sec-WebSocket-Version": "13, 8"}, {400, 426}),
        "a field of 64 kB": ({"X": "a" * 65_536}, {431}),
        "a body": ({"Content-Length": "5"}, {101, 400}),
        "chunks": ({"Transfer-Encoding": "chunked"}, {101, 400}),
    }
    made = {name: (good | fields, statuses) for name, (fields, statuses) in changed.items()}
    made |= {
        "no Upgrade": (without["no Upgrade"], {404, 405, 426}),
        "no Connection": (without["no Connection"], {404, 405, 426}),
        "no key": (without["no Sec-WebSocket-Key"], {400}),
        "no version": (without["no Sec-WebSocket-Version"], {400, 426}),
    }
    lines = {
        "a POST": (_head(good, b"POST"), {400, 404, 405}),
        "HTTP/1.0": (_head(good, version=b"1.0"), {101, 400}),
        "another path": (_head(good, path=b"/api/nowhere"), {403, 404}),
        "an internal path": (_head(good, path=b"/internal/tickets"), {403, 404, 405}),
        "a ticket too short": (_head(good, path=PATH + b"?ticket=x"), {422}),
        "a ticket of nobody": (_head(good, path=PATH + b"?ticket=" + b"A" * 22), {401}),
        "a position that is none": (_head(good, path=PATH + b"?since=x"), {422}),
        "a key twice": (
            _head(good)[:-2] + b"Sec-WebSocket-Key: " + _key(16).encode() + b"\r\n\r\n", {400}
        ),
    }  # fmt: skip
    slow = _head(good)[:-2]
    return {
        **{name: _knock([_head(fields), *_BYE], codes) for name, (fields, codes) in made.items()},
        **{name: _knock([head, *_BYE], allowed) for name, (head, allowed) in lines.items()},
        "a handshake that stops": _knock([slow], {408}),
        "a handshake by the byte": _knock(
            [piece for byte in slow for piece in (bytes((byte,)), 0.2)], {408}
        ),
        "a request behind the handshake": _knock(
            [_head(good) + b"GET /livez HTTP/1.1\r\n\r\n", *_BYE], {101}
        ),
    }


# Ends a stream that was opened after all.
_BYE: tuple[Piece, ...] = (1.0, None)


def _handshake() -> bytes:
    return _head(_fields("here"))


def _fields(host: str) -> dict[str, str]:
    return {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": _key(16),
    }


def _head(
    fields: Mapping[str, str], method: bytes = b"GET", path: bytes = PATH, version: bytes = b"1.1"
) -> bytes:
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in fields.items())
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, path, version, lines)


def _key(size: int) -> str:
    return base64.b64encode(os.urandom(size)).decode()


def _knock(sent: list[Piece], allowed: set[int]) -> Knock:
    return Knock(tuple(sent), frozenset(allowed))
