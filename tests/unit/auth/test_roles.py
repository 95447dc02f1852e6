"""Who may do what; and the roles that other issuers write."""

from typing import Any

import pytest

from libs.common.errors import InvalidRequest
from services.auth.domain.roles import (
    PERMISSIONS,
    Permission,
    foreign_roles,
    permissions_of,
    roles_of,
)


def test_the_table_is_the_one_that_was_decided() -> None:
    assert {role: sorted(permissions) for role, permissions in PERMISSIONS.items()} == {
        "player": ["scores:read", "scores:write", "stream:own"],
        "moderator": [
            "fraud:read",
            "fraud:write",
            "scores:read",
            "scores:write",
            "stream:own",
            "users:read",
        ],
        "ops": ["fraud:read", "ops:read", "sessions:write", "users:read", "users:write"],
        "game": ["grants:write"],
        "admin": sorted(Permission),
    }


def test_what_is_not_permitted_is_denied() -> None:
    assert permissions_of([]) == frozenset()
    assert permissions_of(["root", "Admin", ""]) == frozenset()


def test_a_role_that_is_not_in_the_table_is_refused() -> None:
    assert roles_of(["ops", "player", "ops"]) == {"ops", "player"}
    assert roles_of([]) == frozenset()
    with pytest.raises(InvalidRequest, match="root"):
        roles_of(["player", "root"])


def test_roles_add_up() -> None:
    both = permissions_of(["player", "ops"])

    assert both == PERMISSIONS["player"] | PERMISSIONS["ops"]


@pytest.mark.parametrize(
    ("claims", "path"),
    [
        ({"roles": ["moderator", "other"]}, "roles"),
        ({"realm_access": {"roles": ["offline_access", "moderator"]}}, "realm_access.roles"),
        ({"https://example.com/roles": ["moderator"]}, "https://example.com/roles"),
        ({"resource_access": {"my-app": {"roles": ["moderator"]}}}, "resource_access.my-app.roles"),
        ({"scope": "openid moderator"}, "scope"),
    ],
)
def test_known_roles_are_found_where_issuers_write_them(claims: dict[str, Any], path: str) -> None:
    assert foreign_roles(claims, path) == {"moderator"}


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"a": None},
        {"a": 7},
        {"a": {"b": {}}},
        {"a": {"b": 7}},
        {"a": {"b": ["Admin", 7, None, ["admin"]]}},
        {"a": "b"},
        {"a": ["b"]},
    ],
)
def test_who_has_no_known_role_is_a_player(claims: dict[str, Any]) -> None:
    assert foreign_roles(claims, "a.b") == {"player"}
