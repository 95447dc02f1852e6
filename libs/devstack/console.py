"""
What the person at the terminal sees: the progress, then one coloured log of all programs.

While all of them start, they wait for each other and say so. That is shown only if one of them does
not get there, or has worse to say; the files have it anyway.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console as Terminal
from rich.text import Text

from libs.common.clock import system_clock
from libs.devstack.lines import readable
from libs.devstack.logfiles import LogFiles
from libs.devstack.programs import Program
from libs.devstack.supervisor import Child

NAME_WIDTH = 12
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta")
MAX_HELD_LINES = 1000
HELD_LEVELS = frozenset({"", "debug", "info", "warning"})
LEVEL_STYLES = {
    "debug": "dim",
    "warning": "yellow",
    "error": "bold red",
    "critical": "bold white on red",
}


class Console:
    """Shows and keeps what programs write; an `Observer` of the supervisor."""

    def __init__(
        self,
        terminal: Terminal,
        files: LogFiles,
        *,
        on_change: Callable[[Sequence[Child]], None],
        on_settled: Callable[[], None],
    ) -> None:
        self._terminal = terminal
        self._files = files
        self._on_change = on_change
        self._on_settled = on_settled
        self._held: deque[Text] | None = deque(maxlen=MAX_HELD_LINES)
        self._colours: dict[str, str] = {}
        self._started: dict[str, float] = {}

    def output(self, program: Program, line: str) -> None:
        name = program.name
        self._files.append(name, line)
        if program.quiet:
            return
        shown = readable(line)
        text = Text.assemble((f"{shown.level:<8} ", LEVEL_STYLES.get(shown.level, "")))
        text.append(shown.text, LEVEL_STYLES.get(shown.level, ""))
        rows = [text, *(Text(row, "dim") for row in shown.traceback.splitlines())]
        lines = [self._line(name, shown.time or _now(), row) for row in rows]
        if self._held is not None and shown.level in HELD_LEVELS:
            self._held.extend(lines)
        else:
            self._show_held()
            self._print(lines)

    def notice(self, name: str, text: str) -> None:
        self._files.append(name, f"-- {text}")
        self._show_held()
        self._print([self._line(name, _now(), Text(f"-- {text}", "bold yellow"))])

    def changed(self, children: Sequence[Child]) -> None:
        for child in children:
            self._report_start(child)
        self._on_change(children)

    def settled(self) -> None:
        self._held = None
        self._on_settled()

    def _report_start(self, child: Child) -> None:
        """One line when a program becomes ready, with how long that took."""
        name = child.program.name
        if child.state == "starting":
            self._started.setdefault(name, time.monotonic())
        elif child.state == "ready" and name in self._started:
            seconds = time.monotonic() - self._started.pop(name)
            port = f" on port {child.program.port}" if child.program.port else ""
            ready = Text(f"ready{port} after {seconds:.1f} s", "bold green")
            self._print([self._line(name, _now(), ready)])

    def _show_held(self) -> None:
        """Something is wrong: from now on all is shown."""
        held, self._held = self._held, None
        self._print(held or ())

    def _line(self, name: str, when: str, text: Text) -> Text:
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        prefix = Text.assemble((f"{when} ", "dim"), (f"{name:<{NAME_WIDTH}} ", colour))
        return prefix + text

    def _print(self, lines: Iterable[Text]) -> None:
        for line in lines:
            self._terminal.print(line, soft_wrap=True, highlight=False)


def _now() -> str:
    return f"{system_clock.now():%H:%M:%S}"
