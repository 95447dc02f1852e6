"""The load generator as a process of its own, on a core of its own."""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Collection, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from signal import Signals

from bench.contender import DoesNotCount
from bench.load import orders
from bench.load.crowd import PROBES, Watched
from bench.load.posted import Posted
from bench.load.screen import Shown

START_AND_STOP_SECONDS = 90.0


class GeneratorFailed(DoesNotCount):
    """It printed no figures; the text says what it printed instead."""


async def post(
    url: str,
    tokens: Mapping[str, str],
    *,
    connections: int,
    seconds: float,
    on: Collection[int],
    rate: float = 0,
    seed: int = 1,
) -> Posted:
    """Post for some seconds, at `rate` a second or (0) in a closed loop. `on`: its cores."""
    with _kept(tokens) as file:
        printed = await _run(
            *("posts", "--url", url, "--tokens", file, "--json"),
            *("--connections", str(connections), "--seconds", str(seconds)),
            *("--rate", str(rate), "--seed", str(seed)),
            on=on,
            seconds=seconds,
        )
    return Posted.model_validate_json(printed)


async def screen(
    url: str,
    stream: str,
    tokens: Mapping[str, str],
    *,
    rate: float,
    seconds: float,
    on: Collection[int],
    beside: float = 0.0,
    leaders: int = 1,
    watchers: int = PROBES,
    connections: int = 16,
) -> Shown:
    """As `bench.load.screen.on_screen`, with these watchers as probes. `on`: its cores."""
    with _kept(tokens) as file:
        printed = await _run(
            *("screen", "--url", url, "--stream", stream, "--tokens", file, "--json"),
            *("--rate", str(rate), "--beside", str(beside), "--leaders", str(leaders)),
            *("--watchers", str(watchers), "--connections", str(connections)),
            *("--seconds", str(seconds)),
            on=on,
            seconds=seconds,
        )
    return Shown.model_validate_json(printed)


class Watching:
    """Watchers in a process of their own; `first` is how they were when all had a board."""

    first: Watched

    def __init__(self, process: Process) -> None:
        self._process = process

    async def now(self) -> Watched:
        """What they have seen until now."""
        return await self._ordered(orders.SHOW)

    async def cut(self, seconds: float) -> Watched:
        """Cut all off at once; how they are when all have come back. Raises `GeneratorFailed`."""
        try:
            async with asyncio.timeout(seconds):
                return await self._ordered(orders.CUT)
        except TimeoutError as error:
            raise GeneratorFailed(f"not all were back after {seconds:g} s") from error

    async def read(self) -> Watched:
        """The next line. Raises `GeneratorFailed`."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise GeneratorFailed(_end_of(await self._process.stderr.read()))
        return Watched.model_validate_json(line)

    async def _ordered(self, order: Signals) -> Watched:
        self._process.send_signal(order)
        return await self.read()


@asynccontextmanager
async def watch(
    url: str,
    *,
    count: int,
    seconds: float,
    on: Collection[int],
    probes: int = PROBES,
    stuck: int = 0,
) -> AsyncGenerator[Watching, None]:
    """So many watchers while the block runs, at most for so long. `on`: their cores."""
    process = await _start(
        *("watch", "--url", url, "--count", str(count), "--json", "--seconds", str(seconds)),
        *("--probes", str(probes), "--stuck", str(stuck)),
        on=on,
    )
    crowd = Watching(process)
    try:
        async with asyncio.timeout(seconds + START_AND_STOP_SECONDS):
            crowd.first = await crowd.read()
            yield crowd
            process.terminate()
            await process.communicate()
    finally:
        await _end(process)


@contextmanager
def _kept(tokens: Mapping[str, str]) -> Generator[str]:
    """The name of a file with these tokens."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(dict(tokens), file)
        file.flush()
        yield file.name


async def _start(*arguments: str, on: Collection[int]) -> Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(process.pid, on)
    return process


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _run(*arguments: str, on: Collection[int], seconds: float) -> bytes:
    process = await _start(*arguments, on=on)
    try:
        async with asyncio.timeout(seconds + START_AND_STOP_SECONDS):
            printed, errors = await process.communicate()
    finally:
        await _end(process)
    if process.returncode:
        raise GeneratorFailed(_end_of(errors))
    return printed


def _end_of(errors: bytes) -> str:
    return errors.decode(errors="replace")[-1000:]
