"""
A person, whom two services know: auth by their account, score by their ledger.

Both steps of an erasure may be repeated, so one that broke off in between is healed by repeating.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from pydantic import Field, ValidationError

from libs.common.clock import Clock, system_clock
from libs.common.contracts.accounts import AccountExport, Erasure
from libs.common.contracts.corrections import LedgerLine, LedgerView
from libs.common.contracts.values import Contract
from libs.common.errors import Forbidden, NotFound, Unavailable
from services.gateway.usecases.doors import LONG_TIMEOUT_SECONDS, Forwarded, Owner, Reply

PAGE = 100
MAX_PAGES = 1_000_000

Headers = Mapping[str, str]
Proof = Callable[[], Awaitable[Headers]]
"""Headers for score that are good for the next call; one export may take many."""

Body = TypeVar("Body", bound=Contract)


class PersonExport(Contract):
    """All that is kept of a person."""

    account: AccountExport | None = Field(description="null: they have none here")
    ledger: list[LedgerLine] = Field(description="newest first")


class ExportPerson:
    """Gathers a person's export, a page of the ledger at a time: it may be long."""

    def __init__(self, accounts: Owner, ledger: Owner) -> None:
        self._accounts = accounts
        self._ledger = ledger

    async def __call__(self, user_id: str, own_name: Headers, proof: Proof) -> AsyncIterator[bytes]:
        """
        A `PersonExport` in pieces of JSON. Raises `Forbidden`, `NotFound` or `Unavailable`.

        The iterator raises `Unavailable`, too: then the document has no end, and is no JSON.
        """
        path = f"/api/admin/users/{quote(user_id, safe='')}/account"
        account = _read(
            AccountExport, await self._accounts.forward(Forwarded("GET", path, own_name))
        )
        first = await self._page(user_id, "", proof)
        if account is None and first is None:
            raise NotFound("nothing is kept of this user")
        return self._pieces(user_id, account, first, proof)

    async def _pieces(
        self, user_id: str, account: AccountExport | None, page: LedgerView | None, proof: Proof
    ) -> AsyncGenerator[bytes, None]:
        head = account.model_dump_json() if account is not None else "null"
        between = f'{{"account":{head},"ledger":['
        for _ in range(MAX_PAGES):
            if page is not None and page.entries:
                yield (between + ",".join(e.model_dump_json() for e in page.entries)).encode()
                between = ","
            if page is None or not page.next:
                yield b"]}" if between == "," else f"{between}]}}".encode()
                return
            page = await self._page(user_id, page.next, proof)
            if page is None:
                break
        raise Unavailable("the ledger broke off")

    async def _page(self, user_id: str, before: str, proof: Proof) -> LedgerView | None:
        path = f"/internal/admin/users/{quote(user_id, safe='')}/ledger"
        query = {"limit": str(PAGE)} | ({"before": before} if before else {})
        return _read(
            LedgerView, await self._ledger.forward(Forwarded("GET", path, await proof(), query))
        )


class ErasePerson:
    """Erases a person: at auth first, so that nobody signs in again while score erases."""

    def __init__(self, accounts: Owner, ledger: Owner, clock: Clock = system_clock) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock

    async def __call__(
        self, user_id: str, reason: bytes, own_name: Headers, vouched_for: Headers
    ) -> Reply:
        """
        An `Erasure`, or the first refusal. Raises `Unavailable`: some of it may be done.

        Whom only one of the two knows is erased there; whom neither knows is auth's 404.
        """
        path = f"/api/admin/users/{quote(user_id, safe='')}"
        account = await self._accounts.forward(
            Forwarded("DELETE", path, own_name, body=reason, timeout_seconds=LONG_TIMEOUT_SECONDS)
        )
        if account.status not in (200, 404):
            return account
        path = f"/internal/admin/users/{quote(user_id, safe='')}/erase"
        ledger = await self._ledger.forward(
            Forwarded("POST", path, vouched_for, body=reason, timeout_seconds=LONG_TIMEOUT_SECONDS)
        )
        if ledger.status not in (200, 404):
            return ledger
        if ledger.status == 404 or account.status == 200:
            return account
        erasure = Erasure(user_id=user_id, erased_at=self._clock.now())
        headers = {"content-type": "application/json"}
        return Reply(200, headers, erasure.model_dump_json().encode())


def _read(model: type[Body], reply: Reply) -> Body | None:
    """The body of a 200, or None for a 404."""
    if reply.status == 404:
        return None
    if reply.status == 200:
        try:
            return model.model_validate_json(reply.body)
        except ValidationError:
            pass
    if reply.status == 403:
        raise Forbidden("a service behind the gateway does not allow this")
    raise Unavailable("a service behind the gateway answers with something unexpected")
