"""Access tokens for local use, from the running auth service's operator endpoint."""

from collections.abc import Sequence

import aiohttp
from pydantic import SecretStr

from libs.common.errors import Unavailable
from libs.common.identity import ServiceIdentity, open_session
from libs.devstack.errors import StackError

OPERATOR = "operator"
DEFAULT_TTL_SECONDS = 3600


async def access_token(
    auth_url: str, secret: str, *, user: str, roles: Sequence[str], ttl_seconds: int
) -> str:
    """A token for any user, registered or not. Raises `StackError`."""
    order = {"user_id": user, "roles": list(roles), "ttl_seconds": ttl_seconds}
    try:
        async with open_session() as session:
            identity = ServiceIdentity(session, auth_url, OPERATOR, SecretStr(secret))
            async with session.post(
                f"{auth_url}/internal/access-tokens", json=order, headers=await identity.headers()
            ) as answer:
                body = await answer.json(content_type=None)
    except (Unavailable, aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise StackError(f"auth at {auth_url} gives no token: {error}") from error
    if "access_token" not in body:
        raise StackError(f"auth refuses: {body.get('detail', answer.status)}")
    return str(body["access_token"])
