"""
Every way between two parts of the product, each over a proxy of its own.

As a program it is `live-scoreboard` (`python -m tests.faults.links up …`), whose services are told
to find each other and their servers at the proxies. Which ones, `REROUTED` says: by service, the
port that a service would have used and the one that it gets instead.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from libs.devstack import cli, homes
from libs.devstack.ports import HOST
from libs.devstack.programs import Program
from libs.devstack.stack import PORT_OFFSETS, Stack, build
from tests.embedded import temporary_folder
from tests.oracle.trial import Places
from tests.proxy import BrokerProxy, Proxy, running
from tests.stack import UNLIMITED, RunningStack

REROUTED = "REROUTED"
# Users and their browsers are no programs of the stack; they are told by `Wired.places`.
OUTSIDE = ("client", "screen")
WAYS: Mapping[str, Sequence[str]] = {
    "client": ("gateway",),
    "screen": ("notification",),
    "gateway": ("auth", "score", "scoreboard", "notification"),
    "score": ("postgres", "valkey", "kafka", "auth"),
    "scoreboard": ("valkey", "kafka", "score", "auth"),
    "notification": ("valkey", "kafka", "auth", "scoreboard"),
    "auth": ("postgres", "valkey"),
}


@dataclass(frozen=True)
class Link:
    """Who calls whom."""

    caller: str
    callee: str

    def __str__(self) -> str:
        return f"{self.caller} → {self.callee}"


LINKS = [Link(caller, callee) for caller, callees in WAYS.items() for callee in callees]


@dataclass(frozen=True)
class Wired:
    """A running stack, the proxy on each of its ways, and where clients and oracle go."""

    stack: RunningStack
    proxies: Mapping[Link, Proxy]
    places: Places
    urls: Mapping[str, str]


class _Rerouted(RunningStack):
    module = "tests.faults.links"


@asynccontextmanager
async def wired(env: Mapping[str, str]) -> AsyncIterator[Wired]:
    """A stack of one's own in a temporary folder; all its ways begin harmless."""
    with temporary_folder() as folder:
        stack = _Rerouted(folder)
        async with AsyncExitStack() as proxies:
            ways = {link: await proxies.enter_async_context(_way(stack, link)) for link in LINKS}
            try:
                # In a thread: the services need the proxies, and those need this loop.
                reroutes = json.dumps(_reroutes(stack, ways))
                told = {**UNLIMITED, **env, REROUTED: reroutes}
                await asyncio.to_thread(stack.start, env=told)
                yield await _described(stack, ways)
            finally:
                await asyncio.to_thread(stack.stop)
        homes.remove(stack.data_dir)


async def _described(stack: RunningStack, ways: Mapping[Link, Proxy]) -> Wired:
    places = await asyncio.to_thread(Places.of, stack)
    urls = await asyncio.to_thread(lambda: stack.urls)
    door, stream = ways[Link("client", "gateway")], ways[Link("screen", "notification")]
    places = replace(
        places,
        gateway=f"http://{HOST}:{door.port}",
        notification=f"http://{HOST}:{stream.port}",
    )
    return Wired(stack, ways, places, urls)


@asynccontextmanager
async def _way(stack: RunningStack, link: Link) -> AsyncIterator[Proxy]:
    kind = BrokerProxy if link.callee == "kafka" else Proxy
    async with running(kind(HOST, stack.port_base + PORT_OFFSETS[link.callee])) as proxy:
        yield proxy


def _reroutes(stack: RunningStack, ways: Mapping[Link, Proxy]) -> dict[str, dict[str, int]]:
    return {
        caller: {
            str(stack.port_base + PORT_OFFSETS[callee]): ways[Link(caller, callee)].port
            for callee in callees
        }
        for caller, callees in WAYS.items()
        if caller not in OUTSIDE
    }


def _build_rerouted(*arguments: Any, **options: Any) -> Stack:
    built = build(*arguments, **options)
    reroutes = json.loads(os.environ[REROUTED])  # noqa: TID251 - written above
    programs = [_reroute(program, reroutes.get(program.name, {})) for program in built.programs]
    return replace(built, programs=programs)


def _reroute(program: Program, ports: Mapping[str, int]) -> Program:
    environment = dict(program.environment)
    for name, value in environment.items():
        for port, instead in ports.items():
            value = value.replace(f"{HOST}:{port}", f"{HOST}:{instead}")
        environment[name] = value
    return replace(program, environment=environment)


if __name__ == "__main__":
    with mock.patch("libs.devstack.up.build", _build_rerouted):
        cli.app()
