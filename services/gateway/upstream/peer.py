"""One other service, as the gateway calls it."""

from collections.abc import Mapping
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError
from yarl import URL

from libs.common.errors import Unavailable
from libs.common.identity import ServiceIdentity
from libs.common.logs import Trouble
from services.gateway.usecases.doors import TIMEOUT_SECONDS, Forwarded, Reply

# What a service may tell a caller beside the body.
_SHOWN = frozenset({"content-type", "retry-after", "www-authenticate"})

Body = TypeVar("Body", bound=BaseModel)


class Peer:
    """
    Calls to one service, over connections of its own: a slow one starves no other.

    No answer in time, and any 5xx, is `Unavailable`; what the service wrote then is never shown.
    """

    def __init__(
        self,
        name: str,
        session: aiohttp.ClientSession,
        base_url: str,
        identity: ServiceIdentity | None = None,
    ) -> None:
        self._trouble = Trouble("upstream_failed", upstream=name)
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._identity = identity

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Reply:
        """
        The answer, whatever it says short of a 5xx; `path` is percent-encoded.

        Raises `Unavailable`.
        """
        sent = dict(headers or {})
        if self._identity is not None:
            sent |= await self._identity.headers()
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method,
                # Encoded by us: a user who is called ".." must not be taken for a way up.
                URL(self._base_url + path, encoded=True),
                headers=sent,
                params=params,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            ) as answer:
                reply = Reply(
                    answer.status,
                    {name.lower(): value for name, value in answer.headers.items()},
                    await answer.read(),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self.unavailable(type(error).__name__) from None
        if reply.status >= 500:
            raise self.unavailable(str(reply.status))
        self._trouble.over()
        return reply

    async def forward(self, request: Forwarded) -> Reply:
        """The answer as a caller may see it, a refusal too. Raises `Unavailable`."""
        reply = await self.call(
            request.method,
            request.path,
            headers=request.headers,
            params=request.query,
            body=request.body or None,
            timeout_seconds=request.timeout_seconds,
        )
        if reply.status == 401 and self._identity is not None:
            # It is our word that was not taken; the caller's token is good, auth said so.
            raise self.unavailable("401")
        shown = {name: value for name, value in reply.headers.items() if name in _SHOWN}
        return Reply(reply.status, shown, reply.body)

    async def get(self, path: str, *, headers: dict[str, str] | None = None) -> bytes:
        """The body of a 200. Raises `Unavailable` for anything else."""
        return self.expect(await self.call("GET", path, headers=headers))

    async def check(self) -> None:
        """Raise unless the service is alive."""
        await self.get("/livez")

    def read(self, model: type[Body], reply: Reply) -> Body:
        """The body of a reply that must be a 200 and a `model`."""
        try:
            return model.model_validate_json(self.expect(reply))
        except ValidationError:
            raise self.unavailable(f"not a {model.__name__}") from None

    def expect(self, reply: Reply) -> bytes:
        """The body of a reply that must be a 200."""
        if reply.status != 200:
            raise self.unavailable(str(reply.status))
        return reply.body

    def unavailable(self, reason: str) -> Unavailable:
        self._trouble.met(reason)
        return Unavailable("a service behind the gateway does not answer; try again shortly")
