"""
python -m bench.load posts | watch | screen | against-wrk

Each prints one table, or with --json the same in full on stdout. TOKENS is a file with a JSON
object: user id to access token.
"""

import json
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from bench.load import against_wrk as comparison
from bench.load import orders, tables
from bench.load import posts as loops
from bench.load.crowd import LOCAL_HOST, MAX_WATCHERS, PROBES, Crowd, Watched, watching
from bench.load.files import TooFewFiles
from bench.load.posted import Posted
from bench.load.requests import Mix
from bench.load.screen import Shown, on_screen

commands = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
console = Console()

Url = Annotated[str, typer.Option(help="Of the POST.")]
Tokens = Annotated[Path, typer.Option(exists=True, dir_okay=False)]
Connections = Annotated[int, typer.Option(min=1, help="Kept alive.")]
Seconds = Annotated[float, typer.Option(min=0.1, max=loops.MAX_RUN_SECONDS)]
Json = Annotated[bool, typer.Option("--json", help="Everything, for a program.")]


@commands.command()
def posts(
    url: Url,
    tokens: Tokens,
    connections: Connections = 64,
    seconds: Seconds = 5.0,
    rate: Annotated[float, typer.Option(min=0, help="Each second; 0: as fast as it goes.")] = 0,
    mix: Mix = Mix.UNIFORM,
    seed: int = 1,
    as_json: Json = False,
) -> None:
    """Post increments of 1 to 9."""
    run: Coroutine[Any, Any, Posted]
    users = _users(tokens)
    if rate:
        run = loops.open_loop(
            url, users, connections=connections, rate=rate, seconds=seconds, mix=mix, seed=seed
        )
    else:
        run = loops.closed(url, users, connections=connections, seconds=seconds, mix=mix, seed=seed)
    posted = uvloop.run(run)
    _show(posted, tables.posted(f"{url}, {connections} connections", posted), as_json=as_json)


@commands.command()
def watch(
    url: Annotated[str, typer.Option(help="ws:// is WebSocket, http:// server-sent events.")],
    count: Annotated[int, typer.Option(min=1, max=MAX_WATCHERS)] = 100,
    seconds: Seconds = 5.0,
    probes: Annotated[int, typer.Option(min=0)] = PROBES,
    slow: Annotated[int, typer.Option(min=0, help="That read 1 kB a second.")] = 0,
    stuck: Annotated[int, typer.Option(min=0, help="That read nothing.")] = 0,
    source: Annotated[list[str], typer.Option(help="Local address; repeat.")] = [LOCAL_HOST],  # noqa: B006
    as_json: Json = False,
) -> None:
    """
    Hold watchers until the time is over, or until SIGTERM.

    With --json there is a line when all have a first frame, one at each SIGUSR1, and one at the
    end. SIGUSR2 cuts all off at once, and there is a line when all are back.
    """

    async def run() -> Watched:
        async with watching(
            url, count, probes=probes, slow=slow, stuck=stuck, sources=source
        ) as crowd:
            await crowd.until_current(orders.FIRST_FRAME_SECONDS)
            await orders.obey(crowd, seconds, partial(report, crowd))
            return crowd.watched()

    def report(crowd: Crowd) -> None:
        if as_json:
            print(crowd.watched().model_dump_json(), flush=True)

    watched = uvloop.run(run())
    _show(watched, tables.watched(url, watched), as_json=as_json)


@commands.command()
def screen(
    url: Url,
    stream: Annotated[str, typer.Option(help="As the URL of `watch`.")],
    tokens: Tokens,
    rate: Annotated[float, typer.Option(min=0.1, help="Measured updates each second.")] = 10.0,
    beside: Annotated[float, typer.Option(min=0, help="Other users' each second.")] = 0.0,
    leaders: Annotated[int, typer.Option(min=1, max=10, help="Whose updates count.")] = 1,
    watchers: Annotated[int, typer.Option(min=1, max=MAX_WATCHERS)] = PROBES,
    connections: Connections = 16,
    seconds: Seconds = 5.0,
    as_json: Json = False,
) -> None:
    """Time updates from POST to screen."""

    async def run() -> Shown:
        async with watching(stream, watchers) as crowd:
            return await _measure(crowd)

    async def _measure(crowd: Crowd) -> Shown:
        return await on_screen(
            url,
            _users(tokens),
            crowd,
            rate=rate,
            seconds=seconds,
            connections=connections,
            leaders=leaders,
            beside_rate=beside,
        )

    shown = uvloop.run(run())
    _show(shown, tables.shown(f"POST to screen, {rate:g} a second", shown), as_json=as_json)


@commands.command()
def against_wrk(
    connections: Connections = 64,
    seconds: Annotated[int, typer.Option(min=1, max=59, help="Each turn.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, max=10)] = 1,
) -> None:
    """Compare with wrk: rates and CPU-seconds, in turn."""
    try:
        done = comparison.turns(connections=connections, seconds=seconds, rounds=rounds)
    except comparison.NoWrk as error:
        console.print(f"Skipped: {error}")
        return
    console.print(comparison.table(done))


def _users(tokens: Path) -> dict[str, str]:
    users: dict[str, str] = json.loads(tokens.read_text("utf-8"))
    return users


def _show(result: Posted | Watched | Shown, table: Table, *, as_json: bool) -> None:
    if as_json:
        print(result.model_dump_json())
    else:
        console.print(table)


def main() -> None:
    """What goes wrong outside is one line on stderr."""
    try:
        commands()
    except (OSError, TooFewFiles) as error:  # a TimeoutError is an OSError
        sys.exit(str(error) or repr(error))


if __name__ == "__main__":
    main()
