"""
Reading JSON bodies (RFC 8259) without guessing.

Python's parser is kinder than the standard: it takes NaN, a byte order mark, UTF-16 and repeated
names. Two parsers that differ on a body are a way around checks, so all of that is refused.
"""

import json
import math
import re
from typing import Any, Never

from libs.common.errors import InvalidRequest

INCREMENT_FIELD = "score_increment"

_PLAIN = re.compile(rb'\{"score_increment": ?([1-9][0-9]{0,15})\}')


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that `body` is. Raises `InvalidRequest`."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError:
        raise InvalidRequest("the body must be JSON in UTF-8") from None
    except (ValueError, RecursionError):
        # ValueError: also an integer of more digits than Python agrees to read.
        raise InvalidRequest("the body must be valid JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    return value


def parse_increment(body: bytes, *, maximum: int) -> int:
    """
    The points of `{"score_increment": 10}`: an integer from 1 to `maximum`, and nothing beside it.

    Raises `InvalidRequest`; 10.0, 1e3, "10" and true are no integers.
    """
    fields = parse_object(body)
    if INCREMENT_FIELD not in fields:
        raise InvalidRequest(f"the field {INCREMENT_FIELD} is missing")
    if len(fields) > 1:
        raise InvalidRequest(f"the only field allowed is {INCREMENT_FIELD}")
    points = fields[INCREMENT_FIELD]
    if type(points) is not int:  # isinstance would take true for 1
        raise InvalidRequest(
            f"{INCREMENT_FIELD} must be a JSON integer, without fraction or quotes"
        )
    if not 1 <= points <= maximum:
        raise InvalidRequest(f"{INCREMENT_FIELD} must be from 1 to {maximum}")
    return points


def plain_increment(body: bytes) -> int | None:
    """
    The points of a body as most clients write it, such as `{"score_increment": 10}`.

    None says nothing about the body: it may be right, and written in another way.
    """
    found = _PLAIN.fullmatch(body)
    return int(found[1]) if found else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequest("the body names a field twice")
    return fields


def _no_constant(name: str) -> Never:
    raise InvalidRequest(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise InvalidRequest("the body holds a number that is too large")
    return value
