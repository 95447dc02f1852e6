"""Calls to auth: verdicts, names, and accounts on behalf of callers."""

from collections.abc import Sequence

from cachetools import TTLCache

from libs.common.contracts.identities import Names, Verdict, VerdictQuery
from libs.common.errors import Unauthenticated
from services.gateway.upstream.peer import Peer
from services.gateway.usecases.doors import Forwarded, Reply

KEYS_PATH = "/.well-known/jwks.json"
KEYS_MAX_AGE_SECONDS = 10.0


class AuthClient:
    """Auth, called by the gateway itself."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def judge(self, token: str) -> Verdict:
        """Raises `Unauthenticated` or `Unavailable`."""
        query = VerdictQuery(token=token)
        reply = await self._peer.call(
            "POST", "/internal/verdicts", body=query.model_dump_json().encode()
        )
        if reply.status == 401:
            raise Unauthenticated("the token is not valid")
        return self._peer.read(Verdict, reply)

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Raises `Unavailable`."""
        reply = await self._peer.call("GET", "/internal/names", params={"ids": ",".join(user_ids)})
        return self._peer.read(Names, reply).names


class AccountsClient:
    """Auth, called for someone else: the gateway's own identity stays out of it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._keys: TTLCache[str, bytes] = TTLCache(1, KEYS_MAX_AGE_SECONDS)

    async def forward(self, request: Forwarded) -> Reply:
        """What auth says, a refusal too. Raises `Unavailable`."""
        return await self._peer.forward(request)

    async def keys(self) -> bytes:
        """The JWK set, at most 10 s old. Raises `Unavailable`."""
        keys = self._keys.get(KEYS_PATH)
        if keys is None:
            keys = self._keys[KEYS_PATH] = await self._peer.get(KEYS_PATH)
        return keys
