"""Frames that real parsers read; origins, positions and addresses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.streams import Reconnect
from libs.common.errors import InvalidRequest
from services.notification import domain
from services.notification.domain import Position, Snapshot
from tests.notification_fakes import an_event, read_sse, read_websocket, unchunk


@given(st.text(max_size=70_000))
def test_any_text_survives_both_encodings(text: str) -> None:
    snapshot = Snapshot.of(an_event().model_copy(update={"board": text}))
    (by_websocket,) = read_websocket(snapshot.frames.websocket)
    (by_events,) = read_sse(snapshot.frames.sse)
    assert by_websocket["board"] == by_events["board"] == text


@pytest.mark.parametrize("size", [8, 125, 126, 65535, 65536])
def test_frame_lengths_at_their_bounds(size: int) -> None:
    frame = {"a": "a" * (size - len('{"a":""}'))}
    payload = json.dumps(frame, separators=(",", ":")).encode()
    assert read_websocket(domain.text_frame(payload)) == [frame]


def test_a_snapshot_says_all_that_a_page_shows() -> None:
    snapshot = Snapshot.of(an_event(3, 91))
    assert read_websocket(snapshot.frames.websocket) == [
        {
            "type": "snapshot",
            "board": "global",
            "epoch": 3,
            "rev": 91,
            "top_10": [{"user_id": "alice", "score": 600}, {"user_id": "bob", "score": 5}],
            "moves": {"alice": 2},
            "reason": "scores",
            "timestamp": "2026-03-01T12:00:00Z",
            "accepted_at": "2026-03-01T12:00:00Z",
        }
    ]


def test_only_news_is_measured_for_freshness() -> None:
    assert Snapshot.of(an_event(reason="scores")).accepted_at is not None
    assert Snapshot.of(an_event(reason="heartbeat")).accepted_at is None


def test_reconnect_advice_reaches_an_event_source() -> None:
    frames = domain.encode(Reconnect(after_ms=7), retry_ms=7)
    assert b"retry: 7\n" in unchunk(frames.sse)
    assert b"id:" not in unchunk(frames.sse)


@pytest.mark.parametrize("text", ["3:91", "0:0"])
def test_a_position_is_two_numbers(text: str) -> None:
    assert "{}:{}".format(*Position.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["3", "3:", ":1", "-1:2", "3:91 ", "a:b", "1:2:3", "9" * 19 + ":1"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Position.parse(text)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("https://app.example.com", True),
        ("https://board.example.com", True),
        ("http://board.example.com", False),
        ("null", False),
        ("", False),
        ("https://app.example.com.evil.io", False),
        ("https://evil-app.example.com", False),
        ("https://app.example.com:8443", False),
        ("http://app.example.com", False),
        ("https://APP.example.com", False),
    ],
)
def test_origins_are_compared_exactly(origin: str | None, allowed: bool) -> None:
    own, listed = "https://board.example.com", frozenset({"https://app.example.com"})
    assert domain.origin_allowed(origin, own, listed) is allowed


def test_addresses_are_hidden_and_ipv6_counts_by_network() -> None:
    def hidden(host: str) -> str:
        return domain.hide_address(host, b"secret")

    assert hidden("192.0.2.1") != hidden("192.0.2.2")
    assert hidden("192.0.2.1") != domain.hide_address("192.0.2.1", b"other")
    assert hidden("2001:db8::1") == hidden("2001:db8::ffff:2")
    assert hidden("2001:db8::1") != hidden("2001:db8:0:1::1")
    assert hidden("fe80::1%eth0") == hidden("fe80::2")
    assert hidden("not:an:address") != hidden("2001:db8::1")
