"""
The product beside two ports of it, what a machine must spend at least, and anybody's server.

Contenders take turns (A B C, C B A), each time with processes of their own on one core; the
generator is on the other. A server of somebody else's takes part if --url and --tokens are given.
Everything is kept in bench-results/.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from bench import plan, watching, whole
from bench.ablations import turns as ablated
from bench.ablations.catalogue import ABLATIONS
from bench.campaign import Step, conduct
from bench.ports.given import Given, pid_of, tokens_of, url_of
from bench.ports.ours import Ours
from bench.ports.port import COMPETENT, NAIVE
from bench.report import results
from bench.workloads import increments as writes

FILE_COLUMNS = 160
INTERRUPTED = 130
HELP = "\n\n".join(" ".join(part.split()) for part in str(__doc__).split("\n\n"))

commands = typer.Typer(
    add_completion=False, no_args_is_help=True, help=HELP, pretty_exceptions_enable=False
)

T = TypeVar("T")
Pids = Annotated[
    list[str],
    typer.Option(help="name=pid of a process of it: gateway=17, notification=18, …; repeat."),
]
Rounds = Annotated[int, typer.Option(min=1, max=10, help="Of A B C and C B A in turn.")]
Watchers = Annotated[int, typer.Option(min=1, max=50_000)]
Seconds = Annotated[float, typer.Option(min=1, max=60, help="Of each measurement.")]


@commands.callback()
def choose(
    context: typer.Context,
    only: Annotated[list[str], typer.Option(help="This contender; repeat.")] = [],  # noqa: B006
    url: Annotated[str, typer.Option(help="Where a given server takes POSTs.")] = "",
    websocket: Annotated[str, typer.Option(help="Its WebSockets.")] = "",
    events: Annotated[str, typer.Option(help="Its server-sent events.")] = "",
    tokens: Annotated[Path | None, typer.Option(help="JSON: user to access token.")] = None,
    pid: Pids = [],  # noqa: B006
    name: Annotated[str, typer.Option(help="What to call it.")] = "given",
) -> None:
    contenders: plan.Contenders = {each.name: each for each in (Ours(), COMPETENT, NAIVE)}
    if url and tokens:
        given = Given(
            post_url=_checked("--url", url_of, url, "http"),
            known_tokens=_checked("--tokens", tokens_of, tokens),
            websocket_url=_checked("--websocket", url_of, websocket, "ws") if websocket else "",
            events_url=_checked("--events", url_of, events, "http") if events else None,
            pids=dict(_checked("--pid", pid_of, each) for each in pid),
            name=name,
        )
        if name in contenders:
            raise typer.BadParameter(f"{name} is one of ours; choose another", param_hint="--name")
        contenders = {**contenders, name: given}
    elif url or tokens or websocket or events or pid:
        raise typer.BadParameter("a given server needs both --url and --tokens")
    if unknown := set(only) - set(contenders):
        known = ", ".join(contenders)
        raise typer.BadParameter(f"{unknown.pop()} is none of {known}", param_hint="--only")
    context.obj = {name: each for name, each in contenders.items() if not only or name in only}


@commands.command("all")
def everything(
    context: typer.Context,
    quick: Annotated[bool, typer.Option(help="Three minutes.")] = False,
) -> None:
    """Everything that fits into 15 minutes."""
    size = whole.QUICK if quick else whole.FULL
    _finish(whole.steps(context.obj, quick=quick), limit_seconds=size.limit_seconds)


@commands.command()
def increments(
    context: typer.Context,
    connections: Annotated[int, typer.Option(min=1, max=10_000)] = writes.CONNECTIONS,
    rounds: Rounds = 2,
    seconds: Seconds = 8.0,
) -> None:
    """What an accepted increment costs, and how long it takes at half of the capacity."""
    _finish(
        plan.increments(
            context.obj,
            connections=connections,
            rounds=rounds,
            seconds=seconds,
            warm_seconds=writes.WARM_SECONDS,
        )
    )


@commands.command()
def users(
    count: Annotated[list[int], typer.Option(min=1, help="On the board; repeat.")] = [  # noqa: B006
        whole.FEW_USERS,
        whole.MANY_USERS,
    ],
    rounds: Rounds = 1,
    seconds: Seconds = 8.0,
) -> None:
    """What an accepted increment costs the product among few users and among very many."""
    _finish(plan.users(count, rounds=rounds, seconds=seconds, warm_seconds=writes.WARM_SECONDS))


@commands.command()
def ledger(
    rows: Annotated[list[int], typer.Option(min=1, max=500, help="Of a batch; repeat.")] = list(  # noqa: B006
        whole.BATCHES
    ),
    count: Annotated[int, typer.Option("--users", min=1, help="In the ledger.")] = whole.FEW_USERS,
    seconds: Seconds = 5.0,
) -> None:
    """The floor of the group commit: its SQL, and nothing else."""
    _finish(plan.ledger(rows, seconds=seconds, users=count))


@commands.command()
def deliveries(
    context: typer.Context,
    watchers: Watchers = 5000,
    events: Annotated[bool, typer.Option(help="Server-sent events, not WebSockets.")] = False,
    rounds: Rounds = 1,
    seconds: Seconds = 8.0,
) -> None:
    """What a frame on a screen costs notification, beside a C program that only sends."""
    _finish(
        watching.deliveries(
            context.obj, watchers=watchers, seconds=seconds, rounds=rounds, events=events
        )
    )


@commands.command()
def screen(
    context: typer.Context,
    rate: Annotated[float, typer.Option(min=0.1, help="Updates each second.")] = 10.0,
    watchers: Watchers = 1000,
    rounds: Rounds = 1,
    seconds: Seconds = 15.0,
) -> None:
    """How long an update takes from POST to screen."""
    _finish(
        watching.screen(context.obj, watchers=watchers, seconds=seconds, rounds=rounds, rate=rate)
    )


@commands.command()
def idle(
    context: typer.Context,
    watchers: Watchers = 20_000,
    rounds: Rounds = 1,
    seconds: Seconds = 20.0,
) -> None:
    """What a WebSocket costs on which nothing happens."""
    _finish(watching.idle(context.obj, watchers=watchers, seconds=seconds, rounds=rounds))


@commands.command()
def stuck(
    context: typer.Context,
    watchers: Watchers = 1000,
    rounds: Rounds = 1,
    seconds: Seconds = 6.0,
) -> None:
    """What one watcher in twenty who reads nothing does to the others."""
    _finish(watching.stuck(context.obj, watchers=watchers, seconds=seconds, rounds=rounds))


@commands.command()
def storm(context: typer.Context, watchers: Watchers = 10_000, rounds: Rounds = 1) -> None:
    """How long until all are current again that were cut off at once."""
    _finish(watching.storm(context.obj, watchers=watchers, rounds=rounds))


@commands.command()
def ablations(
    only: Annotated[list[str], typer.Option(help=", ".join(ABLATIONS) + "; repeat.")] = [],  # noqa: B006
    rounds: Rounds = 2,
    seconds: Seconds = 6.0,
) -> None:
    """What each fast path is worth: the product without it, in turns with the product."""
    if unknown := set(only) - set(ABLATIONS):
        known = ", ".join(ABLATIONS)
        raise typer.BadParameter(f"{unknown.pop()} is none of {known}", param_hint="--only")
    chosen = [each for name, each in ABLATIONS.items() if not only or name in only]
    _finish(ablated.steps(chosen, rounds=rounds, seconds=seconds))


def _finish(steps: Sequence[Step], *, limit_seconds: float | None = None) -> None:
    """Exits with 1 if something does not count."""
    console = Console(record=True, width=None if sys.stdout.isatty() else FILE_COLUMNS)
    outcome = conduct(steps, console, limit_seconds=limit_seconds)
    results.show(outcome, console)
    if outcome.runs:
        results.keep(outcome, console)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(bool(outcome.uncounted))


def _checked(option: str, read: Callable[..., T], *value: object) -> T:
    try:
        return read(*value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


if __name__ == "__main__":
    commands()
