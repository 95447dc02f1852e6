"""A step of the machine: a coroutine that hypothesis chooses, and that is counted."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Protocol

from hypothesis.stateful import precondition, rule

from tests.model.sightings import Sightings
from tests.model.stage import Stage


class Player(Protocol):
    """A machine on a stage."""

    stage: Stage
    sightings: Sightings


Act = Callable[..., Coroutine[Any, Any, None]]
STEPS: list[str] = []


def step(*, when: Callable[[Any], Any] | None = None, **drawn: Any) -> Callable[[Act], Any]:
    """A rule of the machine that is counted; taken only `when` it makes sense."""

    def declare(act: Act) -> Any:
        STEPS.append(act.__name__)

        @wraps(act)
        def taken(machine: Player, **values: Any) -> None:
            machine.sightings.steps[act.__name__] += 1
            machine.stage.run(act(machine, **values))

        as_rule: Any = rule(**drawn)
        declared = as_rule(taken)
        if when is not None:
            possible: Any = precondition(lambda machine: bool(when(machine)))
            declared = possible(declared)
        return declared

    return declare
