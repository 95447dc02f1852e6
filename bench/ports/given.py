"""A server that somebody else has started, at whatever URL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from bench.contender import Target


@dataclass(frozen=True)
class Given:
    """
    A peer's server; what it spends is counted if the ids of its processes are given.

    `tokens_file` is a JSON object: user to access token.
    """

    post_url: str
    websocket_url: str
    tokens_file: Path
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
        target: Target,  # noqa: ARG002 - the file is the same for every run
        users: Sequence[str],
    ) -> dict[str, str]:
        """The first of the file, as many as are asked for. Raises `ValueError` if it has fewer."""
        known: dict[str, str] = json.loads(self.tokens_file.read_text("utf-8"))
        if len(known) < len(users):
            raise ValueError(f"{self.tokens_file} has {len(known)} tokens, {len(users)} are needed")
        return dict(list(known.items())[: len(users)])

    async def sums(self, target: Target) -> None:
        """Nobody may look into a server that is not ours."""
