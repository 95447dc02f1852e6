"""The header fields of two drafts, and our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import InvalidRequest
from services.gateway.domain.headers import Quota, parse_action_grant, parse_idempotency_key

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=128)


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        ("8e03978e-40d5", "8e03978e-40d5"),
        ("a", "a"),
        ("x" * 128, "x" * 128),
        ('"with space"', "with space"),
        (r'"a\"b\\c"', r'a"b\c'),
    ],
)
def test_a_string_and_a_bare_word_are_keys(field: str, key: str) -> None:
    assert parse_idempotency_key([field]) == key


@given(PRINTABLE)
def test_every_printable_key_survives_quoting(key: str) -> None:
    field = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert parse_idempotency_key([field]) == key


@pytest.mark.parametrize(
    "field",
    ["", '""', '"', '"a', 'a"b"c d', '"a"b', '"a";p=1', "two words", "x" * 129,
     '"' + "x" * 129 + '"', "a\n", "a\tb", '"a\tb"', "é", "\x7f", r'"\n"'],
)  # fmt: skip
def test_anything_else_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_idempotency_key([field])


def test_two_keys_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse_idempotency_key(["a", "a"])


@pytest.mark.parametrize(
    ("quota", "remaining", "policy", "state"),
    [
        (Quota(5, 5), 4, '"user";q=5;w=1', '"user";r=4;t=1'),
        (Quota(5, 5), 5, '"user";q=5;w=1', '"user";r=5;t=0'),
        (Quota(5, 5), 0, '"user";q=5;w=1', '"user";r=0;t=1'),
        (Quota(2, 20), 0, '"user";q=20;w=10', '"user";r=0;t=10'),
    ],
)
def test_a_quota_says_what_is_left_and_when_it_is_back(
    quota: Quota, remaining: int, policy: str, state: str
) -> None:
    assert quota.fields(remaining) == (
        (b"ratelimit-policy", policy.encode()),
        (b"ratelimit", state.encode()),
    )


def test_a_grant_is_taken_as_it_is() -> None:
    assert parse_action_grant(["eyJ0.eyJq-_.c2ln"]) == "eyJ0.eyJq-_.c2ln"


@pytest.mark.parametrize(
    "fields", [[], ["a.b.c", "a.b.c"], [""], ["a.b"], ["a..c"], ["a.b.c.d"], ["a.b.c\n"], ["é.b.c"],
               ["a.b." + "c" * 2045]],
)  # fmt: skip
def test_what_is_no_grant_is_refused(fields: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="Action-Grant"):
        parse_action_grant(fields)
