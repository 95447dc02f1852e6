"""
What a process takes of its machine, as the kernel says (Linux), and what it says of itself.

Memory is the anonymous resident memory of a process and of everything below it: what a leak grows,
without the code and the files that the kernel keeps for it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench import cpu
from libs.devstack import state
from tests.stack import RunningStack

MEGABYTE = 2**20
KILOBYTE = 2**10

_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB", re.M)
_THREADS = re.compile(r"^Threads:\s+(\d+)", re.M)


@dataclass(frozen=True)
class Vitals:
    """One process and its children at one moment."""

    pid: int
    memory_bytes: int
    descriptors: int
    threads: int

    @property
    def megabytes(self) -> float:
        return self.memory_bytes / MEGABYTE


def read(pid: int) -> Vitals:
    """What the kernel knows; nothing of a process that is gone."""
    members = list(family(pid))
    statuses = [_status(member) for member in members]
    return Vitals(
        pid,
        memory_bytes=sum(_number(_ANONYMOUS, text) for text in statuses) * KILOBYTE,
        descriptors=sum(_descriptors(member) for member in members),
        threads=sum(_number(_THREADS, text) for text in statuses),
    )


def of_stack(stack: RunningStack) -> dict[str, Vitals]:
    """By name, of the processes that run now."""
    return {name: read(pid) for name, pid in pids(stack).items()}


def pids(stack: RunningStack) -> dict[str, int]:
    """By name, of the processes that run now."""
    processes = state.running(stack.data_dir).processes
    return {process.name: process.pid for process in processes if process.pid}


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for child in cpu.children(pid):
        yield from family(child)


async def metrics(url: str, names: Iterable[str]) -> Mapping[str, float]:
    """What `/metrics` of a service at `url` says under these names, over all labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    return {
        name: sum(map(float, re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", text, re.M)))
        for name in names
    }


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _number(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(found[1]) if found else 0
