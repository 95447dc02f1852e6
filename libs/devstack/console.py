"""What the person at the terminal sees: one coloured log of all programs, and the progress."""

import time
from collections.abc import Callable, Sequence

from rich.console import Console as Terminal
from rich.text import Text

from libs.common.clock import system_clock
from libs.devstack.lines import readable
from libs.devstack.logfiles import LogFiles
from libs.devstack.programs import Program
from libs.devstack.supervisor import Child

NAME_WIDTH = 12
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta")
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
        self._print(name, shown.time or _now(), text)
        for row in shown.traceback.splitlines():
            self._print(name, shown.time or _now(), Text(row, "dim"))

    def notice(self, name: str, text: str) -> None:
        self._files.append(name, f"-- {text}")
        self._print(name, _now(), Text(f"-- {text}", "bold yellow"))

    def changed(self, children: Sequence[Child]) -> None:
        for child in children:
            self._report_start(child)
        self._on_change(children)

    def settled(self) -> None:
        self._on_settled()

    def _report_start(self, child: Child) -> None:
        """One line when a program becomes ready, with how long that took."""
        name = child.program.name
        if child.state == "starting":
            self._started.setdefault(name, time.monotonic())
        elif child.state == "ready" and name in self._started:
            seconds = time.monotonic() - self._started.pop(name)
            port = f" on port {child.program.port}" if child.program.port else ""
            self._print(name, _now(), Text(f"ready{port} after {seconds:.1f} s", "bold green"))

    def _print(self, name: str, when: str, text: Text) -> None:
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        prefix = Text.assemble((f"{when} ", "dim"), (f"{name:<{NAME_WIDTH}} ", colour))
        self._terminal.print(prefix + text, soft_wrap=True, highlight=False)


def _now() -> str:
    return f"{system_clock.now():%H:%M:%S}"
