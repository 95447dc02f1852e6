"""A server of somebody else's, and what is said of it on the command line."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.__main__ import commands
from bench.contender import Contender, DoesNotCount
from bench.ports.given import Given, pid_of, tokens_of, url_of
from bench.workloads import increments

URL = "http://peer:1/api/scores"


def bench(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(commands, [*words, "ledger", "--help"])
    return answer.exit_code, " ".join(answer.output.replace("│", " ").split())


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.json"
    file.write_text('{"alice": "token-a", "bob": "token-b"}', "utf-8")
    return file


async def test_it_has_the_tokens_of_its_file(tokens: Path) -> None:
    given: Contender = Given(URL, tokens_of(tokens))

    with given.running() as target:
        assert target.board_url == "http://peer:1/api/leaderboard"
        assert not target.pids
        assert await given.tokens(target, ["anybody"]) == {"alice": "token-a"}
        with pytest.raises(DoesNotCount, match="2 tokens were given, 3 are needed"):
            await given.tokens(target, ["any", "three", "users"])
        assert await given.sums(target) is None


async def test_without_enough_users_nothing_is_measured(tokens: Path) -> None:
    with pytest.raises(DoesNotCount, match="1000 are needed"):
        await increments.measure(Given(URL, tokens_of(tokens)), seconds=1.0)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"alice": 1}', "{"])
def test_a_file_without_tokens_is_refused_in_a_line(content: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"tokens\.json") as refused:
        tokens_of(file)
    assert "\n" not in str(refused.value)


def test_a_process_is_named_and_runs_here() -> None:
    assert pid_of(f"gateway={os.getpid()}") == ("gateway", os.getpid())
    for wrong in ("17", "gateway=", "gateway=x", "=17", "gateway=999999999"):
        with pytest.raises(ValueError, match="name=pid"):
            pid_of(wrong)


def test_a_url_has_a_scheme_that_fits() -> None:
    assert url_of("ws://peer/stream", "ws") == "ws://peer/stream"
    for wrong in ("peer:1", "http://", "https://peer"):
        with pytest.raises(ValueError, match="http://"):
            url_of(wrong, "http")


def test_it_takes_part_beside_the_others(tokens: Path) -> None:
    code, _ = bench("--url", URL, "--tokens", str(tokens), "--only", "given")

    assert code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", URL], "both --url and --tokens"),
        (["--url", "peer", "--tokens", "TOKENS"], "no URL that begins with http://"),
        (["--url", URL, "--tokens", "TOKENS", "--pid", "1x"], "name=pid"),
        (["--url", URL, "--tokens", "TOKENS", "--websocket", URL], "begins with ws://"),
        (["--url", URL, "--tokens", "TOKENS", "--name", "naive"], "is one of ours"),
        (["--url", URL, "--tokens", "missing.json"], "cannot be read"),
        (["--only", "theirs"], "theirs is none of ours, competent, naive"),
    ],
)
def test_a_mistake_is_one_clear_line(words: list[str], said: str, tokens: Path) -> None:
    code, output = bench(*(word.replace("TOKENS", str(tokens)) for word in words))

    assert code == 2
    assert said in output
