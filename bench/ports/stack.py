"""
The processes of a port: five services and the embedded servers, in a temporary folder.

PostgreSQL, Valkey and Kafka are those of the product (`libs.devstack`), with the same settings and
topics. The services get free ports and find each other by the environment. All end with the block,
and with whoever started it, even if that one is killed.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from libs.devstack import homes, kafka, postgres, valkey
from libs.devstack.ports import HOST
from libs.devstack.probes import tcp_open
from libs.devstack.programs import Program
from libs.devstack.settings import inherited
from libs.devstack.stack import REPOSITORY, SERVICES
from tests.embedded import free_port, temporary_folder, wait_until_ready
from tests.servers import PASSWORD

READY_SECONDS = 60
STOP_SECONDS = 10

OPERATOR_SECRET = "the operator's, only for benchmarks"  # noqa: S105
JWT_SECRET = "signs tokens, only for benchmarks"  # noqa: S105


@dataclass(frozen=True)
class Processes:
    """What runs: URLs and process ids by name."""

    urls: dict[str, str]
    pids: dict[str, int]


@contextmanager
def running(package: str, uvicorn_options: Sequence[str]) -> Iterator[Processes]:
    """The services of a package, each `<package>.<name>:app` under uvicorn, and their servers."""
    with temporary_folder() as folder:
        servers = _servers(folder)
        services = _services(package, uvicorn_options, {each.name: each.url for each in servers})
        with started(servers, folder) as server_pids, started(services, folder) as service_pids:
            urls = {program.name: program.url for program in (*servers, *services)}
            yield Processes(urls, server_pids | service_pids)


def _servers(folder: Path) -> list[Program]:
    home = homes.find(folder)
    postgres.prepare(home, PASSWORD)
    return [
        postgres.program(home, port=free_port(), password=PASSWORD),
        valkey.program(folder / "valkey", port=free_port(), password=PASSWORD),
        kafka.program(folder / "kafka", port=free_port()),
    ]


def _services(
    package: str, uvicorn_options: Sequence[str], servers: dict[str, str]
) -> list[Program]:
    ports = {name: free_port() for name in SERVICES}
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    environment = {
        **inherited(),
        **{f"{name.upper()}_URL": url for name, url in urls.items()},
        "DATABASE_URL": servers["postgres"],
        "REDIS_URL": servers["valkey"],
        "KAFKA_BOOTSTRAP_SERVERS": servers["kafka"],
        "JWT_SECRET": JWT_SECRET,
        "OPERATOR_SECRET": OPERATOR_SECRET,
    }
    return [
        Program(
            name=name,
            command=(
                *(sys.executable, "-m", "bench.ports.serve", f"{package}.{name}:app"),
                *("--host", HOST, "--port", str(ports[name])),
                *uvicorn_options,
            ),
            directory=REPOSITORY,
            environment=environment,
            # uvicorn listens when the application has opened all that it needs.
            ready=partial(tcp_open, HOST, ports[name]),
            url=urls[name],
        )
        for name in SERVICES
    ]


@contextmanager
def started(programs: Sequence[Program], folder: Path) -> Iterator[dict[str, int]]:
    """Process ids by name, when all are ready; at the end all are stopped together."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for program in programs:
            with _log(program, folder).open("wb") as log:
                processes[program.name] = subprocess.Popen(
                    program.command, **program.options() | {"stdout": log}
                )
        for program in programs:
            log_file = _log(program, folder)
            wait_until_ready(program, processes[program.name], log_file, seconds=READY_SECONDS)
        yield {name: process.pid for name, process in processes.items()}
    finally:
        for program in programs:
            if process := processes.get(program.name):
                process.send_signal(program.stop_signal)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _log(program: Program, folder: Path) -> Path:
    return folder / f"{program.name}.log"
