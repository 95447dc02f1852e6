"""`live-scoreboard`: the whole product from one command line."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console as Terminal
from typer.exceptions import TyperException

from libs.devstack import credentials, homes, provision, state, status
from libs.devstack.errors import StackError
from libs.devstack.settings import MigrateSettings, TopicsSettings, inherited
from libs.devstack.stack import REPOSITORY
from libs.devstack.tokens import DEFAULT_TTL_SECONDS, access_token
from libs.devstack.up import up as run_stack

FAILED, MISUSED = 1, 2
NOT_CHECKED = 2  # 1 is the verdict that something does not hold
LAST_BASE = 65_000

commands = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
ledger = typer.Typer(no_args_is_help=True, help="The ledger as a whole.")
commands.add_typer(ledger, name="ledger")
terminal = Terminal()

DataDir = Annotated[Path, typer.Option(help="Where the stack keeps its data, secrets and logs.")]
DATA_DIR = Path(".scoreboard")


def app() -> None:
    """The entry point: what goes wrong is one line on stderr and an exit code."""
    try:
        code = commands(standalone_mode=False) or 0
    except StackError as error:
        code = _complain(str(error), FAILED)
    except TyperException as error:
        code = _complain(f"{error.format_message().rstrip('.')}; --help shows how", MISUSED)
    except ValidationError as error:
        missing = ", ".join(str(problem["loc"][0]).upper() for problem in error.errors())
        code = _complain(f"not set, or not as they should be: {missing}", MISUSED)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


@commands.command()
def up(
    data_dir: DataDir = DATA_DIR,
    port_base: Annotated[
        int, typer.Option(min=1024, max=LAST_BASE, help="The page's port.")
    ] = 8000,
    demo: Annotated[bool, typer.Option(help="Let demo players move the board.")] = True,
) -> None:
    """Start PostgreSQL, Valkey, Kafka and the five services; Ctrl-C stops them."""
    run_stack(data_dir.resolve(), port_base=port_base, demo=demo, terminal=terminal)


@commands.command("status")
def show_status(
    data_dir: DataDir = DATA_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="All there is, with passwords.")] = False,
) -> None:
    """Say what runs, where, and whether it answers."""
    report = asyncio.run(status.status(data_dir.resolve()))
    if as_json:
        typer.echo(json.dumps(report, indent=1))
        return
    terminal.print(f"{report['page']}  (pid {report['pid']})")
    terminal.print(status.table(report))


@commands.command()
def token(
    user: Annotated[str, typer.Option(help="Whom the token speaks for.")],
    role: Annotated[list[str], typer.Option(help="May be repeated.")] = ["player"],  # noqa: B006
    ttl: Annotated[int, typer.Option(min=1, help="Seconds.")] = DEFAULT_TTL_SECONDS,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print an access token for local use."""
    folder = data_dir.resolve()
    auth_url = state.running(folder).urls["auth"]
    secret = credentials.load(folder)["client_operator"]
    typer.echo(asyncio.run(access_token(auth_url, secret, user=user, roles=role, ttl_seconds=ttl)))


@commands.command()
def reset(
    data_dir: DataDir = DATA_DIR,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the data: users, scores, secrets, logs."""
    folder = data_dir.resolve()
    if not (folder / state.LOCK).exists():
        raise StackError(f"there is no stack in {folder}")
    with state.hold(folder):
        if not yes and not typer.confirm(f"Delete everything in {folder}?"):
            return
        homes.remove(folder)
        shutil.rmtree(folder)


@commands.command()
def migrate() -> None:
    """Create the login roles and bring the schemas to their newest version (for deployments)."""
    settings = MigrateSettings()
    passwords = {
        provision.AUTH: settings.auth_db_password.get_secret_value(),
        provision.SCORE: settings.score_db_password.get_secret_value(),
    }
    asyncio.run(provision.migrate(settings.database_url.get_secret_value(), passwords))
    typer.echo("schemas are up to date")


@commands.command()
def topics() -> None:
    """Create the topics that are missing (for deployments)."""
    settings = TopicsSettings()
    asyncio.run(
        provision.create_topics(
            settings.kafka_bootstrap_servers, replication=settings.topic_replication
        )
    )
    typer.echo("topics are as they should be")


@ledger.command()
def verify(
    data_dir: DataDir = DATA_DIR,
    database_url: Annotated[
        str,
        typer.Option(envvar="DATABASE_URL", help="A ledger elsewhere; SCOREBOARD_URL its board."),
    ] = "",
    as_of: Annotated[
        str, typer.Option(help="Of when the ledger root is, as an earlier run printed it.")
    ] = "",
) -> None:
    """Replay all entries, say what holds. Exit code 0: all, 1: not all, 2: it was not checked."""
    environment = inherited()
    if database_url:
        environment["DATABASE_URL"] = database_url
    else:
        try:
            environment |= _ledger_of(data_dir.resolve())
        except StackError as error:
            raise typer.Exit(_complain(str(error), NOT_CHECKED)) from error
    if as_of:
        environment["AS_OF"] = as_of
    # In a process of its own, because libs know no service.
    done = subprocess.run(
        [sys.executable, "-m", "services.score.verify"],
        cwd=REPOSITORY,
        env=environment,
        check=False,
    )
    raise typer.Exit(done.returncode)


def _ledger_of(data_dir: Path) -> dict[str, str]:
    """Where a running stack keeps its ledger, as score itself logs in, and its board."""
    urls = state.running(data_dir).urls
    password = credentials.load(data_dir)["score_database"]
    return {
        "DATABASE_URL": provision.with_login(urls["postgres"], provision.SCORE.role, password),
        "SCOREBOARD_URL": urls["scoreboard"],
    }


def _complain(message: str, code: int) -> int:
    typer.echo(f"live-scoreboard: {' '.join(message.split())}", err=True)
    return code
