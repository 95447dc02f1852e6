"""A server that somebody else has started, at whatever URL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bench.contender import DoesNotCount, Target


@dataclass(frozen=True)
class Given:
    """
    A peer's server; what it spends is counted if the ids of its processes are given: these are then
    kept on the core of the contenders, as the others are.

    `known_tokens` are users and their access tokens. Without a URL for streams there are none.
    """

    post_url: str
    known_tokens: Mapping[str, str] = field(repr=False)
    websocket_url: str = ""
    events_url: str | None = None
    board_url: str = ""
    pids: Mapping[str, int] = field(default_factory=dict)
    name: str = "given"

    @contextmanager
    def running(self) -> Iterator[Target]:
        """Nothing is started, and nothing is ended."""
        yield Target(
            post_url=self.post_url,
            board_url=self.board_url or urljoin(self.post_url, "/api/leaderboard"),
            websocket_url=self.websocket_url,
            events_url=self.events_url,
            pids=self.pids,
        )

    async def tokens(
        self,
        target: Target,  # noqa: ARG002 - they are the same for every run
        users: Sequence[str],
    ) -> dict[str, str]:
        """The first that are known, as many as are asked for. Raises `DoesNotCount` if too few."""
        known = self.known_tokens
        if len(known) < len(users):
            raise DoesNotCount(f"{len(known)} tokens were given, {len(users)} are needed")
        return dict(list(known.items())[: len(users)])

    async def sums(self, target: Target) -> None:
        """Nobody may look into a server that is not ours."""


def url_of(text: str, *schemes: str) -> str:
    """A URL with one of these schemes. Raises `ValueError`, in one line."""
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"{text!r} is no URL that begins with {' or '.join(schemes)}://")
    return text


def tokens_of(file: Path) -> dict[str, str]:
    """What a file with a JSON object of users and tokens holds. Raises `ValueError`."""
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read as JSON: {error}") from None
    if not (known and isinstance(known, dict) and all(isinstance(t, str) for t in known.values())):
        raise ValueError(f'{file} must hold a JSON object: {{"user": "access token", …}}')
    return known


def pid_of(text: str) -> tuple[str, int]:
    """`name=pid` of a process that runs here. Raises `ValueError`."""
    name, _, number = text.partition("=")
    if not (name and number.isdecimal() and Path("/proc", number).exists()):
        raise ValueError(f"{text!r} is not name=pid of a process that runs here")
    return name, int(number)
