"""What a frame shows. Everybody gets the same bytes, so they are read once."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

RECENT_FRAMES = 64


class Board(NamedTuple):
    """The top ten; `position` is (epoch, rev) where the server numbers its boards."""

    scores: Mapping[str, int]
    position: tuple[int, int] | None


@lru_cache(maxsize=RECENT_FRAMES)
def board(payload: bytes) -> Board | None:
    """The board in a frame; None if it is about something else (a heartbeat)."""
    message = json.loads(payload)
    if "top_10" not in message:
        return None
    scores = {entry["user_id"]: entry["score"] for entry in message["top_10"]}
    epoch, rev = message.get("epoch"), message.get("rev")
    return Board(scores, None if epoch is None or rev is None else (epoch, rev))
