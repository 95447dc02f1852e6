"""Reading bodies: an increment is a JSON integer in an object, and nothing else passes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import InvalidRequest
from services.gateway.domain.bodies import parse_increment, parse_object

MAXIMUM = 1_000_000

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "value",
    [
        "true", "false", "null", "1.0", "1e3", '"1"', "0", "-0", "-1", "1000001", "NaN", "Infinity",
        "-Infinity", "[]", "{}", "[1]", "01", "+1", "0x1", "1_000", "", "1" + "0" * 400,
        "1" + "0" * 5000, "9007199254740992", "１",
    ],
)  # fmt: skip
def test_what_is_no_integer_in_range_is_refused(value: str) -> None:
    body = f'{{"score_increment": {value}}}'.encode()

    with pytest.raises(InvalidRequest):
        parse_increment(body, maximum=MAXIMUM)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b"10", b'"score_increment"', b"{", b'{"score_increment": 1',
        b'{"score_increment": 1}}', b'{"score_increment": 1, "user_id": "bob"}',
        b'{"score_increment": 1, "score_increment": 1}', b'{"score_increment": 1, "a": 1, "a": 2}',
        b'\xef\xbb\xbf{"score_increment": 1}', '{"score_increment": 1}'.encode("utf-16"),
        b'{"score_increment": 1, "\xff": 1}', b"[" * 2000, b'{"score_increment":' * 100,
        b"score_increment=1", b"{'score_increment': 1}", b'{"score_increment": 1,}', b"\x00",
    ],
)  # fmt: skip
def test_what_is_not_the_one_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_increment(body, maximum=MAXIMUM)


def test_a_field_named_twice_by_an_escape_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        parse_object(rb'{"score_increment": 1, "score\u005fincrement": 2}')


def test_a_number_beyond_floats_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse_object(b'{"a": 1e999}')


@given(st.integers(1, MAXIMUM))
def test_every_integer_in_range_is_taken(points: int) -> None:
    body = json.dumps({"score_increment": points}).encode()

    assert parse_increment(body, maximum=MAXIMUM) == points


@given(JSON_VALUES)
def test_no_json_value_passes_but_an_integer_in_range(value: Any) -> None:
    body = json.dumps({"score_increment": value}).encode()

    if type(value) is int and 1 <= value <= MAXIMUM:
        assert parse_increment(body, maximum=MAXIMUM) == value
    else:
        with pytest.raises(InvalidRequest):
            parse_increment(body, maximum=MAXIMUM)


@given(
    st.binary(max_size=200) | st.text(alphabet='{}[]":,0123456789eE+-. nulltrue').map(str.encode)
)
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    with suppress(InvalidRequest):
        assert isinstance(parse_object(body), dict)
