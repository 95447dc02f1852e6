"""`live-scoreboard up`: everything in order, until a signal."""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console as Terminal

from libs.common.clock import system_clock
from libs.devstack import credentials, leftovers, ports, provision, state
from libs.devstack.banner import banner
from libs.devstack.console import Console
from libs.devstack.errors import StackError
from libs.devstack.logfiles import LogFiles
from libs.devstack.settings import StackSettings
from libs.devstack.stack import SECRETS, Stack, build, passwords, wanted_ports
from libs.devstack.supervisor import Child, Supervisor
from libs.devstack.tokens import DEFAULT_TTL_SECONDS, access_token

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BANNER_USER = "alice"


def up(data_dir: Path, *, port_base: int, demo: bool, terminal: Terminal) -> None:
    """Run the stack on `data_dir` until it is told to stop. Raises `StackError`."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with state.hold(data_dir):
        former = state.read(data_dir)
        ended = leftovers.end(former) if former else []
        if ended:
            terminal.print(f"ended what a killed stack had left: {', '.join(ended)}")
        settings = StackSettings()
        wanted = wanted_ports(settings, port_base)
        chosen = ports.choose(wanted)
        if moved := ports.moved(wanted, chosen):
            terminal.print(moved, soft_wrap=True)
        secrets = credentials.load(data_dir, SECRETS) | settings.given_secrets
        terminal.print(f"starting in {data_dir}", soft_wrap=True)
        stack = build(data_dir, settings, chosen, secrets, demo=demo)
        files = LogFiles(data_dir / "logs")
        try:
            asyncio.run(_Run(data_dir, settings, stack, secrets, terminal, files).run())
        finally:
            files.close()
            (data_dir / state.FILE).unlink(missing_ok=True)


class _Run:
    """One life of the stack."""

    def __init__(
        self,
        data_dir: Path,
        settings: StackSettings,
        stack: Stack,
        secrets: dict[str, str],
        terminal: Terminal,
        files: LogFiles,
    ) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self._stack = stack
        self._secrets = secrets
        self._terminal = terminal
        self._started_at = system_clock.now()
        self._settled = asyncio.Event()
        console = Console(
            terminal, files, on_change=self._write_state, on_settled=self._settled.set
        )
        self._supervisor = Supervisor(stack.programs, console)

    async def run(self) -> None:
        await self._provision_external()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, stop.set)
        async with asyncio.TaskGroup() as group:
            greeting = group.create_task(self._greet())
            await self._supervisor.run(stop)
            greeting.cancel()
        self._terminal.print("stopped")

    async def _provision_external(self) -> None:
        """Embedded servers are provisioned at each of their starts; the others here, once."""
        servers = self._stack.servers
        if self._settings.database_url:
            await provision.migrate(servers.database, passwords(self._secrets))
        if self._settings.kafka_bootstrap_servers:
            await provision.create_topics(
                servers.kafka, replication=self._settings.topic_replication
            )

    async def _greet(self) -> None:
        await self._settled.wait()
        urls = {child.program.name: child.program.url for child in self._supervisor.children}
        token = ""
        try:
            token = await access_token(
                urls["auth"],
                self._secrets["client_operator"],
                user=BANNER_USER,
                roles=["player"],
                ttl_seconds=DEFAULT_TTL_SECONDS,
            )
        except StackError as error:
            self._terminal.print(str(error), soft_wrap=True)
        not_ready = [c.program.name for c in self._supervisor.children if c.state != "ready"]
        self._terminal.print(
            banner(self._stack, token=token, stream=urls["notification"], not_ready=not_ready),
            soft_wrap=True,
        )

    def _write_state(self, children: Sequence[Child]) -> None:
        servers = self._stack.servers
        urls = {"postgres": servers.database, "valkey": servers.redis, "kafka": servers.kafka}
        urls |= {child.program.name: child.program.url for child in children if child.program.url}
        state.write(
            self._data_dir,
            state.StackState(
                pid=os.getpid(),
                started_at=self._started_at,
                page=self._stack.page,
                urls=urls,
                processes=[_process_state(child) for child in children],
            ),
        )


def _process_state(child: Child) -> state.ProcessState:
    alive = child.process is not None and child.process.returncode is None
    program = child.program
    return state.ProcessState(
        name=program.name,
        pid=child.process.pid if child.process and alive else None,
        port=program.port,
        url=program.url,
        state=child.state,
        restarts=child.restarts,
        command=list(program.command),
    )
