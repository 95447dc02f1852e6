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
from typing import Any, Literal, TypeVar

ENGINE_SECONDS = 5
PASSWORD = "only-for-tests"

T = TypeVar("T")


@contextmanager
def find(variable: str, kind: Literal["postgres", "valkey", "kafka"]) -> Iterator[str]:
    """The URL of a running server of this kind."""
    given = os.environ.get(variable)  # noqa: TID251 - tests have no settings
    if given:
        yield given
        return
    source = import_module("tests.containers" if _docker_answers() else "tests.embedded")
    server: AbstractContextManager[str] = getattr(source, kind)()
    with server as url:
        yield url


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own, whatever loop the caller is in."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _docker_answers() -> bool:
    question = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        asked = subprocess.run(question, capture_output=True, timeout=ENGINE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
