"""While programs start, they wait for each other: only what is wrong is worth a line."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from libs.devstack.console import Console
from libs.devstack.logfiles import LogFiles
from libs.devstack.programs import Program


async def never() -> None:
    """A program that is not asked whether it is ready."""


AUTH = Program("auth", ("auth",), never, Path())


def line(event: str, level: str) -> str:
    return json.dumps({"event": event, "level": level, "timestamp": "2026-01-01T10:20:30Z"})


class Shown:
    """A console, and what it showed."""

    def __init__(self, files: LogFiles) -> None:
        self._text = io.StringIO()
        terminal = Terminal(file=self._text, width=200)
        self.console = Console(terminal, files, on_change=lambda _: None, on_settled=lambda: None)

    @property
    def events(self) -> list[str]:
        """The last word of each line."""
        return [row.split()[-1] for row in self._text.getvalue().splitlines()]


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    files = LogFiles(tmp_path)
    yield Shown(files)
    files.close()


def test_a_start_that_goes_well_is_not_told_at_length(shown: Shown, tmp_path: Path) -> None:
    shown.console.output(AUTH, line("waits", "warning"))
    shown.console.output(AUTH, "a plain line")
    shown.console.settled()
    shown.console.output(AUTH, line("later", "info"))

    assert shown.events == ["later"]
    assert "waits" in (tmp_path / "auth.log").read_text("utf-8")


@pytest.mark.parametrize("wrong", ["an error", "a notice"])
def test_what_came_before_something_wrong_is_shown_before_it(shown: Shown, wrong: str) -> None:
    shown.console.output(AUTH, line("first", "info"))
    shown.console.output(AUTH, line("second", "warning"))
    if wrong == "an error":
        shown.console.output(AUTH, line("broken", "error"))
    else:
        shown.console.notice("auth", "broken")
    shown.console.output(AUTH, line("after", "info"))

    assert shown.events == ["first", "second", "broken", "after"]
