"""Roles and what they permit. What is not in the table is denied."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from libs.common.errors import InvalidRequest


class Permission(StrEnum):
    """What a route can ask for."""

    SCORES_WRITE = "scores:write"
    SCORES_READ = "scores:read"
    STREAM_OWN = "stream:own"
    FRAUD_READ = "fraud:read"
    FRAUD_WRITE = "fraud:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    SESSIONS_WRITE = "sessions:write"
    GRANTS_WRITE = "grants:write"
    OPS_READ = "ops:read"


PLAYER = "player"
ADMIN = "admin"

_PLAY = frozenset({Permission.SCORES_WRITE, Permission.SCORES_READ, Permission.STREAM_OWN})

PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    PLAYER: _PLAY,
    "moderator": _PLAY | {Permission.FRAUD_READ, Permission.FRAUD_WRITE, Permission.USERS_READ},
    "ops": frozenset(
        {
            Permission.USERS_READ,
            Permission.USERS_WRITE,
            Permission.SESSIONS_WRITE,
            Permission.FRAUD_READ,
            Permission.OPS_READ,
        }
    ),
    "game": frozenset({Permission.GRANTS_WRITE}),
    ADMIN: frozenset(Permission),
}


def roles_of(names: Iterable[str]) -> frozenset[str]:
    """The roles of these names. Raises `InvalidRequest` for one that is not in the table."""
    roles = frozenset(names)
    if unknown := roles - PERMISSIONS.keys():
        raise InvalidRequest(f"unknown role: {min(unknown)}")
    return roles


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """Everything that any of the roles permits; an unknown role permits nothing."""
    return frozenset().union(*(PERMISSIONS.get(role, frozenset()) for role in roles))


def foreign_roles(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """
    The known roles in another issuer's token; a player if there are none.

    `path` is a claim's name, or names joined by dots: `roles` (Entra), `realm_access.roles`
    (Keycloak), `https://example.com/roles` (Auth0: its dots are part of the name, so the whole
    is tried first).
    """
    found = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        found = found.split()
    named = found if isinstance(found, list) else []
    known = frozenset(role for role in named if isinstance(role, str) and role in PERMISSIONS)
    return known or frozenset({PLAYER})
