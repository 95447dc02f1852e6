"""
The smallest contender: `python -m tests.bench.small_contender` takes increments and shows a board.

It prints where, and serves until it is ended. Its ledger and its board are in its memory, and so
nobody may look into them.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.contender import Sums, Target
from tests.bench.load_servers import scoreboard

ROOT = Path(__file__).parents[2]
END_SECONDS = 5.0


class Small:
    """`sums` are what it says that it has kept: nothing that could be compared, by default."""

    name = "small"

    def __init__(self, sums: Sums | None = None) -> None:
        self._sums = sums

    @contextmanager
    def running(self) -> Iterator[Target]:
        command = [sys.executable, "-m", "tests.bench.small_contender"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                post_url, websocket_url = json.loads(process.stdout.readline())
                pids = {"notification": process.pid}
                yield Target(post_url, board_url="", websocket_url=websocket_url, pids=pids)
            finally:
                process.terminate()
                process.wait(END_SECONDS)

    async def tokens(self, target: Target, users: Sequence[str]) -> dict[str, str]:
        return {user: user for user in users}

    async def sums(self, target: Target) -> Sums | None:
        return self._sums


async def serve() -> None:
    async with scoreboard() as (_, post_url, websocket_url):
        print(json.dumps([post_url, websocket_url]), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
