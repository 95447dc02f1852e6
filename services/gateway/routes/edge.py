"""
What stands before every route: how many may be at work at once, and what every answer carries.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common import metrics, problems
from libs.common.app import own_fields, request_id_of
from libs.common.at_once import Fields
from libs.common.errors import Overloaded
from libs.common.server import answer
from services.gateway.usecases.seats import Seats

API_PREFIX = "/api/"
READS = ("GET", "HEAD")
NO_STORE = (b"cache-control", b"no-store")
PROBES = ("/livez", "/readyz", "/metrics")

_SOME_ID = "0" * 32
_OVERLOADED = problems.from_error(
    Overloaded("too many requests are at work; nothing was done, try again shortly"),
    request_id=_SOME_ID,
)
_BODY_BESIDE_ID = bytes(_OVERLOADED.body).split(_SOME_ID.encode())
_FIELDS = [field for field in _OVERLOADED.raw_headers if field[0] != b"content-length"]
_REFUSED = metrics.REQUESTS.labels("gateway", "any", "refused", 503)


class Admission:
    """
    As many at work as `Parts.seats` has; who comes beyond is refused before anything is done.

    So the wait of those who are let in stays short, however many come, and what is refused costs
    little of what the others need. Who waits for a body does not count: slow senders shut nobody
    out. Probes are always let in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refuse_read = ApiHeaders(_refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        seats: Seats = scope["state"]["parts"].seats
        if not seats.free:
            if scope["method"] in READS:
                await self._refuse_read(scope, receive, send)
            else:
                fields, body = refusal(seats, scope["headers"])
                await answer(scope, send, 503, [*fields, NO_STORE], body)
            return

        async def receive_off_work() -> Message:
            seats.leave()
            try:
                return await receive()
            finally:
                seats.take()

        seats.take()
        try:
            await self._app(scope, receive_off_work, send)
        finally:
            seats.leave()


def refusal(seats: Seats, asked: Fields) -> tuple[Fields, bytes]:
    """
    Header fields and body of a 503 for a request with these header fields, as none is free.

    The same problem for everybody but for the request's id: made once, told at little cost.
    """
    seats.refused()
    _REFUSED.inc()
    request_id = request_id_of(asked)
    body = request_id.encode().join(_BODY_BESIDE_ID)
    length = (b"content-length", b"%d" % len(body))
    return [*_FIELDS, length, *own_fields(request_id)], body


async def _refuse(scope: Scope, _receive: Receive, send: Send) -> None:
    fields, body = refusal(scope["state"]["parts"].seats, scope["headers"])
    await send({"type": "http.response.start", "status": 503, "headers": fields})
    await send({"type": "http.response.body", "body": body})


class ApiHeaders:
    """
    `Cache-Control: no-store` unless the route says otherwise, and CORS for reads.

    Only exact origins of `Parts.allowed_origins`, never credentials; no preflight is answered, so
    another site's page can neither send a token nor write.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API_PREFIX):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "cache-control" not in headers:
                    headers.raw.append(NO_STORE)
                if scope["method"] in READS:
                    _allow_origin(scope, headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _allow_origin(scope: Scope, headers: MutableHeaders) -> None:
    origin = Headers(scope=scope).get("origin", "")
    headers.add_vary_header("Origin")
    if origin in scope["state"]["parts"].allowed_origins:
        headers["Access-Control-Allow-Origin"] = origin
