"""What happens to the replicas: one act every few seconds."""

import asyncio
import random
import signal
import time
from collections import Counter

from libs.common.tasks import spawn
from tests.replicas import Region, Replica

MAX_REPLICAS = 5
STILL_SECONDS = (2.0, 20.0)
LOG_TAIL_CHARACTERS = 2000


class Acts:
    """Starts and ends replicas, and knows which ends were its own."""

    def __init__(self, region: Region, seed: int) -> None:
        self._region = region
        self._random = random.Random(seed)
        self._still: dict[str, float] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self.running: dict[str, Replica] = {}
        self.counted: Counter[str] = Counter()
        self.foreign_exits: list[str] = []

    def join(self) -> str:
        """Start one more under the first free name: sometimes one that the group still knows."""
        name = next(f"r{n}" for n in range(MAX_REPLICAS + 1) if f"r{n}" not in self.running)
        self.running[name] = self._region.start(name)
        return self._did("start", name)

    def act(self) -> str:
        """Do something; one replica at least is left that neither ends nor stands still."""
        self.count_exits()
        self._wake(time.monotonic())
        moving = [name for name in self.running if name not in self._still]
        acts = ["SIGTERM", "SIGKILL", "SIGSTOP"] if len(moving) > 1 else []
        if len(self.running) < MAX_REPLICAS:
            acts += ["start"] * (2 if acts else 1)
        if not acts:  # as many as may be, and all but one stand still
            self._wake(float("inf"))
            return "SIGCONT all"
        act = self._random.choice(acts)
        if act == "start":
            return self.join()
        name = self._random.choice(moving)
        if act == "SIGSTOP":
            self._still[name] = time.monotonic() + self._random.uniform(*STILL_SECONDS)
            self.running[name].send(signal.SIGSTOP)
            return self._did(act, name)
        replica = self.running.pop(name)
        end = replica.kill if act == "SIGKILL" else replica.stop
        spawn(asyncio.to_thread(end), self._stopping, name=f"{act} {name}")
        return self._did(act, name)

    async def settle(self) -> None:
        """All continue, and one more starts: noida-db removes members that are gone at a join."""
        self._wake(float("inf"))
        self.count_exits()
        if self._stopping:
            await asyncio.wait(self._stopping)
        self.join()
        await asyncio.gather(*(replica.ready() for replica in self.running.values()))

    def count_exits(self) -> None:
        """Note who ended though nobody asked for it, with the end of its log."""
        for name in [name for name, r in self.running.items() if r.exit_code is not None]:
            replica = self.running.pop(name)
            self._still.pop(name, None)
            log = replica.log.read_text("utf-8", "replace")[-LOG_TAIL_CHARACTERS:]
            self.foreign_exits.append(f"{name} ended by itself ({replica.exit_code}):\n{log}")

    def _wake(self, now: float) -> None:
        """Continue who has stood still for long enough."""
        for name in [name for name, until in self._still.items() if until <= now]:
            del self._still[name]
            self.running[name].send(signal.SIGCONT)
            self._did("SIGCONT", name)

    def _did(self, act: str, name: str) -> str:
        self.counted[act] += 1
        return f"{act} {name}"
