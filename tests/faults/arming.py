"""
Orders to die at a failpoint, given by a campaign and obeyed by the services of its stack.

In a stack that was started with an `Armory`'s environment every service wraps its failpoints before
it begins (see `armed/sitecustomize.py`). A wrapped call looks for one file: `arm` makes it; the
first call that comes by renames it, writes its process id into it, and sends itself SIGKILL. So
each order kills once, and the process that comes after lives.

Standard library only: it is imported before anything else is.
"""

import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, NoReturn

from tests.faults.failpoints import FAILPOINTS, Failpoint, Moment

FOLDER = "FAILPOINTS"

_HERE = Path(__file__).parent
_SERVICE = re.compile(r"services\.(\w+)\.main:app")


class Armory:
    """The campaign's side: arms failpoints of a running stack, and sees who died of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = {
            FOLDER: str(folder),
            "PYTHONPATH": os.pathsep.join(map(str, (_HERE / "armed", _HERE.parents[1]))),
        }
        """For the stack: what makes its services look for orders in the folder."""

    def arm(self, name: str) -> None:
        """The next process that comes by dies."""
        (self._folder / name).write_text("")

    def disarm(self, name: str) -> None:
        """Nobody dies any more."""
        (self._folder / name).unlink(missing_ok=True)

    def taken(self, name: str) -> int | None:
        """The id of the process that died there since it was armed last, or None; told once."""
        taken = _taken(self._folder / name)
        try:
            pid = int(taken.read_text())
        except (FileNotFoundError, ValueError):
            return None
        taken.unlink()
        return pid


def install() -> None:
    """The service's side: wrap this process's places, if there are any."""
    folder = os.environ.get(FOLDER)  # noqa: TID251 - before there are settings
    services = {found[1] for word in sys.orig_argv if (found := _SERVICE.fullmatch(word))}
    for point in FAILPOINTS.values() if folder else ():
        if point.service in services:
            owner, name = resolve(point)
            setattr(owner, name, _watched(getattr(owner, name), point, Path(str(folder))))


def resolve(point: Failpoint) -> tuple[Any, str]:
    """The module or class that holds the attribute, and its name there."""
    owner: Any = import_module(point.module)
    *path, name = point.attribute.split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner, name


def _watched(function: Callable[..., Any], point: Failpoint, folder: Path) -> Callable[..., Any]:
    order = folder / point.name

    def reached(moment: Moment, *args: Any, **kwargs: Any) -> bool:
        return moment == point.moment and point.when(*args, **kwargs) and _obeyed(order)

    @wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        if reached("before", *args, **kwargs):
            _die()
        doomed = reached("during", *args, **kwargs)
        if doomed:
            asyncio.get_running_loop().call_later(random.uniform(0, point.seconds), _die)
        try:
            result = await function(*args, **kwargs)
        finally:
            if doomed:
                _die()
        if reached("after", *args, **kwargs):
            _die()
        return result

    @wraps(function)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        if reached("before", *args, **kwargs):
            _die()
        result = function(*args, **kwargs)
        if reached("after", *args, **kwargs):
            _die()
        return result

    return asynchronous if iscoroutinefunction(function) else synchronous


def _obeyed(order: Path) -> bool:
    """Take the order, if there is one: of several processes and calls, one does."""
    try:
        order.rename(_taken(order))
    except FileNotFoundError:
        return False
    _taken(order).write_text(str(os.getpid()))
    return True


def _taken(order: Path) -> Path:
    return order.with_name(f"{order.name}.taken")


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL does not return")
