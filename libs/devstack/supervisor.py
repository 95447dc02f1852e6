"""
Keeps programs running: started in the order of their needs, restarted when they end, stopped in
the reverse order.

A dead program is started again after a pause that doubles up to 15 s and is forgotten after 30 s
of health. Stopping takes at most 10 s; what has not ended by then is killed.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol

from libs.devstack.errors import StackError
from libs.devstack.programs import Program

READY_SECONDS = 60.0
PROBE_SECONDS = 10.0
PROBE_PAUSE_SECONDS = 0.05
PROBE_PAUSE_GROWTH = 1.3
LONGEST_PROBE_PAUSE_SECONDS = 0.25
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
HEALTHY_SECONDS = 30.0
STOP_SECONDS = 10.0
READ_BYTES = 65_536
MAX_LINE_BYTES = 65_536

State = Literal["waiting", "starting", "ready", "ended", "stopped"]


class Observer(Protocol):
    """Who is told what happens; must return quickly."""

    def output(self, program: Program, line: str) -> None:
        """A program wrote a line."""
        ...

    def notice(self, name: str, text: str) -> None:
        """Something happened to a program."""
        ...

    def changed(self, children: Sequence["Child"]) -> None:
        """Some program's process or state is another one now."""
        ...

    def settled(self) -> None:
        """Every program is ready, or was waited for long enough."""
        ...


@dataclass(eq=False)
class Child:
    """A program and its present process."""

    program: Program
    process: asyncio.subprocess.Process | None = None
    state: State = "waiting"
    restarts: int = 0
    reason: str = ""
    last_line: str = ""
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Runs programs until it is told to stop; `programs` are listed after those they need."""

    def __init__(self, programs: Sequence[Program], observer: Observer) -> None:
        self.children = [Child(program) for program in programs]
        self._by_name = {child.program.name: child for child in self.children}
        self._observer = observer

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, return when everything has ended after `stop`."""
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(child)) for child in self.children]
            keepers.append(group.create_task(self._announce()))
            try:
                await stop.wait()
            finally:
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.gather(*keepers, return_exceptions=True)
                await self._stop_all()

    async def _announce(self) -> None:
        for child in self.children:
            await child.settled.wait()
        self._observer.settled()

    async def _keep(self, child: Child) -> None:
        for name in child.program.after:
            await self._by_name[name].settled.wait()
        loop = asyncio.get_running_loop()
        give_up = loop.call_later(READY_SECONDS, self._settle_anyway, child)
        pause = 0.0
        try:
            while True:
                started = loop.time()
                await self._run_once(child)
                pause = next_pause(pause, lived=loop.time() - started)
                self._observer.notice(
                    child.program.name, f"{child.reason}; starting it again in {pause:g} s"
                )
                await asyncio.sleep(pause)
                child.restarts += 1
        finally:
            give_up.cancel()

    async def _run_once(self, child: Child) -> None:
        """From its start to its end."""
        program = child.program
        try:
            child.process = await asyncio.create_subprocess_exec(
                *program.command, **program.options()
            )
        except OSError as error:
            child.reason = f"cannot be started: {error.strerror}"
            return
        self._change(child, "starting")
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self._watch_readiness(child)),
                group.create_task(self._forward_output(child, child.process)),
            ]
            status = await child.process.wait()
            _kill_group(child.process)
            last_words = f" ({child.last_line})" if program.quiet and child.last_line else ""
            child.reason = f"ended with {_describe(status)}{last_words}"
            self._change(child, "ended")
            for helper in helpers:
                helper.cancel()

    async def _watch_readiness(self, child: Child) -> None:
        told = ""
        pause = PROBE_PAUSE_SECONDS
        while True:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await child.program.ready()
                break
            except StackError as error:
                if str(error) != told:
                    told = str(error)
                    self._observer.notice(child.program.name, told)
                child.reason = told
            except Exception as error:  # noqa: BLE001 - not ready, for whatever reason
                child.reason = str(error) or type(error).__name__
            await asyncio.sleep(pause)
            pause = min(pause * PROBE_PAUSE_GROWTH, LONGEST_PROBE_PAUSE_SECONDS)
        self._change(child, "ready")
        child.settled.set()

    def _settle_anyway(self, child: Child) -> None:
        if not child.settled.is_set():
            self._observer.notice(
                child.program.name,
                f"not ready after {READY_SECONDS:g} s ({child.reason}); going on without it",
            )
            child.settled.set()

    async def _forward_output(self, child: Child, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                text = line.decode("utf-8", "replace").rstrip()
                if text and not (child.program.noise and child.program.noise in text):
                    child.last_line = text
                    self._observer.output(child.program, text)

    async def _stop_all(self) -> None:
        """Level by level; each gets its share of the time, and what earlier ones left over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STOP_SECONDS
        levels = stop_order([child.program for child in self.children])
        for left, level in zip(range(len(levels), 0, -1), levels, strict=True):
            share = max(0.0, deadline - loop.time()) / left
            await asyncio.gather(*(self._stop(self._by_name[name], share) for name in level))

    async def _stop(self, child: Child, seconds: float) -> None:
        process = child.process
        if process is not None and process.returncode is None:
            forwarding = asyncio.gather(
                self._forward_output(child, process), return_exceptions=True
            )
            with suppress(ProcessLookupError):
                process.send_signal(child.program.stop_signal)
            try:
                async with asyncio.timeout(seconds):
                    await process.wait()
            except TimeoutError:
                self._observer.notice(child.program.name, f"killed: not ended in {seconds:.1f} s")
            _kill_group(process)
            await process.wait()
            forwarding.cancel()
        self._change(child, "stopped")

    def _change(self, child: Child, state: State) -> None:
        child.state = state
        self._observer.changed(self.children)


def next_pause(pause: float, *, lived: float) -> float:
    """Seconds until the next start of a program that lived so long, after the last pause."""
    if pause == 0 or lived >= HEALTHY_SECONDS:
        return FIRST_PAUSE_SECONDS
    return min(pause * 2, LONGEST_PAUSE_SECONDS)


def stop_order(programs: Sequence[Program]) -> list[list[str]]:
    """Names by level: first those that nobody needs, last those that need nobody."""
    depth: dict[str, int] = {}
    for program in programs:
        depth[program.name] = 1 + max((depth[name] for name in program.after), default=-1)
    levels: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name, level in depth.items():
        levels[level].append(name)
    return levels[::-1]


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _describe(status: int) -> str:
    return f"exit code {status}" if status >= 0 else signal.Signals(-status).name
