"""
Our generator beside wrk: the same requests to the same server, in turn (wrk, ours, ours, wrk).

Both run as processes of their own and use one core. wrk is C; what it sends is one text, ours has
a user, a key and points of its own in each request.
"""

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.table import Table

from bench import cpu
from bench.load.answering import HOST
from bench.load.posted import Posted

ROOT = Path(__file__).parents[2]
USERS = 1000
TOKEN_CHARACTERS = 600  # about as long as an access token
END_SECONDS = 5.0
SLACK_SECONDS = 30.0

_SCRIPT = """
wrk.method = "POST"
wrk.body = '{"score_increment":1}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
wrk.headers["Idempotency-Key"] = "00000000000000000000000000000000"
"""
_DONE = re.compile(r"(\d+) requests in ([\d.]+)s")


class NoWrk(RuntimeError):
    """wrk is not installed."""


class Turn(NamedTuple):
    """One run of one generator; CPU-seconds are of the generator and of the server."""

    generator: str
    requests: int
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float


def turns(*, connections: int, seconds: int, rounds: int) -> list[Turn]:
    """So many times wrk, ours, ours, wrk. Raises `NoWrk`."""
    if shutil.which("wrk") is None:
        raise NoWrk("wrk is not installed: nothing to compare with")
    with TemporaryDirectory() as folder, _server() as (url, pid):
        script, tokens = Path(folder, "post.lua"), Path(folder, "tokens.json")
        script.write_text(_SCRIPT % ("t" * TOKEN_CHARACTERS), "utf-8")
        many = {f"user-{n}": f"{n:t>{TOKEN_CHARACTERS}}" for n in range(USERS)}
        tokens.write_text(json.dumps(many), "utf-8")
        wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"-s{script}", url]
        ours = [sys.executable, "-m", "bench.load", "posts", "--json", "--url", url]
        ours += ["--tokens", str(tokens), f"--connections={connections}", f"--seconds={seconds}"]
        done = []
        for generator in ["wrk", "ours", "ours", "wrk"] * rounds:
            before = cpu.seconds(pid)
            command, read = (wrk, _of_wrk) if generator == "wrk" else (ours, _of_ours)
            requests, lasted, spent = read(command, seconds + SLACK_SECONDS)
            done.append(Turn(generator, requests, lasted, spent, cpu.seconds(pid) - before))
    return done


def table(done: list[Turn]) -> Table:
    """For people: a turn each."""
    rows = Table("generator", title="The same server, in turn", title_justify="left")
    for column in ("requests", "a second", "generator, CPU µs each", "server, CPU µs each"):
        rows.add_column(column, justify="right")
    for turn in done:
        per_request = 1e6 / max(turn.requests, 1)
        rows.add_row(
            turn.generator,
            str(turn.requests),
            f"{turn.requests / turn.seconds:.0f}",
            f"{turn.cpu_seconds * per_request:.1f}",
            f"{turn.server_cpu_seconds * per_request:.1f}",
        )
    return rows


def _of_wrk(command: list[str], timeout: float) -> tuple[int, float, float]:
    before = _children_seconds()
    text = _output(command, timeout)
    done = _DONE.search(text)
    if done is None or "errors" in text or "Non-2xx" in text:
        raise RuntimeError(f"wrk: {text}")
    return int(done[1]), float(done[2]), _children_seconds() - before


def _of_ours(command: list[str], timeout: float) -> tuple[int, float, float]:
    # Without Python's start, which wrk has none of.
    posted = Posted.model_validate_json(_output(command, timeout))
    if not posted.clean:
        raise RuntimeError(f"ours: {posted.statuses}, {posted.lost} lost")
    return posted.accepted, posted.seconds, posted.cpu_seconds


def _output(command: list[str], timeout: float) -> str:
    run = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout
    )
    return run.stdout


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _server() -> Generator[tuple[str, int]]:
    command = [sys.executable, "-m", "bench.load.answering"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://{HOST}:{int(server.stdout.readline())}/api/scores", server.pid
        finally:
            server.terminate()
            server.wait(END_SECONDS)
