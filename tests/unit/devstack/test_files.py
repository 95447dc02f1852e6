"""What a stack keeps in its data folder."""

import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.devstack import credentials, leftovers, state
from libs.devstack.errors import StackError
from libs.devstack.logfiles import LogFiles


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    first = credentials.load(tmp_path, ["postgres", "valkey"])
    second = credentials.load(tmp_path, ["postgres", "valkey", "new"])

    assert second["postgres"] == first["postgres"] != first["valkey"]
    assert second["new"]
    assert stat.S_IMODE((tmp_path / credentials.FILE).stat().st_mode) == 0o600


def test_the_state_is_private_and_read_as_written(tmp_path: Path) -> None:
    written = _state(pid=None)

    state.write(tmp_path, written)

    assert state.read(tmp_path) == written
    assert stat.S_IMODE((tmp_path / state.FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [state.FILE]


def test_no_state_and_a_broken_state_are_none(tmp_path: Path) -> None:
    assert state.read(tmp_path) is None
    (tmp_path / state.FILE).write_text('{"pid":')
    assert state.read(tmp_path) is None


def test_a_second_holder_is_told_who_was_first(tmp_path: Path) -> None:
    with state.hold(tmp_path):
        state.write(tmp_path, _state(pid=None))

        with (
            pytest.raises(StackError, match=r"already running .*http://127.0.0.1:8000/"),
            state.hold(tmp_path),
        ):
            pass
        assert state.running(tmp_path).page == "http://127.0.0.1:8000/"


def test_a_state_that_nobody_holds_does_not_count_as_running(tmp_path: Path) -> None:
    with state.hold(tmp_path):
        state.write(tmp_path, _state(pid=None))

    with pytest.raises(StackError, match="live-scoreboard up"):
        state.running(tmp_path)


def test_a_process_left_behind_is_ended() -> None:
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as left:
        assert left.stdout is not None
        # Right after exec the kernel shows no command line yet, and Python may miss a signal.
        left.stdout.readline()
        try:
            assert leftovers.end(_state(left.pid, command)) == ["gateway"]
            assert left.wait(10) in (-signal.SIGINT, 1)
        finally:
            left.kill()


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone() -> None:
    assert leftovers.end(_state(os.getpid(), ["postgres", "-D", "/data"])) == []


def test_a_full_log_file_makes_room_and_keeps_one_predecessor(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, max_bytes=20)
    for line in ("first line", "second line", "third line"):
        files.append("score", line)
    files.close()

    assert (tmp_path / "score.log").read_text() == "third line\n"
    assert (tmp_path / "score.log.1").read_text() == "second line\n"


def _state(pid: int | None, command: list[str] | None = None) -> state.StackState:
    process = state.ProcessState(
        name="gateway",
        pid=pid,
        port=8000,
        url="http://127.0.0.1:8000",
        state="ready",
        restarts=0,
        command=command or ["x"],
    )
    return state.StackState(
        pid=1,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        page="http://127.0.0.1:8000/",
        urls={},
        processes=[process],
    )
