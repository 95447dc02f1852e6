"""The map of the stack: which programs, on which ports, with which environment."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from libs.devstack import homes, kafka, postgres, provision, valkey
from libs.devstack.ports import HOST
from libs.devstack.probes import http_ok
from libs.devstack.programs import Program
from libs.devstack.settings import StackSettings, inherited

REPOSITORY = Path(__file__).parents[2]
DATABASE = "scoreboard"

# The order is that of the ports from the base on.
SERVICES = ("gateway", "auth", "score", "scoreboard", "notification")
PORT_OFFSETS = {**{name: n for n, name in enumerate(SERVICES)}, "postgres": 10, "valkey": 11}
PORT_OFFSETS["kafka"] = 12

# Servers only: services find each other when they are needed. The gateway needs none at all; that
# it waits for one puts it among those that are stopped before the servers.
NEEDS = {
    "gateway": ("valkey",),
    "auth": ("postgres", "valkey"),
    "score": ("postgres", "valkey", "kafka"),
    "scoreboard": ("valkey", "kafka"),
    "notification": ("valkey", "kafka"),
}

CLIENTS = ("gateway", "score", "scoreboard", "notification", "operator")
SECRETS = (
    *("postgres", "valkey", "key_encryption", "fingerprint", "auth_database", "score_database"),
    "demo",
    *(f"client_{name}" for name in CLIENTS),
)


@dataclass(frozen=True)
class Servers:
    """Where the three servers are, embedded or not; `database` is the administrator's URL."""

    database: str
    redis: str
    kafka: str


@dataclass(frozen=True)
class Stack:
    """Everything that is to run."""

    programs: list[Program]
    servers: Servers
    page: str


def wanted_ports(settings: StackSettings, base: int) -> dict[str, int]:
    """The usual port of each program that is to be started."""
    external = {
        "postgres": settings.database_url,
        "valkey": settings.redis_url,
        "kafka": settings.kafka_bootstrap_servers,
    }
    return {name: base + offset for name, offset in PORT_OFFSETS.items() if not external.get(name)}


def build(
    data_dir: Path,
    settings: StackSettings,
    ports: Mapping[str, int],
    secrets: Mapping[str, str],
    *,
    demo: bool,
) -> Stack:
    """Prepare the data folders and describe all programs. Raises `StackError`."""
    embedded, servers = _servers(data_dir, settings, ports, secrets)
    started = {program.name for program in embedded}
    urls = {name: f"http://{HOST}:{ports[name]}" for name in SERVICES}
    environments = _environments(servers, urls, secrets)
    # Listed in the order in which they should be up; the gateway last, it is the front door.
    services = [
        _service(
            name,
            ports[name],
            environments[name],
            after=tuple(need for need in NEEDS[name] if need in started),
        )
        for name in (*SERVICES[1:], SERVICES[0])
    ]
    programs = [*embedded, *services]
    if demo:
        programs.append(_demo(urls, secrets))
    return Stack(programs, servers, page=f"{urls['gateway']}/")


def _servers(
    data_dir: Path,
    settings: StackSettings,
    ports: Mapping[str, int],
    secrets: Mapping[str, str],
) -> tuple[list[Program], Servers]:
    embedded: list[Program] = []
    if settings.database_url:
        database = settings.database_url.get_secret_value()
    else:
        home = homes.find(data_dir)
        postgres.prepare(home, secrets["postgres"])
        server = postgres.program(home, port=ports["postgres"], password=secrets["postgres"])
        database = provision.with_database(server.url, DATABASE)
        provisioned = partial(_provision, server, database, passwords(secrets))
        embedded.append(replace(server, url=database, ready=provisioned))
    if settings.redis_url:
        redis = settings.redis_url.get_secret_value()
    else:
        cache = valkey.program(
            data_dir / "valkey", port=ports["valkey"], password=secrets["valkey"]
        )
        redis = cache.url
        embedded.append(cache)
    bootstrap = settings.kafka_bootstrap_servers
    if not bootstrap:
        broker = kafka.program(data_dir / "kafka", port=ports["kafka"])
        bootstrap = broker.url
        embedded.append(broker)
    return embedded, Servers(database, redis, bootstrap)


