"""
Acts on accounts: who may do what to whom, and what of it is recorded.

Each function of a verb's name gives the act, or None if nothing would change. It raises `NotFound`,
`Forbidden` or `Conflict` when the act is against a rule.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from libs.common.errors import Conflict, Forbidden, InvalidRequest, NotFound
from services.auth.domain.people import Person, User, is_foreign_user_id
from services.auth.domain.roles import ADMIN


class Action(StrEnum):
    """What can be done to an account, as the audit calls it."""

    ROLES_CHANGED = "account.roles_changed"
    BANNED = "account.banned"
    UNBANNED = "account.unbanned"
    LOGGED_OUT = "account.logged_out"
    ERASED = "account.erased"


@dataclass(frozen=True, slots=True)
class Warrant:
    """Who acts, what they are, and why they do it."""

    actor: str
    roles: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to an account; `roles` are those before and after, if they change."""

    action: Action
    warrant: Warrant
    roles: tuple[frozenset[str], frozenset[str]] | None = None


def reason_of(text: str) -> str:
    """The reason on one line, in Unicode's NFC. Raises `InvalidRequest`."""
    reason = unicodedata.normalize("NFC", " ".join(text.split()))
    if not reason or any(unicodedata.category(character) == "Cc" for character in reason):
        raise InvalidRequest("a reason says why, in visible characters")
    return reason


def change_roles(person: Person, roles: frozenset[str], warrant: Warrant) -> Act | None:
    """Give a registered user these roles instead of theirs."""
    _check(person, warrant, person.roles | roles)
    if person.user is None:
        raise NotFound("this user is not registered here")
    if roles == person.roles:
        return None
    if person.last_admin and ADMIN not in roles:
        raise Conflict("this is the last admin; make another one first")
    return Act(Action.ROLES_CHANGED, warrant, (person.roles, roles))


def ban(person: Person, warrant: Warrant) -> Act | None:
    """Let somebody in no more, whoever vouches for them."""
    _check(person, warrant, person.roles)
    return None if person.banned else Act(Action.BANNED, warrant)


def unban(person: Person, warrant: Warrant) -> Act | None:
    """Let somebody in again."""
    _check(person, warrant, person.roles)
    if not person.known:
        raise NotFound("this user is not known here")
    return Act(Action.UNBANNED, warrant) if person.banned else None


def log_out(person: Person, warrant: Warrant) -> Act:
    """End all that somebody is signed in with; also oneself, also who is not registered here."""
    if person.user_id != warrant.actor:
        _check(person, warrant, person.roles)
    if not person.known and not is_foreign_user_id(person.user_id):
        raise NotFound("this user is not known here")
    return Act(Action.LOGGED_OUT, warrant)


def erase(person: Person, warrant: Warrant) -> Act | None:
    """Forget a person; once only, whatever reason is given again."""
    if person.erased_at:
        return None
    _check(person, warrant, person.roles)
    if not person.known:
        raise NotFound("this user is not known here")
    if person.last_admin:
        raise Conflict("this is the last admin; make another one first")
    if person.user and _names(warrant.reason, person.user):
        raise InvalidRequest("the reason is kept: give it without the person's login or name")
    return Act(Action.ERASED, warrant)


def _check(person: Person, warrant: Warrant, roles: frozenset[str]) -> None:
    if person.erased_at:
        raise NotFound("this user was erased")
    if person.user_id == warrant.actor:
        raise Forbidden("nobody does this to their own account")
    # Otherwise whoever may write accounts could make themselves a friend that may do everything.
    if ADMIN in roles and ADMIN not in warrant.roles:
        raise Forbidden("only an admin does this to an admin, or makes one")


def _names(text: str, user: User) -> bool:
    names = "|".join(map(re.escape, (user.login, user.display_name)))
    return re.search(rf"(?<!\w)(?:{names})(?!\w)", text, re.IGNORECASE) is not None
