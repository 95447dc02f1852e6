"""Looking after accounts: what is kept of a person, acts on them, and the record of these acts."""

from collections.abc import Callable
from typing import Protocol

from libs.common.contracts.accounts import AccountExport, Erasure, ManagedAccount
from libs.common.contracts.corrections import AuditLine, AuditPage
from libs.common.contracts.values import MAX_TOTAL
from libs.common.errors import NotFound
from services.auth.domain import acts
from services.auth.domain.acts import Act, Warrant
from services.auth.domain.people import Person

MAX_EXPORTED_ACTS = 1000

Decide = Callable[[Person], Act | None]
"""What is done to a person, as they are now; None if nothing is. Raises what speaks against it."""


class People(Protocol):
    """Where accounts and the acts on them are kept."""

    async def find(self, user_id: str) -> Person: ...

    async def change(self, user_id: str, decide: Decide) -> Person:
        """
        Carry out and record what is decided, both or neither; return the person as they are then.

        One act at a time. All but the lifting of a ban end everything the person is signed in with.
        """
        ...

    async def acts(self, user_id: str | None, *, before: int, limit: int) -> list[AuditLine]:
        """The acts on one or on all, the newest first, among those numbered below `before`."""
        ...


class Administration:
    """What may be asked of accounts by others than their owners."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def read(self, user_id: str) -> ManagedAccount:
        """An account. Raises `NotFound` if nothing is kept of this user."""
        return ManagedAccount.model_validate(_seen(_known(await self._people.find(user_id))))

    async def export(self, user_id: str) -> AccountExport:
        """All that is kept of a person. Raises `NotFound` like `read`."""
        person = _known(await self._people.find(user_id))
        lines = await self._people.acts(user_id, before=MAX_TOTAL, limit=MAX_EXPORTED_ACTS)
        login = person.user.login if person.user else ""
        return AccountExport.model_validate({**_seen(person), "login": login, "acts": lines})

    async def change_roles(
        self, user_id: str, roles: frozenset[str], warrant: Warrant
    ) -> ManagedAccount:
        """Give a user these roles; tokens that say otherwise end."""
        return await self._act(user_id, lambda person: acts.change_roles(person, roles, warrant))

    async def ban(self, user_id: str, warrant: Warrant) -> ManagedAccount:
        """Let a user in no more, registered here or not."""
        return await self._act(user_id, lambda person: acts.ban(person, warrant))

    async def unban(self, user_id: str, warrant: Warrant) -> ManagedAccount:
        """Let a user in again; they have to sign in."""
        return await self._act(user_id, lambda person: acts.unban(person, warrant))

    async def log_out(self, user_id: str, warrant: Warrant) -> None:
        """End all sessions and tokens of a user."""
        await self._people.change(user_id, lambda person: acts.log_out(person, warrant))

    async def erase(self, user_id: str, warrant: Warrant) -> Erasure:
        """Forget the person; only the id stays, so that it never comes to life again."""
        person = await self._people.change(user_id, lambda person: acts.erase(person, warrant))
        assert person.erased_at is not None
        return Erasure(user_id=user_id, erased_at=person.erased_at)

    async def audit(self, user_id: str | None, *, before: int, limit: int) -> AuditPage:
        """A page of acts, the newest first."""
        lines = await self._people.acts(user_id, before=before, limit=limit)
        return AuditPage(acts=lines, next=str(lines[-1].id) if len(lines) == limit else "")

    async def _act(self, user_id: str, decide: Decide) -> ManagedAccount:
        return ManagedAccount.model_validate(_seen(await self._people.change(user_id, decide)))


def _known(person: Person) -> Person:
    if person.erased_at:
        raise NotFound("this user was erased")
    if not person.known:
        raise NotFound("this user is not known here")
    return person


def _seen(person: Person) -> dict[str, object]:
    return {
        "user_id": person.user_id,
        "display_name": person.user.display_name if person.user else "",
        "roles": sorted(person.roles),
        "banned": person.banned,
        "created_at": person.created_at,
    }
