"""
WebSocket frames, right and wrong (RFC 6455 §5), and how notification must end a stream that brings
them: `1002` not a frame, `1007` not UTF-8, `4502` more or else than our protocol allows.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from struct import pack

TEXT, BINARY, CLOSE, PING, PONG, CONTINUED = 1, 2, 8, 9, 10, 0
RESERVED_OPCODES = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
NOT_A_FRAME, NOT_UTF8, NOT_OURS = 1002, 1007, 4502
FORBIDDEN_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535)
ALLOWED_CODES = (1000, 1001, 1003, 1011, 3000, 3999, 4000, 4999)
MAX_MESSAGE_BYTES = 4096
MAX_MESSAGES = 10
MAX_FRAMES = 50

_PING = json.dumps({"type": "ping"}).encode()
_KEY = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: bytes = b"",
) -> bytes:
    """A frame; `length` are the bytes that say how long it is, from the 7 bits on, if not so."""
    first = bytes((fin << 7 | reserved << 4 | opcode,))
    said = length or _length(len(payload))
    second = bytes((masked << 7 | said[0],)) + said[1:]
    if not masked:
        return first + second + payload
    key = (_KEY * (len(payload) // 4 + 1))[: len(payload)]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return first + second + _KEY + hidden.to_bytes(len(payload), "big")


def close(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, pack("!H", code) + reason)


@dataclass(frozen=True)
class Says:
    """What a client says, and the codes with which the server may end the stream."""

    sent: bytes
    codes: frozenset[int]


def every() -> Mapping[str, Says]:
    """All that we know how to do wrong, and some that is right, by name."""
    return {**_not_frames(), **_texts(), **_closes(), **_too_much(), **_right()}


def random_frames(rng: random.Random) -> bytes:
    """Some frames, most of them broken; none is a close, so the server has to find an end."""
    said = b"".join(_random_frame(rng) for _ in range(rng.randint(1, 8)))
    for _ in range(rng.randint(0, 2)):
        at = rng.randrange(len(said))
        said = said[:at] + rng.randbytes(rng.randint(0, 3)) + said[at + 1 :]
    return said or b"\0"


def _random_frame(rng: random.Random) -> bytes:
    opcode = rng.choice((TEXT, TEXT, BINARY, CONTINUED, PING, PONG, rng.randrange(16)))
    payload = rng.choice((_PING, b"", rng.randbytes(rng.randint(1, 200)), b"x" * 5000))
    said = rng.choice((b"", b"", b"", rng.randbytes(1), b"\x7e" + rng.randbytes(2)))
    return frame(
        8 if opcode == CLOSE else opcode,
        payload,
        fin=rng.random() < 0.8,
        reserved=rng.choice((0, 0, 0, 0, 0, 1, 2, 4)),
        masked=rng.random() < 0.95,
        length=bytes((said[0] & 0x7F,)) + said[1:] if said else b"",
    )


def _not_frames() -> dict[str, Says]:
    began = frame(TEXT, b'{"type":', fin=False)
    sent = {
        **{f"reserved bit {bit}": frame(TEXT, _PING, reserved=bit) for bit in (1, 2, 4)},
        **{f"reserved opcode {code}": frame(code, b"x") for code in RESERVED_OPCODES},
        "not masked": frame(TEXT, _PING, masked=False),
        "a fragmented ping": frame(PING, b"x", fin=False),
        "a fragmented close": frame(CLOSE, b"", fin=False),
        "a ping of 126 bytes": frame(PING, b"x" * 126),
        "a close of 126 bytes": close(1000, b"x" * 124),
        "a continuation of nothing": frame(CONTINUED, _PING),
        "a continuation after the end": began + frame(CONTINUED, b'"ping"}') * 2,
        "a text within a text": began + frame(TEXT, _PING),
        "HTTP again": b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n",
        "zeros": bytes(64),
    }
    # Of an end in the middle of a frame nobody need be told.
    return {name: _says(said, NOT_A_FRAME) for name, said in sent.items()}


def _texts() -> dict[str, Says]:
    broken = {
        "a byte that is no UTF-8": b"\xff",
        "a surrogate": b"\xed\xa0\x80",
        "an overlong slash": b"\xc0\xaf",
        "half a character": b"\xe2\x82",
        "beyond Unicode": b"\xf4\x90\x80\x80",
    }
    fragments = frame(TEXT, b"\xe2\x82", fin=False) + frame(CONTINUED, b"\x28")
    foreign = {
        "bytes": frame(BINARY, _PING),
        "nothing": frame(TEXT),
        "no JSON": frame(TEXT, b"hello"),
        "another object": frame(TEXT, b'{"type":"pong"}'),
        "a ping with more": frame(TEXT, b'{"type":"ping","x":1}'),
        "a list": frame(TEXT, b"[]"),
        "a deep list": frame(TEXT, b"[" * 4000),
        "a number": frame(TEXT, b"1" * 4000),
        "not a number": frame(TEXT, b"NaN"),
        "a NUL": frame(TEXT, b"\0"),
    }
    return {
        **{name: _says(frame(TEXT, text), NOT_UTF8) for name, text in broken.items()},
        "no UTF-8, in fragments": _says(fragments, NOT_UTF8),
        **{name: _says(said, NOT_OURS) for name, said in foreign.items()},
    }


def _closes() -> dict[str, Says]:
    return {
        **{f"close code {code}": _says(close(code), NOT_A_FRAME) for code in FORBIDDEN_CODES},
        **{f"close code {code}": _says(close(code), code) for code in ALLOWED_CODES},
        "half a close code": _says(frame(CLOSE, b"\x03"), NOT_A_FRAME),
        "a close reason that is no UTF-8": _says(close(1000, b"\xff"), NOT_UTF8),
        "a close without a code": _says(frame(CLOSE), 1005),
        "talk after the close": _says(close(1000) + frame(TEXT, b"hello") * 5, 1000),
    }


def _too_much() -> dict[str, Says]:
    over = b"x" * (MAX_MESSAGE_BYTES + 1)
    parts = frame(TEXT, b"x" * 1024, fin=False) + frame(CONTINUED, b"x" * 1024, fin=False) * 4
    sent = {
        "a text too large": frame(TEXT, over),
        "bytes too large": frame(BINARY, over),
        "a text too large in parts": parts,
        "a text of 1 MB": frame(TEXT, b"x" * 2**20),
        "a promise with the top bit": frame(TEXT, length=b"\x7f" + b"\xff" * 8),
        "a promise of 4 GB": frame(TEXT, length=b"\x7f" + pack("!Q", 2**32)),
        "a flood of pings": frame(PING, b"x") * (MAX_MESSAGES + 1),
        "a flood of pongs": frame(PONG) * (MAX_MESSAGES + 1),
        "a flood of messages": frame(TEXT, _PING) * (MAX_MESSAGES + 1),
        "a flood of empty fragments": frame(TEXT, fin=False)
        + frame(CONTINUED, fin=False) * MAX_FRAMES,
    }
    return {name: _says(said, NOT_OURS) for name, said in sent.items()}


def _right() -> dict[str, Says]:
    """What the standard allows, and ours understands; the client then says goodbye."""
    sent = {
        "a ping": frame(PING, b"hello"),
        "a ping of 125 bytes": frame(PING, b"x" * 125),
        "a pong that nobody asked for": frame(PONG, b"x"),
        "our ping": frame(TEXT, _PING),
        "our ping, a byte at a time": frame(TEXT, _PING[:1], fin=False)
        + b"".join(frame(CONTINUED, _PING[n : n + 1], fin=False) for n in range(1, len(_PING)))
        + frame(CONTINUED),
        "our ping around another": frame(TEXT, _PING[:5], fin=False)
        + frame(PING, b"x")
        + frame(CONTINUED, _PING[5:]),
        "no more than is allowed": frame(TEXT, _PING) * MAX_MESSAGES,
    }
    return {name: _says(said + close(1000), 1000) for name, said in sent.items()}


def _length(size: int) -> bytes:
    if size < 126:
        return bytes((size,))
    if size < 2**16:
        return b"\x7e" + pack("!H", size)
    return b"\x7f" + pack("!Q", size)


def _says(sent: bytes, code: int) -> Says:
    return Says(sent, frozenset({code}))
