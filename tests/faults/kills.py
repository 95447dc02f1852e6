"""
Every process is killed under load, over and over, by chance and where it hurts most.

After every twenty kills or so the load stops for a verdict, so that a violation is near its cause.
The stack's own supervisor starts again what was killed. What that costs (a pause of half a second,
and a longer one for whom it started less than 30 s ago) is part of what is reported.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random, getrandbits

from rich.console import Console

from tests.embedded import temporary_folder
from tests.faults.arming import Armory
from tests.faults.kill_rows import Chapter, Kill, rows
from tests.faults.recovery import recovery
from tests.faults.report import Row
from tests.faults.victims import NeverFired, Victims, order
from tests.oracle.trial import Places, Trial, trial
from tests.stack import UNLIMITED, RunningStack, running_stack

ABOUT = "SIGKILL for every service, the broker, Valkey and PostgreSQL, under load"
COUNT = 200

KILLS_PER_CHAPTER = 20
INCREMENTS_PER_SECOND = 150
SHORTEST_PEACE_SECONDS, LONGEST_PEACE_SECONDS = 0.2, 1.5
RECOVERY_SECONDS = 120.0
PATIENCE_SECONDS = 60.0
AUDIT_SECONDS = 2
ENVIRONMENT = {**UNLIMITED, "AUDIT_SECONDS": str(AUDIT_SECONDS)}


@dataclass(frozen=True)
class Campaign:
    """Kills and judges; the same `chance` makes the same choices."""

    stack: RunningStack
    victims: Victims
    chance: Random
    console: Console

    async def run(self, count: int) -> list[Chapter]:
        """Kill at least so many processes, unless there is trouble before."""
        ways = order(self.victims.ways, self.chance)
        chapters: list[Chapter] = []
        # One trial for all: new users would never pass those of an earlier one, and no screen move.
        async with trial(Places.of(self.stack), rate=INCREMENTS_PER_SECOND) as work:
            while (left := count - sum(chapter.deaths for chapter in chapters)) > 0:
                chapters.append(await self._chapter(ways, min(left, KILLS_PER_CHAPTER), work))
                if chapters[-1].troubles:
                    break
                work.resume()
        return chapters

    async def _chapter(self, ways: Iterator[Sequence[str]], count: int, work: Trial) -> Chapter:
        """At least so many kills, and the verdict."""
        kills: list[Kill] = []
        troubles: list[str] = []
        while sum(len(kill.deaths) for kill in kills) < count and not troubles:
            chosen = next(ways)
            try:
                kills.append(await self._kill(chosen, work))
            except NeverFired:
                troubles.append(f"never fired: {chosen}")
            except TimeoutError:
                troubles.append(f"stuck: {RECOVERY_SECONDS:g} s after {chosen}")
        verdict = await work.verdict(patience_seconds=PATIENCE_SECONDS)
        troubles += [f"{broken.promise}: {broken.what}" for broken in verdict.violations]
        chapter = Chapter(kills, verdict, troubles)
        self._say(f"{chapter.deaths} kills: {verdict}")
        if troubles:
            self._keep_evidence(chapter)
        return chapter

    async def _kill(self, ways: Sequence[str], work: Trial) -> Kill:
        """Kill one way, or several processes at once; wait until all is well again."""
        await asyncio.sleep(self.chance.uniform(SHORTEST_PEACE_SECONDS, LONGEST_PEACE_SECONDS))
        if len(ways) == 1:
            deaths = await self.victims.kill(ways[0])
        else:
            deaths = [self.victims.kill_now(process) for process in ways]
        async with asyncio.timeout(RECOVERY_SECONDS):
            seconds = await recovery(work, self.victims.all_replaced(deaths))
        kill = Kill(tuple(ways), deaths, seconds)
        self._say(f"  {kill}")
        return kill

    def _keep_evidence(self, chapter: Chapter) -> None:
        folder = Path(tempfile.mkdtemp(prefix="live-scoreboard-violation-"))
        shutil.copytree(self.stack.data_dir / "logs", folder / "logs")
        story = [*map(str, chapter.kills), *chapter.troubles]
        (folder / "kills.txt").write_text("\n".join(story))
        for trouble in chapter.troubles:
            self._say(f"  {trouble}")
        self._say(f"  the kills before it, and all logs: {folder}")

    def _say(self, what: str) -> None:
        self.console.print(what, highlight=False, markup=False, soft_wrap=True)


async def run(count: int, console: Console) -> list[Row]:
    """On the embedded stack, whose broker keeps nothing across its death."""
    with temporary_folder() as folder:
        armory = Armory(folder)
        with running_stack({**ENVIRONMENT, **armory.environment}) as stack:
            victims, chance = Victims(stack, armory), Random(getrandbits(32))
            chapters = await Campaign(stack, victims, chance, console).run(count)
    return rows(chapters, "kills")
