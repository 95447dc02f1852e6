"""How refusals are documented: one schema, and what each status means here."""

from typing import Any

from libs.common.problems import MEDIA_TYPE

_MEANINGS = {
    401: "No valid bearer token",
    403: "Known, but not allowed; `grant-refused`: the action grant is missing, or not for this",
    404: "There is no such thing",
    408: "The body took longer than 5 s to arrive",
    409: "It contradicts what is there; `score-limit-reached`: the total would pass 2^53-1",
    413: "The body is larger than 2048 bytes (256 KiB for a reversal)",
    415: "The body is not `application/json`",
    422: "It cannot be meant: not JSON, a wrong field or parameter, or `idempotency-key-reused`",
    429: "Too often, or too early; `day-limit-reached`, `grant-too-early`. `Retry-After` says when",
    431: "The URL and the header fields together are longer than 16 KiB",
    503: "Not now; `Retry-After` says when to come back. Repeating with the same key is safe",
}

# What any route with a body may answer.
BODY = (408, 413, 415, 422)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that refuses with these."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
