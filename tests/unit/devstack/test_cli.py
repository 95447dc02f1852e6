"""What `live-scoreboard` says when it cannot do what was asked: one line, and an exit code."""

import sys
from pathlib import Path

import pytest

from libs.devstack import cli, state


def say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["live-scoreboard", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.app()
    code = ended.value.code
    assert isinstance(code, int)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["status"], 1, "start it with `live-scoreboard up`"),
        (["token", "--user", "alice"], 1, "start it with `live-scoreboard up`"),
        (["reset", "--yes"], 1, "there is no stack in"),
        (["up", "--port-base", "80"], 2, "--port-base"),
        (["up", "--nonsense"], 2, "--nonsense"),
        (["token"], 2, "user"),
        (["dance"], 2, "dance"),
        (["migrate"], 2, "DATABASE_URL, AUTH_DB_PASSWORD, SCORE_DB_PASSWORD"),
        (["topics"], 2, "KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)

    ended, said = say(capsys, monkeypatch, *arguments)

    assert ended == code
    assert words in said
    assert said.count("\n") == 1


def test_a_database_that_does_not_answer_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/x")
    monkeypatch.setenv("AUTH_DB_PASSWORD", "a")
    monkeypatch.setenv("SCORE_DB_PASSWORD", "b")

    code, said = say(capsys, monkeypatch, "migrate")

    assert code == 1
    assert "PostgreSQL at 127.0.0.1:1" in said
    assert "secret" not in said
    assert said.count("\n") == 1


def test_data_in_use_are_not_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with state.hold(tmp_path):
        code, said = say(capsys, monkeypatch, "reset", "--yes", "--data-dir", str(tmp_path))

    assert code == 1
    assert "running" in said or "starting" in said
    assert tmp_path.exists()


def test_reset_deletes_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    (folder / "postgres" / "cluster").mkdir(parents=True)
    (folder / state.LOCK).touch()

    code, _ = say(capsys, monkeypatch, "reset", "--yes", "--data-dir", str(folder))

    assert code == 0
    assert not folder.exists()
