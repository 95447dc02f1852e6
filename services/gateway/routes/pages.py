"""
The web pages, their files, and the API's documentation.

Files may be used by pages of other sites (`/embed.js`); pages run nothing but our own files.
"""

from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from libs.common.contracts import asyncapi
from services.gateway.routes.access import PUBLIC
from services.gateway.routes.parts import parts

WEB = Path(__file__).parents[1] / "web"

# Said here, not guessed: what `mimetypes` knows depends on the machine. Nothing else is served.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
FILE_HEADERS = {
    "Cache-Control": "no-cache",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

_files = StaticFiles(directory=WEB, check_dir=False)

router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])


@router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    return await _file("index.html", request)


@router.api_route("/embed.js", methods=["GET", "HEAD"])
async def embed(request: Request) -> Response:
    return await _file("embed.js", request)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    return await _file("docs/index.html", request)


@router.api_route("/ops", methods=["GET", "HEAD"])
async def ops(request: Request) -> Response:
    return await _file("ops/index.html", request)


@router.api_route("/web/{path:path}", methods=["GET", "HEAD"])
async def web(request: Request, path: str) -> Response:
    return await _file(path, request)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    app: FastAPI = request.app
    return JSONResponse(app.openapi())


@router.get("/asyncapi")
async def events(request: Request) -> Response:
    app: FastAPI = request.app
    return JSONResponse(asyncapi.document(version=app.version))


@lru_cache(maxsize=1)
def page_policy(stream_url: str) -> str:
    """The Content-Security-Policy of our pages: our own files, and our own servers."""
    servers = ["'self'"]
    if stream_url:
        url = urlsplit(stream_url)
        socket_scheme = "wss" if url.scheme == "https" else "ws"
        servers += [f"{url.scheme}://{url.netloc}", f"{socket_scheme}://{url.netloc}"]
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"font-src 'self'; connect-src {' '.join(servers)}; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


async def _file(path: str, request: Request) -> Response:
    """A file with its `ETag`, or 304. Raises 404 as `HTTPException`."""
    suffix = PurePosixPath(path).suffix
    if suffix not in MEDIA_TYPES:
        raise HTTPException(404)
    response = await _files.get_response(path, request.scope)
    response.headers.update(FILE_HEADERS)
    if response.status_code != 304:
        response.headers["Content-Type"] = MEDIA_TYPES[suffix]
    if suffix == ".html":
        response.headers["Content-Security-Policy"] = page_policy(parts(request).stream_url)
        response.headers["Referrer-Policy"] = "no-referrer"
    return response
