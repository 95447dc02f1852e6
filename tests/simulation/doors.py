"""
The doors between the product and the machine, all replaced while a world lives.

Time, random bytes and logs for everybody; aiokafka, asyncpg and signals where the product names
them. Whatever else would reach the machine finds a loop without sockets and threads. A real clock
that the product still held would be found: every name of one in `libs` and `services` is replaced.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import structlog

from libs.common.clock import SystemClock
from tests.simulation import clients, postgres
from tests.simulation.loop import VirtualLoop

PRODUCT = ("libs.common", "services.", "tests.fakes", "tests.notification_fakes")
_REAL_CLOCKS = (time.monotonic, time.perf_counter, time.time)

Logged = Callable[[str, Mapping[str, Any]], None]
"""Told of each log line: its event, and its fields."""


@contextmanager
def replaced(
    loop: VirtualLoop, dice: Random, logged: Logged, ended: Callable[[int], None]
) -> Generator[None]:
    """Replace them all; `ended` stands for the signal by which a process ends itself."""

    def clock() -> float:
        return loop.time()

    def log(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        logged(str(event.pop("event", "")), event)
        raise structlog.DropEvent

    with ExitStack() as stack:
        for module in _product_modules():
            for name in _real_clocks_of(module):
                stack.enter_context(patch.object(module, name, clock))
        for module, name, stand_in in (
            (os, "urandom", dice.randbytes),
            (random, "_urandom", dice.randbytes),
            (sys.modules["libs.common.kafka.readers"], "AIOKafkaConsumer", clients.SimConsumer),
            (sys.modules["libs.common.kafka.topics"], "AIOKafkaConsumer", clients.SimConsumer),
            (sys.modules["libs.common.kafka.publisher"], "AIOKafkaProducer", clients.SimProducer),
            (sys.modules["asyncpg"], "connect", postgres.connect),
            (sys.modules["libs.common.tasks"].signal, "raise_signal", ended),
            (SystemClock, "now", _refuse),
            (SystemClock, "monotonic", _refuse),
        ):
            stack.enter_context(patch.object(module, name, stand_in))
        before = structlog.get_config()
        stack.callback(structlog.configure, **before)
        structlog.configure(processors=[log], wrapper_class=structlog.BoundLogger)
        yield


def _refuse(_clock: SystemClock) -> Any:
    raise AssertionError("the product asked the machine's clock, not the one that it was given")


def _product_modules() -> list[Any]:
    return [m for name, m in list(sys.modules.items()) if name.startswith(PRODUCT)]


def _real_clocks_of(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if value in _REAL_CLOCKS]
