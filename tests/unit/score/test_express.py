"""The express way for batches gives the bytes that the documented way gives."""

import json
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message

from libs.common import problems
from libs.common.app import RequestRecord
from libs.common.contracts.scores import Answer, Increment
from libs.common.errors import Unauthenticated
from services.score.routes.express import Express
from services.score.routes.internal import INCREMENTS, gateway

ITEM = {"context": "a.b.c", "idempotency_key": "k", "score_increment": 10}
BODY = json.dumps({"items": [ITEM, ITEM]}).encode()


class Service:
    """The route with a door that knows one proof; counts how often the framework was reached."""

    def __init__(self) -> None:
        self.documented = 0
        self._app = FastAPI()
        self._app.include_router(gateway)
        problems.install(self._app)
        self._app.add_middleware(RequestRecord, service="score")

    async def __call__(self, *asgi: object) -> None:
        self.documented += 1
        await self._app(*asgi)  # type: ignore[arg-type]

    async def admit(self, proof: str) -> str:
        if proof != "Bearer good":
            raise Unauthenticated("the token is not valid")
        return "gateway"

    async def answer(self, items: Sequence[Increment]) -> list[Answer]:
        return [Answer(user_id="ä", new_score=item.score_increment, version=1) for item in items]


async def answers(
    app: ASGIApp, service: Service, proof: bytes, pieces: list[bytes]
) -> list[Message]:
    parts = SimpleNamespace(accept=service, gateway_door=service)
    headers = [
        (b"authorization", proof),
        (b"content-type", b"application/json"),
        (b"x-request-id", b"fixed"),
    ]
    scope = {
        **{"type": "http", "method": "POST", "path": INCREMENTS, "query_string": b""},
        **{"headers": headers, "root_path": "", "state": {"parts": parts}},
    }
    coming = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]
    said: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        said.append({**message, "headers": sorted(message.get("headers", ()))})

    await app(scope, receive, send)
    return said


@pytest.mark.parametrize(
    ("proof", "pieces", "express"),
    [
        (b"Bearer good", [BODY], True),
        (b"Bearer good", [b'{"items": []}'], True),
        (b"Bearer good", [BODY[:20], BODY[20:]], False),
        (b"Bearer bad", [BODY], False),
        (b"", [BODY], False),
        (b"Bearer good", [b"{}"], False),
        (b"Bearer good", [b"no JSON"], False),
        (b"Bearer good", [BODY.replace(b"10", b"0")], False),
    ],
)
async def test_both_ways_say_the_same(proof: bytes, pieces: list[bytes], *, express: bool) -> None:
    service = Service()
    documented = await answers(service, service, proof, pieces)
    service.documented = 0
    assert await answers(Express(service), service, proof, pieces) == documented
    assert service.documented == (0 if express else 1)
