"""Logins, names and passwords."""

import pytest

from libs.common.errors import InvalidRequest
from services.auth.domain.people import (
    display_name_of,
    is_foreign_user_id,
    is_user_id,
    login_of,
    password_of,
)


def test_case_and_space_around_a_login_do_not_count() -> None:
    assert login_of("  Alice.B+1@Example.COM ") == "alice.b+1@example.com"


@pytest.mark.parametrize("text", ["", "al", "a" * 65, "al ice", "al\0ice", "аlice", "al/ice"])
def test_a_login_has_plain_letters_only(text: str) -> None:
    with pytest.raises(InvalidRequest):
        login_of(text)


@pytest.mark.parametrize("text", ["Alice", "Zoë 🎉", "李小龍", "x" * 40, "O'Neil <b>"])
def test_a_name_may_be_anything_that_is_seen(text: str) -> None:
    assert display_name_of(f" {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x" * 41,
        "a\0b",
        "a\nb",
        "a\x1b[31mb",
        "a\u202eb",  # right-to-left override
        "a\u2066b",  # isolate
        "a\u200bb",  # zero width
        "a\u2028b",  # line separator
        "a\ud800b",  # half a character
        "a\ue000b",  # private use
    ],
)
def test_a_name_hides_nothing(text: str) -> None:
    with pytest.raises(InvalidRequest):
        display_name_of(text)


def test_two_ways_to_write_a_name_are_one() -> None:
    assert display_name_of("Zoe\u0308") == display_name_of("Zo\u00eb")


def test_two_ways_to_type_a_password_are_one() -> None:
    assert password_of("pass\uff57ord-o\u0308") == password_of("password-\u00f6")


@pytest.mark.parametrize("length", [0, 7, 129])
def test_a_password_has_8_to_128_characters(length: int) -> None:
    assert password_of("p" * 8)
    assert password_of("p" * 128)
    with pytest.raises(InvalidRequest):
        password_of("p" * length)


def test_another_issuer_cannot_name_a_user_of_ours() -> None:
    ours = "u_" + "0123456789abcdef" * 2

    assert is_user_id(ours)
    assert not is_foreign_user_id(ours)
    assert is_foreign_user_id("auth0|5f7c8ec7c33c6c004bbafe82")
    assert not is_foreign_user_id("with space")
    assert not is_foreign_user_id("newline\n")