def passwords(secrets: Mapping[str, str]) -> dict[provision.Tenant, str]:
    """The login roles' passwords."""
    return {
        provision.AUTH: secrets["auth_database"],
        provision.SCORE: secrets["score_database"],
    }


async def _provision(
    server: Program, database: str, role_passwords: dict[provision.Tenant, str]
) -> None:
    """Ready means: the services' roles and schemas are there, too."""
    await server.ready()
    await provision.create_database(server.url, DATABASE)
    await provision.migrate(database, role_passwords)


def _environments(
    servers: Servers, urls: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """What each service is told; the names are those of its `settings.py`."""

    def database(tenant: provision.Tenant) -> str:
        return provision.with_login(servers.database, tenant.role, passwords(secrets)[tenant])

    redis = {"REDIS_URL": servers.redis}
    events = {"KAFKA_BOOTSTRAP_SERVERS": servers.kafka}
    auth = {"AUTH_URL": urls["auth"]}
    page = urls["gateway"]
    origins = {"ALLOWED_ORIGINS": json.dumps([page, page.replace(HOST, "localhost")])}
    identity = {
        name: {**auth, "SERVICE_SECRET": secrets[f"client_{name}"]}
        for name in SERVICES[:1] + SERVICES[2:]
    }
    clients = {name: secrets[f"client_{name}"] for name in CLIENTS}
    return {
        "auth": {
            **redis,
            "DATABASE_URL": database(provision.AUTH),
            "KEY_ENCRYPTION_SECRET": secrets["key_encryption"],
            "SERVICE_CLIENTS": json.dumps(clients),
        },
        "score": {**redis, **events, **auth, "DATABASE_URL": database(provision.SCORE)},
        "scoreboard": {**redis, **events, **identity["scoreboard"], "SCORE_URL": urls["score"]},
        "notification": {
            **redis,
            **events,
            **identity["notification"],
            **origins,
            "SCOREBOARD_URL": urls["scoreboard"],
        },
        "gateway": {
            **identity["gateway"],
            **origins,
            "SCORE_URL": urls["score"],
            "SCOREBOARD_URL": urls["scoreboard"],
            "NOTIFICATION_URL": urls["notification"],
            "STREAM_URL": urls["notification"],
            "FINGERPRINT_SECRET": secrets["fingerprint"],
        },
    }


def _service(
    name: str, port: int, environment: Mapping[str, str], *, after: tuple[str, ...]
) -> Program:
    url = f"http://{HOST}:{port}"
    return Program(
        name=name,
        command=(
            *(sys.executable, "-m", "uvicorn", f"services.{name}.main:app"),
            *("--host", HOST, "--port", str(port), "--no-access-log", "--log-level", "warning"),
            *("--http", "libs.common.server:BoundedHttp"),
            *("--ws-max-size", "4096", "--ws-per-message-deflate", "false"),
            # Of all who come back at once, Linux lets so many wait; others try again in seconds.
            *("--backlog", "4096"),
        ),
        directory=REPOSITORY,
        environment={**inherited(), "PYTHONUNBUFFERED": "1", **environment},
        ready=partial(http_ok, f"{url}/readyz"),
        after=after,
        port=port,
        url=url,
    )


def _demo(urls: Mapping[str, str], secrets: Mapping[str, str]) -> Program:
    async def ready() -> None:
        """It has no door to ask at; it runs, that is all."""

    return Program(
        name="demo",
        command=(sys.executable, "-m", "libs.devstack.demo"),
        directory=REPOSITORY,
        environment={
            **inherited(),
            "PYTHONUNBUFFERED": "1",
            "GATEWAY_URL": urls["gateway"],
            "AUTH_URL": urls["auth"],
            "PLAYER_PASSWORD": secrets["demo"],
        },
        ready=ready,
        after=("gateway",),
    )
