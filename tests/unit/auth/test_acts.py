"""Who may do what to whom."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from libs.common.contracts.accounts import MAX_GRANT_SECONDS
from libs.common.errors import Conflict, Forbidden, InvalidRequest, NotFound
from services.auth.domain import acts
from services.auth.domain.acts import Act, Action, Warrant, reason_of
from services.auth.domain.claims import LONGEST_ACCESS_SECONDS
from services.auth.domain.people import Person, User

ADMIN = Warrant("chief", frozenset({"admin"}), "because")
OPS = Warrant("olga", frozenset({"ops"}), "because")
PLAYER = frozenset({"player"})
AN_ADMIN = frozenset({"player", "admin"})

ALICE = Person("u_alice", User("u_alice", "alice", "Alice A.", "hash", PLAYER))
STRANGER = Person("auth0|5f7c")
NOBODY = Person("u_" + "0" * 32)
ERASED = Person("u_gone", recorded=True, erased_at=datetime(2030, 1, 1, tzinfo=UTC))

Do = Callable[[Person, Warrant], Act | None]


def as_admin(person: Person, *, last: bool = False) -> Person:
    assert person.user is not None
    return replace(person, user=replace(person.user, roles=AN_ADMIN), last_admin=last)


def promote(person: Person, warrant: Warrant) -> Act | None:
    return acts.change_roles(person, AN_ADMIN, warrant)


def demote(person: Person, warrant: Warrant) -> Act | None:
    return acts.change_roles(person, PLAYER, warrant)


def test_an_act_says_what_changes() -> None:
    change = acts.change_roles(ALICE, frozenset({"ops"}), OPS)

    assert change == Act(Action.ROLES_CHANGED, OPS, (PLAYER, frozenset({"ops"})))
    assert acts.ban(ALICE, OPS) == Act(Action.BANNED, OPS)
    assert acts.unban(replace(ALICE, banned=True), OPS) == Act(Action.UNBANNED, OPS)


def test_what_is_so_already_is_no_act() -> None:
    assert demote(ALICE, OPS) is None
    assert acts.ban(replace(ALICE, banned=True), OPS) is None
    assert acts.unban(ALICE, OPS) is None
    assert acts.erase(ERASED, OPS) is None


@pytest.mark.parametrize("do", [demote, acts.ban, acts.unban, acts.erase])
def test_nobody_does_it_to_themselves(do: Do) -> None:
    with pytest.raises(Forbidden):
        do(ALICE, replace(ADMIN, actor="u_alice"))


def test_signing_oneself_out_is_allowed() -> None:
    assert acts.log_out(as_admin(ALICE), replace(OPS, actor="u_alice"))


@pytest.mark.parametrize("do", [demote, acts.ban, acts.unban, acts.log_out, acts.erase])
def test_only_admins_act_on_admins(do: Do) -> None:
    with pytest.raises(Forbidden):
        do(as_admin(ALICE), OPS)


def test_only_admins_make_admins() -> None:
    with pytest.raises(Forbidden):
        promote(ALICE, OPS)
    assert promote(ALICE, ADMIN)


@pytest.mark.parametrize("do", [demote, acts.erase])
def test_the_last_admin_stays(do: Do) -> None:
    with pytest.raises(Conflict):
        do(as_admin(ALICE, last=True), ADMIN)
    assert do(as_admin(ALICE), ADMIN)


def test_even_the_last_admin_can_be_banned_by_whoever_else_is_one() -> None:
    assert acts.ban(as_admin(ALICE, last=True), ADMIN)


@pytest.mark.parametrize("do", [demote, acts.ban, acts.unban, acts.log_out])
def test_nothing_is_done_to_the_erased(do: Do) -> None:
    with pytest.raises(NotFound):
        do(ERASED, ADMIN)


def test_who_is_known_elsewhere_can_be_banned_and_signed_out() -> None:
    assert acts.ban(STRANGER, OPS)
    assert acts.log_out(STRANGER, OPS)
    assert acts.unban(replace(STRANGER, banned=True, recorded=True), OPS)
    assert acts.erase(replace(STRANGER, recorded=True), OPS)


@pytest.mark.parametrize("do", [demote, acts.unban, acts.log_out, acts.erase])
def test_nothing_is_done_to_nobody(do: Do) -> None:
    with pytest.raises(NotFound):
        do(NOBODY, ADMIN)


@pytest.mark.parametrize(
    "reason", ["alice asked for it", "Mr ALICE a. asked", "by letter of alice", "(alice)"]
)
def test_the_reason_of_an_erasure_does_not_name_the_person(reason: str) -> None:
    with pytest.raises(InvalidRequest):
        acts.erase(ALICE, replace(ADMIN, reason=reason))


def test_a_name_within_a_word_names_nobody() -> None:
    assert acts.erase(ALICE, replace(ADMIN, reason="of malice, to all"))


def test_a_reason_is_one_line() -> None:
    assert reason_of("  sold\n the\taccount ") == "sold the account"
    assert reason_of("e\u0301") == "\u00e9"


@pytest.mark.parametrize("text", ["", "  ", "\n", "a\0b", "a\x1bb", "\x7f"])
def test_a_reason_says_something(text: str) -> None:
    with pytest.raises(InvalidRequest):
        reason_of(text)


def test_a_grant_ends_before_the_key_that_verifies_it() -> None:
    assert MAX_GRANT_SECONDS <= LONGEST_ACCESS_SECONDS
