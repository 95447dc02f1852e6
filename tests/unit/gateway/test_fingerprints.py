"""Fingerprints: what changes them, and what does not."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain import fingerprints
from services.gateway.domain.fingerprints import PER_REQUEST, PERIOD, Fingerprinter, RawHeaders

SECRET = "only-for-tests"
ADDRESS = "203.0.113.7"
CHROME = (
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/%b Safari/537.36"
)
BROWSER: RawHeaders = (
    (b"host", b"game.example"),
    (b"content-length", b"22"),
    (b"sec-ch-ua-platform", b'"Windows"'),
    (b"authorization", b"Bearer one"),
    (b"user-agent", CHROME % b"141.0.0.0"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, br"),
    (b"accept-language", b"en"),
    (b"idempotency-key", b"one"),
)


@dataclass
class Clock:
    time: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fingerprint(clock: Clock) -> Fingerprinter:
    return Fingerprinter(SECRET, clock)


def changed(name: bytes, value: bytes) -> RawHeaders:
    """The browser with another value of one header; a new header comes last."""
    known = [(n, value if n == name else v) for n, v in BROWSER]
    return known if name in dict(BROWSER) else [*known, (name, value)]


def test_it_is_32_hex_digits(fingerprint: Fingerprinter) -> None:
    assert len(bytes.fromhex(fingerprint(BROWSER, ADDRESS))) == 16


@pytest.mark.parametrize("name", sorted(PER_REQUEST))
def test_what_varies_with_the_request_changes_nothing(
    fingerprint: Fingerprinter, name: bytes
) -> None:
    assert fingerprint(changed(name, b"another"), ADDRESS) == fingerprint(BROWSER, ADDRESS)


def test_what_every_request_has_anew_is_among_it() -> None:
    assert (
        set(
            b"action-grant authorization content-length cookie idempotency-key traceparent "
            b"x-forwarded-for x-request-id".split()
        )
        <= PER_REQUEST
    )


@given(st.lists(st.tuples(st.sampled_from(sorted(PER_REQUEST)), st.binary(max_size=40))))
def test_nor_do_any_of_them_together_wherever_they_stand(extra: list[tuple[bytes, bytes]]) -> None:
    fingerprint = Fingerprinter(SECRET, Clock())
    varied = [*extra[::2], *BROWSER, *extra[1::2]]

    assert fingerprint(varied, ADDRESS) == fingerprint(BROWSER, ADDRESS)


def test_a_minor_update_of_the_browser_changes_nothing_a_major_one_does(
    fingerprint: Fingerprinter,
) -> None:
    before = fingerprint(BROWSER, ADDRESS)

    assert fingerprint(changed(b"user-agent", CHROME % b"141.0.7390.54"), ADDRESS) == before
    assert fingerprint(changed(b"user-agent", CHROME % b"142.0.0.0"), ADDRESS) != before


@pytest.mark.parametrize(
    "shown",
    [
        changed(b"user-agent", b"python-requests/2.32"),
        changed(b"user-agent", b""),
        changed(b"accept", b"application/json"),
        changed(b"accept-language", b"de"),
        changed(b"accept-encoding", b"gzip"),
        changed(b"sec-ch-ua-platform", b'"Linux"'),
        changed(b"x-new-name", b"1"),
        [*BROWSER[:-4], *BROWSER[-3:]],
        BROWSER[::-1],
        [],
    ],
)
def test_what_a_client_shows_changes_the_first_half_only(
    fingerprint: Fingerprinter, shown: RawHeaders
) -> None:
    before, after = fingerprint(BROWSER, ADDRESS), fingerprint(shown, ADDRESS)

    assert after[:16] != before[:16]
    assert after[16:] == before[16:]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.7", "203.0.113.250"),
        ("203.0.113.7", "::ffff:203.0.113.7"),
        ("2001:db8:5::1", "2001:db8:5:ffff::9"),
    ],
)
def test_one_network_is_one_half(fingerprint: Fingerprinter, one: str, other: str) -> None:
    assert fingerprint(BROWSER, one) == fingerprint(BROWSER, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.7", "203.0.112.7"),
        ("2001:db8:5::1", "2001:db8:6::1"),
        ("203.0.113.7", ""),
        ("one.sock", "two.sock"),
    ],
)
def test_another_network_changes_the_second_half_only(
    fingerprint: Fingerprinter, one: str, other: str
) -> None:
    before, after = fingerprint(BROWSER, one), fingerprint(BROWSER, other)

    assert after[:16] == before[:16]
    assert after[16:] != before[16:]


def test_only_a_trusted_edge_is_believed_about_the_handshake(clock: Clock) -> None:
    trusting = Fingerprinter(SECRET, clock, ja4_header="X-JA4")
    doubting = Fingerprinter(SECRET, clock)
    one, other = changed(b"x-ja4", b"t13d1516h2"), changed(b"x-ja4", b"t13d1517h2")

    assert trusting(one, ADDRESS) != trusting(other, ADDRESS)
    assert doubting(one, ADDRESS) == doubting(other, ADDRESS)


def test_the_key_turns_after_thirty_days_and_the_clock_finds_the_old_one(
    clock: Clock, fingerprint: Fingerprinter
) -> None:
    before = fingerprint(BROWSER, ADDRESS)
    clock.time += PERIOD
    after = fingerprint(BROWSER, ADDRESS)

    assert before[:16] != after[:16]
    assert before[16:] != after[16:]
    looking_back = Fingerprinter(SECRET, replace(clock, time=clock.time - PERIOD))
    assert looking_back(BROWSER, ADDRESS) == before
    # A clock that is set back is believed, too.
    clock.time -= PERIOD
    assert fingerprint(BROWSER, ADDRESS) == before


def test_it_holds_for_a_whole_period(clock: Clock, fingerprint: Fingerprinter) -> None:
    clock.time = datetime(1970, 1, 1, tzinfo=UTC) + 700 * PERIOD
    first = fingerprint(BROWSER, ADDRESS)
    clock.time += PERIOD - timedelta(microseconds=1)

    assert fingerprint(BROWSER, ADDRESS) == first


def test_without_the_secret_it_cannot_be_told(clock: Clock, fingerprint: Fingerprinter) -> None:
    other = Fingerprinter("another", clock)(BROWSER, ADDRESS)

    assert other[:16] != fingerprint(BROWSER, ADDRESS)[:16]
    assert other[16:] != fingerprint(BROWSER, ADDRESS)[16:]


def test_more_clients_than_are_remembered_keep_their_fingerprints(
    monkeypatch: pytest.MonkeyPatch, fingerprint: Fingerprinter
) -> None:
    monkeypatch.setattr(fingerprints, "CACHED_CLIENTS", 4)
    clients = [changed(b"accept-language", b"x-%d" % number) for number in range(20)]

    first = [fingerprint(client, ADDRESS) for client in clients]
    assert len(set(first)) == 20
    assert [fingerprint(client, ADDRESS) for client in clients] == first
