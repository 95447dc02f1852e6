"""What the other services and the operator call; nothing here is public."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from libs.common.contracts.identities import Judgements, Names, RevocationList, VerdictQuery
from libs.common.errors import InvalidRequest
from libs.common.problems import refusals
from services.auth.domain.claims import SERVICE_SECONDS
from services.auth.domain.people import is_user_id
from services.auth.routes.bodies import AccessOrder, AccessToken, RevocationOrder, ServiceToken
from services.auth.routes.parts import PartsOf, from_gateway, from_listener, from_operator

VERDICTS_PATH = "/internal/verdicts"
MAX_NAMES = 100
MAX_WAIT_SECONDS = 25

services = APIRouter(prefix="/internal")
gateway = APIRouter(prefix="/internal", dependencies=[Depends(from_gateway)])
listeners = APIRouter(prefix="/internal", dependencies=[Depends(from_listener)])
operator = APIRouter(prefix="/internal", dependencies=[Depends(from_operator)])

_TAKES_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {"grant_type": {"const": "client_credentials"}},
                }
            }
        },
    }
}

ClientSecret = Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]


@services.post("/token", responses=refusals(401), openapi_extra=_TAKES_FORM)
async def service_token(client: ClientSecret, request: Request, parts: PartsOf) -> ServiceToken:
    """A service's token for its secret (RFC 6749 §4.4)."""
    form = parse_qs((await request.body()).decode("latin-1"))
    if form.get("grant_type") != ["client_credentials"]:
        raise InvalidRequest("grant_type must be client_credentials")
    token = parts.issue.for_service(client.username, client.password)
    return ServiceToken(access_token=token, expires_in=SERVICE_SECONDS)


@gateway.post(VERDICTS_PATH.removeprefix(gateway.prefix))
async def verdicts(query: VerdictQuery, parts: PartsOf) -> Judgements:
    """Who each token speaks for, or why it is refused, in the order of the query."""
    return Judgements(items=await parts.judge(query.tokens))


@gateway.get("/names")
async def names(ids: Annotated[str, Query(max_length=MAX_NAMES * 65)], parts: PartsOf) -> Names:
    """Display names of at most 100 users, separated by commas."""
    asked = [user_id for user_id in ids.split(",") if user_id]
    if len(asked) > MAX_NAMES or not all(map(is_user_id, asked)):
        raise InvalidRequest(f"ids are at most {MAX_NAMES} user ids, separated by commas")
    return Names(names=await parts.accounts.names(asked))


@listeners.get("/revocations", response_model=RevocationList)
async def revocations(
    response: Response,
    parts: PartsOf,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
    if_none_match: Annotated[str, Header()] = "",
) -> RevocationList | Response:
    """The whole list once it differs from the one that the caller has, or 304 after `wait` s."""
    news = await parts.revocations.after(if_none_match, wait_seconds=wait)
    if news is None:
        return Response(status_code=304, headers={"ETag": if_none_match})
    response.headers["ETag"] = news.etag
    return news


@operator.post("/revocations", status_code=204)
async def revoke(order: RevocationOrder, parts: PartsOf) -> None:
    """Revoke one token, or sign a user out everywhere."""
    await parts.revoke.order(order.user_id, order.jti)


@operator.post("/access-tokens")
async def access_token(order: AccessOrder, parts: PartsOf) -> AccessToken:
    """An access token for a user, who need not be registered here."""
    token = parts.issue.for_user(order.user_id, order.roles, seconds=order.ttl_seconds)
    return AccessToken(access_token=token)


@operator.post("/keys/rotate", status_code=204, responses=refusals(409))
async def rotate_keys(parts: PartsOf) -> None:
    """Sign with the next key from now on; the last one verifies until its tokens have ended."""
    await parts.keys.rotate()
