"""
Measurements one after another: what runs is shown, what does not count is said, the rest goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import uvloop
from rich.console import Console
from rich.markup import escape

from bench import machine

# Of an error, which may hold a log: its beginning, and its end.
BEGINNING_CHARACTERS, END_CHARACTERS = 100, 300


T = TypeVar("T")


class Measured(Protocol):
    """What a workload returns; its text is one line for people."""

    @property
    def contender(self) -> str: ...

    def figures(self) -> dict[str, Any]:
        """For a file; units in the names."""
        ...


@dataclass(frozen=True)
class Step:
    """One measurement, and about how long it takes with all its starting and ending."""

    workload: str
    contender: str
    measure: Callable[[], Awaitable[Measured]]
    expected_seconds: float

    @property
    def title(self) -> str:
        return f"{self.workload}: {self.contender}"


@dataclass(frozen=True)
class Run:
    """What a step gave, and what the machine was like meanwhile."""

    workload: str
    contender: str
    figures: dict[str, Any]
    seconds: float
    stolen_share: float
    """Of all CPU time, given by the hypervisor to others."""
    sync_microseconds: float
    """Until 8 kB are on disk, just before."""


@dataclass(frozen=True)
class Outcome:
    """All runs that count, and by title why others do not, or were not tried."""

    runs: list[Run] = field(default_factory=list)
    uncounted: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    interrupted: bool = False


def turns(those: Iterable[T], rounds: int) -> list[T]:
    """A B C, C B A, and so on."""
    those = list(those)
    return [each for n in range(rounds) for each in (those if n % 2 == 0 else those[::-1])]


def conduct(
    steps: Sequence[Step], console: Console, *, limit_seconds: float | None = None
) -> Outcome:
    """Run the steps, none beyond the limit. After Ctrl-C, what was measured until then."""
    outcome = Outcome()
    try:
        uvloop.run(_conduct(steps, console, outcome, limit_seconds))
    except KeyboardInterrupt:
        console.print("stopped; what was started has ended")
        return Outcome(outcome.runs, outcome.uncounted, outcome.skipped, interrupted=True)
    return outcome


async def _conduct(
    steps: Sequence[Step], console: Console, outcome: Outcome, limit_seconds: float | None
) -> None:
    started = time.monotonic()
    expected = sum(step.expected_seconds for step in steps)
    for number, step in enumerate(steps, 1):
        elapsed = time.monotonic() - started
        console.print(
            f"[dim]\\[{number}/{len(steps)}, {clock(elapsed)} of about {clock(expected)}][/] "
            f"{step.title} …"
        )
        left = None if limit_seconds is None else limit_seconds - elapsed
        if left is not None and left < step.expected_seconds:
            why = f"{clock(left)} are left, it takes about {clock(step.expected_seconds)}"
            outcome.skipped.append((step.title, why))
            console.print(f"   skipped: {why}")
            continue
        try:
            run, text = await _measured(step, left)
        except Exception as error:  # noqa: BLE001 - said here and at the end; the rest goes on
            why = _one_line(error)
            outcome.uncounted.append((step.title, why))
            console.print(f"   [red]does not count:[/] {escape(why)}", highlight=False)
        else:
            outcome.runs.append(run)
            console.print(f"   {text}", highlight=False, markup=False)


async def _measured(step: Step, left: float | None) -> tuple[Run, str]:
    sync = machine.sync_microseconds()
    started = time.monotonic()
    stolen, ticks = machine.stolen()
    async with asyncio.timeout(left):
        measured = await step.measure()
    stolen_since, ticks_since = (
        now - then for now, then in zip(machine.stolen(), (stolen, ticks), strict=True)
    )
    run = Run(
        step.workload,
        measured.contender,
        measured.figures(),
        seconds=time.monotonic() - started,
        stolen_share=stolen_since / max(ticks_since, 1),
        sync_microseconds=sync,
    )
    return run, str(measured)


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02}"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, TimeoutError):
        text = text or "it took too long"
    text = text or type(error).__name__
    if len(text) > BEGINNING_CHARACTERS + END_CHARACTERS:
        text = f"{text[:BEGINNING_CHARACTERS]} … {text[-END_CHARACTERS:]}"
    return text
