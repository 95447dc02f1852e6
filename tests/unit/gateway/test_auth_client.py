"""What the gateway makes of auth's answer about some tokens."""

from typing import Any

import aiohttp
import pytest

from libs.common.contracts.identities import Judgement, Judgements
from libs.common.errors import Unauthenticated, Unavailable
from libs.common.identity import open_session
from services.gateway.upstream.auth import AuthClient
from services.gateway.upstream.peer import Peer
from services.gateway.usecases.doors import Reply
from tests.unit.gateway.fakes import a_verdict

TOKENS = ["one", "two", "three"]


class Saying(Peer):
    """Auth that answers whatever is asked with the same."""

    def __init__(self, session: aiohttp.ClientSession, status: int, body: str) -> None:
        super().__init__("auth", session, "http://auth")
        self._reply = Reply(status, {}, body.encode())

    async def call(self, method: str, path: str, **_: Any) -> Reply:
        return self._reply


async def test_each_token_has_its_own_answer() -> None:
    alice = a_verdict("alice")
    said = Judgements(
        items=[
            Judgement(refusal="unauthenticated"),
            Judgement(verdict=alice),
            Judgement(refusal="unavailable"),
        ]
    )
    async with open_session() as session:
        auth = AuthClient(Saying(session, 200, said.model_dump_json()))

        bad, good, later = await auth.judge(TOKENS)

    assert good == alice
    assert isinstance(bad, Unauthenticated)
    assert isinstance(later, Unavailable)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, "{}"),
        (403, "{}"),
        (200, "{}"),
        (200, "no JSON"),
        (200, '{"items":[]}'),
        (200, Judgements(items=[Judgement(verdict=a_verdict())] * 4).model_dump_json()),
    ],
    ids=["who are you", "not you", "no list", "no JSON", "too few", "too many"],
)
async def test_without_an_answer_for_each_there_is_none_for_any(status: int, body: str) -> None:
    """Above all no verdict on one token that was given on another."""
    async with open_session() as session:
        auth = AuthClient(Saying(session, status, body))

        with pytest.raises(Unavailable):
            await auth.judge(TOKENS)
