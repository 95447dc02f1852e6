"""
A timer that is true to some ten microseconds (Linux `timerfd`).

The loops' own timers go by the millisecond, which is as much as some of what is measured here.
"""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

SHORTEST_SECONDS = 0.0002
_NANOSECONDS = 1_000_000_000

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("first", _Timespec))


@contextmanager
def ticking(seconds: float, call: Callable[[], None]) -> Generator[None]:
    """Have the loop `call` every so many seconds, though never more often than each 0.2 ms."""
    loop = asyncio.get_running_loop()
    timer = _open(max(seconds, SHORTEST_SECONDS))

    def tick() -> None:
        with suppress(BlockingIOError):
            os.read(timer, 8)
            call()

    loop.add_reader(timer, tick)
    try:
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _open(seconds: float) -> int:
    interval = _Timespec(*divmod(int(seconds * _NANOSECONDS), _NANOSECONDS))
    # TFD_NONBLOCK and TFD_CLOEXEC have the values of the flags of open(2).
    timer = int(_libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
    if timer < 0 or _libc.timerfd_settime(timer, 0, ctypes.byref(_Timer(interval, interval)), None):
        raise OSError(ctypes.get_errno(), "no timerfd")
    return timer
