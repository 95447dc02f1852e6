"""
The fingerprint of a client: keyed hashes of what it shows of itself, and of the network it is in.

It does not change with what varies from request to request, and tells nothing to whoever has not
the secret. The key turns every 30 days, so that nobody is followed for longer: it is derived from
the secret and the number of the period, so a `Fingerprinter` whose clock stands in an earlier
period finds what a client had then. Forgetting for good means changing the secret.
"""

import hmac
import re
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from libs.common.clock import Clock, system_clock

PERIOD = timedelta(days=30)
HALF_BYTES = 8
CACHED_CLIENTS = 20_000
CACHED_ADDRESSES = 20_000
MAX_AGENT_BYTES = 512
IPV4_PREFIX_BYTES = 3  # /24
IPV6_PREFIX_BYTES = 6  # /48

# What a client sends now and then, or differently each time; and what is added on the way to us.
PER_REQUEST = frozenset(
    b"action-grant authorization baggage cache-control content-length cookie forwarded "
    b"idempotency-key if-none-match pragma referer traceparent tracestate transfer-encoding via "
    b"x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip "
    b"x-request-id".split()
)
SHOWN = (b"accept", b"accept-language", b"accept-encoding", b"sec-ch-ua-platform")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRODUCT = re.compile(rb"([A-Za-z][\w.-]*)/(\d+)")

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names in lower case and values, in the order of the request: ASGI's `scope["headers"]`."""


class Fingerprinter:
    """
    32 hex digits for a request: 16 for the client, 16 for its /24 (IPv4) or /48 (IPv6).

    `ja4_header` names the header in which a trusted edge, which strips it from what clients send,
    writes the JA4 of their TLS handshake; empty: no edge is trusted with that.
    """

    def __init__(self, secret: str, clock: Clock = system_clock, ja4_header: str = "") -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._ja4 = ja4_header.lower().encode()
        self._clients: OrderedDict[int, str] = OrderedDict()
        self._network = lru_cache(CACHED_ADDRESSES)(self._network_half)
        self._begins = self._ends = _EPOCH

    def __call__(self, headers: RawHeaders, address: str) -> str:
        """`address` is the client's, as the first trusted hop saw it."""
        now = self._clock.now()
        if not self._begins <= now < self._ends:
            self._turn_key(now)
        shown = tuple([header for header in headers if header[0] not in PER_REQUEST])
        # By its hash, 8 bytes: what a client shows may be large, and is nobody's business later.
        seen = hash(shown)
        client = self._clients.get(seen)
        if client is None:
            client = self._clients[seen] = self._client_half(shown)
            if len(self._clients) > CACHED_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(seen)
        return client + self._network(address)

    def _turn_key(self, now: datetime) -> None:
        period = (now - _EPOCH) // PERIOD
        self._begins = _EPOCH + period * PERIOD
        self._ends = self._begins + PERIOD
        self._key = hmac.digest(self._secret, b"fingerprint %d" % period, "sha256")
        self._clients.clear()
        self._network.cache_clear()

    def _client_half(self, headers: RawHeaders) -> str:
        values = dict(headers)
        parts = [
            values.get(self._ja4, b"") if self._ja4 else b"",
            _products(values.get(b"user-agent", b"")),
            b",".join(name for name, _ in headers),
            *(values.get(name, b"") for name in SHOWN),
        ]
        # No value of a header has a line break in it.
        return self._half(b"client\n" + b"\n".join(parts))

    def _network_half(self, address: str) -> str:
        return self._half(b"network\n" + _prefix(address))

    def _half(self, text: bytes) -> str:
        return hmac.digest(self._key, text, "sha256")[:HALF_BYTES].hex()


def _products(agent: bytes) -> bytes:
    """Families and majors: `Mozilla/5 AppleWebKit/537 Chrome/141 Safari/537`; no minor, no OS."""
    return b" ".join(b"%b/%b" % found for found in _PRODUCT.findall(agent[:MAX_AGENT_BYTES]))


def _prefix(address: str) -> bytes:
    try:
        ip = ip_address(address)
    except ValueError:
        return address.encode()  # no network: a socket of this machine
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return ip.packed[:IPV6_PREFIX_BYTES]
        ip = ip.ipv4_mapped
    return ip.packed[:IPV4_PREFIX_BYTES]
