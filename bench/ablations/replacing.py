"""Puts something else in the place of a name of the product, before anybody has imported it."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


class Gone(Exception):
    """What was to be replaced is not there, or somebody has taken it before: in one line."""


_taken_out: dict[str, object] = {}


def replace(place: str, make: Callable[[Any], object]) -> None:
    """Replace `module:name` by what `make` makes of it. Raises `Gone`."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    try:
        owner: Any = import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        old = getattr(owner, name)
    except (ImportError, AttributeError) as error:
        raise Gone(f"{place} is no longer there: {error}") from None
    setattr(owner, name, make(old))
    _taken_out[place] = old


def replace_value(place: str, value: object) -> None:
    """Replace a constant. Raises `Gone`, also if it has that value already."""

    def make(old: object) -> object:
        if old == value:
            raise Gone(f"{place} is {value!r} already")
        return value

    replace(place, make)


def still_used() -> list[str]:
    """Which modules of the product hold on to a function or class that was taken out."""
    modules = [
        (n, m) for n, m in sys.modules.items() if n.partition(".")[0] in ("libs", "services")
    ]
    return [
        f"{module}:{name}"
        for old in _taken_out.values()
        if callable(old)
        for module, content in modules
        for name, value in vars(content).items()
        if value is old
    ]
