"""Which handshakes the express way takes, and that its answers are those of `websockets`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from libs.common.at_once import Fields, Whole
from services.notification.routes.express import plain_handshake

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ORIGIN = "https://board.example.com"
ALLOWED = frozenset({ORIGIN})

CHROME: Fields = [
    (b"host", b"board.example.com"),
    (b"connection", b"Upgrade"),
    (b"pragma", b"no-cache"),
    (b"cache-control", b"no-cache"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0"),
    (b"upgrade", b"websocket"),
    (b"origin", ORIGIN.encode()),
    (b"sec-websocket-version", b"13"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits"),
]
FIREFOX: Fields = [
    (b"host", b"board.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0"),
    (b"sec-websocket-version", b"13"),
    (b"origin", ORIGIN.encode()),
    (b"sec-websocket-extensions", b"permessage-deflate"),
    (b"sec-websocket-key", KEY),
    (b"connection", b"keep-alive, Upgrade"),
    (b"sec-fetch-mode", b"websocket"),
    (b"upgrade", b"websocket"),
]
NO_BROWSER: Fields = [
    (b"host", b"127.0.0.1:8000"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]

names = st.sampled_from([name for name, _ in CHROME])
values = st.sampled_from(
    (b"", b"Upgrade", b"upgrade, close", b"close", b"websocket", b"WebSocket", b"h2c", b"12", b"13",
     b"http://board.example.com", b"http://else", b"null", b"\xff", KEY, KEY[:-1], KEY[:-2] + b"QQ",
     b"dGhlIHNhbXBsZSBub25jZR==", b"permessage-deflate", b"0")
)  # fmt: skip
others = st.tuples(st.sampled_from((b"content-length", b"sec-websocket-protocol", b"x")), values)
changed = st.builds(
    lambda fields, changes, more, less: [
        *((name, changes.get(name, value)) for name, value in fields if name != less),
        *more,
    ],
    st.sampled_from((CHROME, FIREFOX, NO_BROWSER)),
    st.dictionaries(names, values, max_size=2),
    st.lists(st.tuples(names, values) | others, max_size=1),
    names | st.none(),
)


@pytest.mark.parametrize("fields", [CHROME, FIREFOX, NO_BROWSER])
def test_what_clients_send_is_ordinary(fields: Fields) -> None:
    assert plain_handshake(whole(fields), ALLOWED) == the_librarys(fields)


@pytest.mark.parametrize(
    "more",
    [
        (b"sec-websocket-key", KEY),
        (b"upgrade", b"websocket"),
        (b"origin", ORIGIN.encode()),
        (b"user-agent", b"two"),
        (b"content-length", b"0"),
        (b"transfer-encoding", b"chunked"),
        (b"sec-websocket-protocol", b""),
    ],
)
def test_what_is_said_twice_or_seldom_is_looked_at_closer(more: tuple[bytes, bytes]) -> None:
    assert plain_handshake(whole([*CHROME, more]), ALLOWED) is None


@pytest.mark.parametrize(
    "key", [b"", KEY[:-1], KEY[:-4], KEY[4:], KEY + b"=", b" " + KEY, KEY + b"\n", b"!" + KEY[1:]]
)
def test_a_key_is_16_bytes(key: bytes) -> None:
    fields = [(name, key if value == KEY else value) for name, value in CHROME]
    assert plain_handshake(whole(fields), ALLOWED) is None


@given(changed)
def test_what_is_taken_is_accepted_as_the_library_would(fields: Fields) -> None:
    answer = plain_handshake(whole(fields), ALLOWED)
    assert answer is None or answer == the_librarys(fields)


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "taken"),
    [
        (None, "http", b"here", True),
        (b"http://here", "http", b"here", True),
        (b"http://here", "https", b"here", False),
        (b"https://here", "https", b"here", True),
        (b"https://here", "https", b"there", False),
        (ORIGIN.encode(), "http", b"here", True),
        (b"null", "http", b"here", False),
        (b"", "http", b"here", False),
    ],
)
def test_a_page_of_another_origin_is_not_let_in(
    origin: bytes | None, scheme: str, host: bytes, *, taken: bool
) -> None:
    fields = [(name, value) for name, value in NO_BROWSER if name != b"host"]
    fields += [(b"host", host), *([] if origin is None else [(b"origin", origin)])]
    answer = plain_handshake(whole(fields)._replace(scheme=scheme), ALLOWED)
    assert (answer is not None) == taken


def whole(fields: Fields) -> Whole:
    return Whole(b"/api/stream", fields, b"", "192.0.2.1", "https")


def the_librarys(fields: Fields) -> Fields | None:
    """What it answers but for the date; None if it refuses."""
    headers = Headers([(name.decode(), value.decode("latin-1")) for name, value in fields])
    response = ServerProtocol(max_size=1).accept(Request("/api/stream", headers))
    if response.status_code != 101:
        return None
    sent = response.headers.raw_items()
    return [(name.encode(), value.encode()) for name, value in sent if name != "Date"]
