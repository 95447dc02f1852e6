"""
Which users post how much, and the bytes that say so.

A seed gives the same users and points again, and never the same keys: a run is not a repetition.
"""

import random
import secrets
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import accumulate

from bench.load.heads import Address

MAX_POINTS = 9
ZIPF_EXPONENT = 1.1
BLOCK = 4096  # drawn at once

Post = tuple[bytes, int]
"""A whole request, and the points that it asks for."""


class Mix(StrEnum):
    """How the updates spread over the users."""

    UNIFORM = "uniform"
    ZIPF = "zipf"
    HOT = "hot"
    """All of them are the first user's."""


class Requests:
    """Makes requests to one URL, each with a key that was never used before."""

    def __init__(self, url: str) -> None:
        address = Address.of(url)
        self._head = (
            f"POST {address.target} HTTP/1.1\r\nHost: {address.authority}\r\n"
            "Content-Type: application/json\r\nAuthorization: Bearer "
        ).encode()
        self._key = b"\r\nIdempotency-Key: " + secrets.token_hex(8).encode()
        self._tails = {points: tail(points) for points in range(1, MAX_POINTS + 1)}
        self._number = 0

    def one(self, token: bytes, points: int) -> Post:
        """A request of one user's."""
        self._number += 1
        end = self._tails.get(points) or tail(points)
        return b"%b%b%b%016x%b" % (self._head, token, self._key, self._number, end), points

    def many(self, tokens: Sequence[str], mix: Mix, seed: int) -> Iterator[Post]:
        """Requests of 1 to 9 points without end."""
        encoded = [token.encode() for token in tokens]
        for user, points in picks(len(encoded), mix, seed):
            yield self.one(encoded[user], points)


def picks(users: int, mix: Mix, seed: int) -> Iterator[tuple[int, int]]:
    """The users' indexes and their points, without end."""
    rng = random.Random(seed)
    everybody = range(1 if mix is Mix.HOT else users)
    weights = (
        list(accumulate(1 / (rank + 1) ** ZIPF_EXPONENT for rank in everybody))
        if mix is Mix.ZIPF
        else None
    )
    points = range(1, MAX_POINTS + 1)
    while True:
        chosen = rng.choices(everybody, cum_weights=weights, k=BLOCK)
        yield from zip(chosen, rng.choices(points, k=BLOCK), strict=True)


def tail(points: int) -> bytes:
    """The end of a request, from behind the key."""
    body = b'{"score_increment":%d}' % points
    return b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
