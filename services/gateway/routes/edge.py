"""What every answer of the API carries: nobody stores it, and who else's pages may read it."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API_PREFIX = "/api/"
READS = ("GET", "HEAD")


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
                headers.setdefault("Cache-Control", "no-store")
                if scope["method"] in READS:
                    _allow_origin(scope, headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _allow_origin(scope: Scope, headers: MutableHeaders) -> None:
    origin = Headers(scope=scope).get("origin", "")
    headers.add_vary_header("Origin")
    if origin in scope["state"]["parts"].allowed_origins:
        headers["Access-Control-Allow-Origin"] = origin
