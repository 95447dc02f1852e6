"""The supervisor, with small stand-ins for servers and services."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from libs.devstack import supervisor
from libs.devstack.errors import StackError
from libs.devstack.programs import Program
from libs.devstack.supervisor import Child, Supervisor, next_pause, stop_order

DEADLINE_SECONDS = 20
HERE = Path(__file__).parent
RUNS = "import time; time.sleep(600)"
SAYS_GOODBYE = """
import signal, sys, time
def bye(*_):
    print("bye", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, bye)
print("up", flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""


class Recorder:
    """Remembers what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.all_settled = asyncio.Event()
        self._states: dict[str, str] = {}

    def output(self, program: Program, line: str) -> None:
        self.told.append((program.name, line))

    def notice(self, name: str, text: str) -> None:
        self.told.append((name, f"-- {text}"))

    def changed(self, children: Sequence[Child]) -> None:
        for child in children:
            if self._states.get(child.program.name) != child.state:
                self._states[child.program.name] = child.state
                self.told.append((child.program.name, child.state))

    def settled(self) -> None:
        self.all_settled.set()

    async def wait_for(self, name: str, beginning: str) -> None:
        await until(lambda: any(n == name and t.startswith(beginning) for n, t in self.told))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


async def at_once() -> None:
    """A probe that is content."""


def stand_in(name: str, code: str = RUNS, **options: Any) -> Program:
    options = {"ready": at_once, "directory": HERE, **options}
    return Program(name=name, command=(sys.executable, "-c", code), **options)


@asynccontextmanager
async def supervised(*programs: Program) -> AsyncGenerator[tuple[Recorder, Supervisor], None]:
    recorder, stop = Recorder(), asyncio.Event()
    subject = Supervisor(programs, recorder)
    async with asyncio.TaskGroup() as group:
        group.create_task(subject.run(stop))
        try:
            yield recorder, subject
        finally:
            stop.set()


async def test_a_program_waits_for_what_it_needs() -> None:
    asked = 0

    async def ready_the_third_time() -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise ConnectionRefusedError

    first = stand_in("first", ready=ready_the_third_time)

    async with supervised(first, stand_in("second", after=("first",))) as (recorder, _):
        await recorder.wait_for("second", "ready")

    assert recorder.told.index(("first", "ready")) < recorder.told.index(("second", "starting"))


async def test_a_dead_program_is_started_again_after_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)

    async with supervised(stand_in("fails", "raise SystemExit(7)")) as (recorder, subject):
        await recorder.wait_for("fails", "-- ended with exit code 7; starting it again in 0.01 s")
        await recorder.wait_for("fails", "-- ended with exit code 7; starting it again in 0.02 s")

    assert subject.children[0].restarts >= 1


async def test_a_killed_program_comes_back_as_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)

    async with supervised(stand_in("one")) as (recorder, subject):
        await recorder.wait_for("one", "ready")
        process = subject.children[0].process
        assert process is not None
        process.kill()
        await recorder.wait_for("one", "-- ended with SIGKILL")
        await until(lambda: subject.children[0].state == "ready")
        again = subject.children[0].process

    assert again is not None
    assert again.pid != process.pid


async def test_a_program_that_cannot_be_started_does_not_stop_the_others() -> None:
    missing = Program("missing", ("/does/not/exist",), at_once, HERE)

    async with supervised(missing, stand_in("other")) as (recorder, _):
        await recorder.wait_for("missing", "-- cannot be started: No such file")
        await recorder.wait_for("other", "ready")


async def test_what_is_never_ready_holds_nothing_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "READY_SECONDS", 0.2)

    async def never() -> None:
        raise ConnectionRefusedError("nobody there")

    blocked = stand_in("blocked", ready=never)
    async with supervised(blocked, stand_in("next", after=("blocked",))) as (recorder, _):
        await recorder.wait_for("blocked", "-- not ready after 0.2 s (nobody there)")
        await recorder.wait_for("next", "ready")
        async with asyncio.timeout(DEADLINE_SECONDS):
            await recorder.all_settled.wait()


async def test_a_reason_that_a_person_can_act_on_is_told_once() -> None:
    asked = 0

    async def refuses_thrice() -> None:
        nonlocal asked
        asked += 1
        if asked < 4:
            raise StackError("give it a role")

    async with supervised(stand_in("picky", ready=refuses_thrice)) as (recorder, _):
        await recorder.wait_for("picky", "ready")

    assert recorder.told.count(("picky", "-- give it a role")) == 1


async def test_programs_are_stopped_in_the_reverse_order() -> None:
    first = stand_in("first", SAYS_GOODBYE)
    second = stand_in("second", SAYS_GOODBYE, after=("first",))

    async with supervised(first, second) as (recorder, _):
        await recorder.wait_for("first", "up")
        await recorder.wait_for("second", "up")

    goodbyes = [name for name, text in recorder.told if text == "bye"]
    assert goodbyes == ["second", "first"]


async def test_a_program_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)

    async with supervised(stand_in("deaf", STUBBORN)) as (recorder, subject):
        await recorder.wait_for("deaf", "up")
        process = subject.children[0].process

    assert process is not None
    assert process.returncode == -signal.SIGKILL


async def test_noise_is_not_shown_and_a_very_long_line_is_cut() -> None:
    code = "print('weak version of it'); print('x' * 200_000); print('heard')" + f"\n{RUNS}"

    async with supervised(
        stand_in("loud", code, noise="weak version", environment={"PYTHONUNBUFFERED": "1"})
    ) as (recorder, _):
        await recorder.wait_for("loud", "heard")

    lines = [text for name, text in recorder.told if name == "loud"]
    assert not any("weak version" in line for line in lines)
    assert sum(line.count("x") for line in lines) == 200_000


def test_pauses_double_up_to_a_limit_and_are_forgotten_after_health() -> None:
    assert next_pause(0, lived=1) == supervisor.FIRST_PAUSE_SECONDS
    assert next_pause(2, lived=1) == 4
    assert next_pause(12, lived=1) == supervisor.LONGEST_PAUSE_SECONDS
    assert next_pause(12, lived=supervisor.HEALTHY_SECONDS) == supervisor.FIRST_PAUSE_SECONDS


def test_those_that_nobody_needs_stop_first() -> None:
    programs = [
        stand_in("database"),
        stand_in("cache"),
        stand_in("service", after=("database", "cache")),
        stand_in("player", after=("service",)),
    ]

    assert stop_order(programs) == [["player"], ["service"], ["database", "cache"]]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux does so")
def test_killing_the_supervisor_leaves_no_orphan() -> None:
    code = """
import asyncio
from tests.unit.devstack.test_supervisor import Recorder, Supervisor, stand_in
class Loud(Recorder):
    def changed(self, children):
        print(children[0].process.pid, flush=True)
asyncio.run(Supervisor([stand_in("one")], Loud()).run(asyncio.Event()))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _alive(child)
        parent.kill()

    deadline = time.monotonic() + DEADLINE_SECONDS
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
