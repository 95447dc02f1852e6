"""Calls to auth: verdicts, names, and accounts on behalf of callers."""

from collections.abc import Sequence

from cachetools import TTLCache

from libs.common.contracts.identities import Judgement, Judgements, Names, VerdictQuery
from libs.common.errors import Unauthenticated
from services.gateway.upstream.peer import Peer
from services.gateway.usecases.doors import Forwarded, Reply
from services.gateway.usecases.verdicts import Judged

KEYS_PATH = "/.well-known/jwks.json"
KEYS_MAX_AGE_SECONDS = 10.0
# Longer than the 2 s in which auth gives up on the keys of another issuer.
VERDICTS_TIMEOUT_SECONDS = 3.0


class AuthClient:
    """Auth, called by the gateway itself."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def judge(self, tokens: Sequence[str]) -> Sequence[Judged]:
        """A verdict or refusal for each token, in order. Raises `Unavailable` if there are none."""
        query = VerdictQuery(tokens=list(tokens))
        reply = await self._peer.call(
            "POST",
            "/internal/verdicts",
            body=query.model_dump_json().encode(),
            timeout_seconds=VERDICTS_TIMEOUT_SECONDS,
        )
        items = self._peer.read(Judgements, reply).items
        if len(items) != len(tokens):
            raise self._peer.unavailable("not a judgement for each token")
        return [self._judged(item) for item in items]

    def _judged(self, item: Judgement) -> Judged:
        if item.verdict is not None:
            return item.verdict
        if item.refusal == Unauthenticated.code:
            return Unauthenticated("the token is not valid")
        return self._peer.unavailable(item.refusal)

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
