"""
The servers that tests talk to: a URL from the environment, else a container, else embedded.
"""

import asyncio
import os
import subprocess
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, Literal, Protocol, TypeVar

ENGINE_SECONDS = 5
PASSWORD = "only-for-tests"
APACHE = "TEST_KAFKA_APACHE"

T = TypeVar("T")


class Broker(Protocol):
    """A broker that may be killed, and comes back at the same address knowing nothing."""

    @property
    def address(self) -> str: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def stop(self) -> None: ...


@contextmanager
def find(variable: str, kind: Literal["postgres", "valkey", "kafka"]) -> Iterator[str]:
    """The URL of a running server of this kind."""
    given = os.environ.get(variable)  # noqa: TID251 - tests have no settings
    if given:
        yield given
        return
    source = import_module("tests.containers" if docker_answers() else "tests.embedded")
    server: AbstractContextManager[str] = getattr(source, kind)()
    with server as url:
        yield url


@contextmanager
def mortal_kafka() -> Iterator[Broker]:
    """A broker of one's own: Apache Kafka where `TEST_KAFKA_APACHE` is set, else embedded."""
    apache = os.environ.get(APACHE)  # noqa: TID251 - tests have no settings
    source = import_module("tests.kafka.forgetful" if apache else "tests.embedded")
    broker: AbstractContextManager[Broker] = source.mortal_kafka()
    with broker as started:
        yield started


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own, whatever loop the caller is in."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def docker_answers() -> bool:
    """Whether containers can be started here."""
    question = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        asked = subprocess.run(question, capture_output=True, timeout=ENGINE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
