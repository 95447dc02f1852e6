"""
Schemathesis over the OpenAPI document of each service, as everybody who may call it.

All phases, all checks: what the document allows must be taken, what it forbids refused, nothing may
answer 5xx, and every answer must be one that the document names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.schemas import BaseSchema

from tests.fuzz.callers import Caller, Headers, Passes, Places
from tests.fuzz.exclusions import OPERATIONS
from tests.fuzz.tally import Tally

REQUEST_SECONDS = 20
STEPS = 6
STREAMED_EVENTS = 1
# 503 says when to come back, or `Tally.server_errors` counts it.
ANSWERS = ["2xx", "3xx", "4xx", "503"]
REFUSALS = ["4xx", "503"]
SIGNING_OUT = "/api/auth/logout"

PEOPLE = [Caller(role=role) for role in ("player", "moderator", "ops", "game", "admin")]
CALLERS: dict[str, list[Caller]] = {
    "gateway": [Caller(), *PEOPLE],
    "auth": [Caller(), *PEOPLE, *(Caller(client=name) for name in ("gateway", "operator"))],
    "score": [
        Caller(),
        Caller(client="scoreboard"),
        *(Caller(client="gateway", role=role) for role in ("player", "moderator", "admin")),
    ],
    "scoreboard": [Caller()],
    "notification": [Caller(), *(Caller(client="gateway", role=r) for r in ("player", "admin"))],
}


@dataclass(frozen=True)
class Visit:
    """One caller at one service, with so many examples of each operation in the random phases."""

    service: str
    caller: Caller
    seed: int
    examples: int
    all_phases: bool = True

    def __str__(self) -> str:
        return f"{self.service} as {self.caller}"


def visit(places: Places, planned: Visit) -> Tally:
    """Carry it out, and say what came of it."""
    tally = Tally()
    for event in from_schema(_schema(places, planned)).execute():
        if isinstance(event, events.ScenarioFinished):
            tally.add(event.recorder, str(planned))
        elif isinstance(event, events.NonFatalError):
            tally.broke(str(planned), f"{event.label}: {event.info.title}: {event.info.message}")
        elif isinstance(event, events.FatalError):
            tally.broke(str(planned), repr(event.exception))
    return tally


def visits(seed: int, examples: int, *, all_phases: bool = True) -> Iterator[Visit]:
    """Everybody at every door."""
    for service, callers in CALLERS.items():
        for caller in callers:
            yield Visit(service, caller, seed, examples, all_phases)


def document(service: str) -> dict[str, Any]:
    """A service's OpenAPI document, also of those that do not show it."""
    found: dict[str, Any] = import_module(f"services.{service}.main").app.openapi()
    return found


def _schema(places: Places, planned: Visit) -> BaseSchema:
    config = SchemathesisConfig.from_dict(
        {
            "seed": planned.seed,
            "base-url": places.urls[planned.service],
            "continue-on-failure": True,
            "request-timeout": REQUEST_SECONDS,
            "max-stream-events": STREAMED_EVENTS,
            "generation": {
                "max-examples": planned.examples,
                "no-shrink": True,
                "database": "none",
            },
            "phases": {
                "examples": {"enabled": planned.all_phases},
                "coverage": {"enabled": planned.all_phases},
                "stateful": {"max-steps": STEPS},
            },
            "checks": {
                "not_a_server_error": {"expected-statuses": ANSWERS},
                "negative_data_rejection": {"expected-statuses": REFUSALS},
            },
            "operations": OPERATIONS,
        }
    )
    schema = schemathesis.openapi.from_dict(document(planned.service), config=config)
    passes = Passes(places)

    class SignIn:
        def get(self, case: Any, _context: Any) -> Headers:
            return passes.headers(planned.caller, once=case.operation.path == SIGNING_OUT)

        def set(self, case: Any, data: Headers, _context: Any) -> None:
            case.headers = {**(case.headers or {}), **data}

    # Also for nobody: left alone, the fuzzer makes itself an account.
    schema.auth(refresh_interval=None)(SignIn)
    return schema
