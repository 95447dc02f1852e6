"""The load generator as a process of its own, on a core of its own."""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager

from bench.load.crowd import Watched
from bench.load.posted import Posted

START_AND_STOP_SECONDS = 60.0


class GeneratorFailed(Exception):
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
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(dict(tokens), file)
        file.flush()
        printed = await _run(
            *("posts", "--url", url, "--tokens", file.name, "--json"),
            *("--connections", str(connections), "--seconds", str(seconds)),
            *("--rate", str(rate), "--seed", str(seed)),
            on=on,
            seconds=seconds,
        )
    return Posted.model_validate_json(printed)


class Watching:
    """Watchers in a process of their own: as they were when all had a board, and at the end."""

    first: Watched
    last: Watched


@asynccontextmanager
async def watch(
    url: str, *, count: int, seconds: float, on: Collection[int]
) -> AsyncGenerator[Watching, None]:
    """So many watchers while the block runs, at most for so long. `on`: their cores."""
    process = await _start(
        "watch", "--url", url, "--count", str(count), "--json", "--seconds", str(seconds), on=on
    )
    crowd = Watching()
    try:
        async with asyncio.timeout(seconds + START_AND_STOP_SECONDS):
            crowd.first = await _watched(process)
            yield crowd
            process.terminate()
            crowd.last = await _watched(process)
            await process.wait()
    finally:
        await _end(process)


async def _watched(process: Process) -> Watched:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise GeneratorFailed((await process.stderr.read()).decode(errors="replace")[-1000:])
    return Watched.model_validate_json(line)


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
        raise GeneratorFailed(errors.decode(errors="replace")[-1000:])
    return printed
