"""What a user is, and what they may call themselves."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from libs.common.contracts.values import USER_ID_PATTERN
from libs.common.errors import InvalidRequest

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 128
MAX_NAME_CHARACTERS = 40

_LOGIN = re.compile(r"[a-z0-9._@+-]{3,64}")
_USER_ID = re.compile(USER_ID_PATTERN)
_OWN_USER_ID = re.compile(r"u_[0-9a-f]{32}")
# Control, format (which holds the direction overrides), surrogate, private, unassigned, and the
# two line separators: what could make one name look like another, or break a line.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class User:
    """A registered person. `user_id` is opaque and never changes; `login` is secret to others."""

    user_id: str
    login: str
    display_name: str
    password_hash: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Person:
    """
    Whoever has this user id, as those find them who look after accounts.

    `user` is None if they are not registered here: another issuer may know them all the same.
    """

    user_id: str
    user: User | None = None
    created_at: datetime | None = None
    banned: bool = False
    erased_at: datetime | None = None
    recorded: bool = False  # the audit has acts on them
    last_admin: bool = False  # nobody else may sign in as one

    @property
    def known(self) -> bool:
        """Whether anything is kept of them here."""
        return self.user is not None or self.recorded

    @property
    def roles(self) -> frozenset[str]:
        """What they are registered as."""
        return self.user.roles if self.user else frozenset()


def login_of(text: str) -> str:
    """The login that is meant: case does not count. Raises `InvalidRequest`."""
    login = text.strip().casefold()
    if not _LOGIN.fullmatch(login):
        raise InvalidRequest("a login is 3 to 64 letters, digits or any of . _ @ + -")
    return login


def display_name_of(text: str) -> str:
    """The name as it will be shown, in Unicode's NFC. Raises `InvalidRequest`."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise InvalidRequest(f"a display name is 1 to {MAX_NAME_CHARACTERS} characters")
    if any(unicodedata.category(character) in _UNSEEN for character in name):
        raise InvalidRequest("a display name has visible characters only")
    return name


def password_of(text: str) -> str:
    """The password in NFKC, so that every keyboard types the same one. Raises `InvalidRequest`."""
    password = unicodedata.normalize("NFKC", text)
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidRequest(
            f"a password is {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters"
        )
    return password


def is_user_id(text: str) -> bool:
    """Whether this can name a user at all."""
    return _USER_ID.fullmatch(text) is not None


def is_foreign_user_id(text: str) -> bool:
    """Whether another issuer may name a user so: never one of the users registered here."""
    return is_user_id(text) and _OWN_USER_ID.fullmatch(text) is None
