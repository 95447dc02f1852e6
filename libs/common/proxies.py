"""Who it is behind a proxy that we trust, as uvicorn's own middleware says."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})


def origin_of(
    fields: Sequence[tuple[bytes, bytes]],
    client: tuple[str, int] | None,
    scheme: str,
    config: Config,
) -> tuple[str, str]:
    """The address that a request comes from, "" if unknown, and how it was sent: http or https."""
    if config.proxy_headers and not FORWARDED.isdisjoint([name for name, _ in fields]):
        scope: Any = {"type": "http", "client": client, "scheme": scheme, "headers": fields}
        allowed = config.forwarded_allow_ips
        trusted = allowed if isinstance(allowed, str) else ",".join(allowed)
        looking: Any = _middleware(trusted)(scope, _unused, _unused).__await__()
        next(looking, None)
        client, scheme = scope["client"], scope["scheme"]
    return (client[0] if client else ""), scheme


@lru_cache
def _middleware(trusted: str) -> Any:
    application: Any = _nothing
    return ProxyHeadersMiddleware(application, trusted_hosts=trusted)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An application that is only there to be reached."""


async def _unused(*_: object) -> Any:
    raise AssertionError
