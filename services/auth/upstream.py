"""The public keys of the foreign issuer, from the one address in the settings."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from libs.common.tokens import KeySet

MAX_BYTES = 65_536
TIMEOUT_SECONDS = 2.0

_CHUNK_BYTES = 8192


class TooLarge(Exception):
    """The answer is larger than any key set has a reason to be."""


def foreign_keys(session: aiohttp.ClientSession, url: str) -> KeySet:
    """The issuer's keys, fetched when first needed; redirects are not followed."""

    async def fetch() -> Mapping[str, Any]:
        async with session.get(
            url,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        ) as answer:
            answer.raise_for_status()
            body = bytearray()
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise TooLarge
            keys: Mapping[str, Any] = json.loads(body)
            return keys

    return KeySet(fetch)
