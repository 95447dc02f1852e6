"""What clients show of themselves, and the fingerprints that the real gateway makes of it."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from services.gateway.domain.fingerprints import Fingerprinter, RawHeaders

START = datetime(2026, 3, 2, 18, tzinfo=UTC)

_CHROME = "Mozilla/5.0 ({os}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0{more}"
_AGENTS = {
    "windows": _CHROME.format(os="Windows NT 10.0; Win64; x64", major="{m}", more=" Safari/537.36"),
    "chromebook": _CHROME.format(os="X11; CrOS x86_64", major="{m}", more=" Safari/537.36"),
    "android": _CHROME.format(os="Linux; Android 10; K", major="{m}", more=" Mobile Safari/537.36"),
    "iphone": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/{m}.1 Mobile/15E148 Safari/604.1",
    "script": "python-requests/{m}.3",
}
_LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.9", "fr-FR,fr;q=0.9", "ja-JP,ja;q=0.9", "pt-BR")


class FixedClock:
    """One period of the key, for the whole trial."""

    def now(self) -> datetime:
        return START

    def monotonic(self) -> float:
        return 0.0


_fingerprint = Fingerprinter("only-for-the-corpus", FixedClock())


@dataclass(frozen=True)
class Client:
    """A program with its headers, somewhere in the net."""

    headers: RawHeaders
    network: str

    @property
    def fingerprint(self) -> str:
        return _fingerprint(self.headers, f"{self.network}.9")

    def moved(self, network: str) -> "Client":
        return Client(self.headers, network)


def client(rng: random.Random, kind: str = "", *, network: str = "") -> Client:
    """Any client, or one of a kind; on a network of its own, or on a given one."""
    kind = kind or rng.choice(("windows", "android", "iphone"))
    agent = _AGENTS[kind].format(m=rng.randint(138, 141))
    headers = [
        (b"host", b"game.example"),
        (b"user-agent", agent.encode()),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, deflate, br"),
    ]
    if kind != "script":
        headers.append((b"accept-language", rng.choice(_LANGUAGES).encode()))
    if kind not in ("script", "iphone"):
        headers.append((b"sec-ch-ua-platform", f'"{kind}"'.encode()))
    return Client(tuple(headers), network or any_network(rng))


def any_network(rng: random.Random) -> str:
    """The first three numbers of an IPv4 address."""
    return f"{rng.randint(11, 200)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}"
