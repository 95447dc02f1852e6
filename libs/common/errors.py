"""
What can be refused, in the words of the domain; only `problems.py` knows HTTP.

    AppError
    ├── InvalidRequest          what was sent cannot be meant
    ├── KeyReused               an idempotency key came back with another body
    ├── Unauthenticated         no valid proof of who calls
    ├── Forbidden               known, but not allowed
    │   └── GrantRefused        the action grant is missing, or not for this
    ├── NotFound
    ├── Conflict                ├── ScoreLimitReached
    ├── RateLimited             too often; says when to come back
    │   ├── DayLimitReached     the most that may be earned on one day
    │   └── GrantTooEarly       the action cannot be over yet
    └── Unavailable             not now; says when to come back, and nothing was lost
        └── Overloaded          and nothing was done

And what can go wrong with Kafka, which no caller is ever told:

    BrokerTrouble
    ├── PublishFailed           not all records were acknowledged; send them all again
    ├── LogGone                 a position to read from is not in the log: the broker lost data
    └── BrokerUnavailable       no broker answers
"""


class AppError(Exception):
    """A refusal with a stable `code`; the message is written for the caller."""

    code = "error"
    retry_after_seconds: float = 0


class InvalidRequest(AppError):
    code = "invalid-request"


class KeyReused(AppError):
    code = "idempotency-key-reused"


class Unauthenticated(AppError):
    code = "unauthenticated"


class Forbidden(AppError):
    code = "forbidden"


class GrantRefused(Forbidden):
    code = "grant-refused"


class NotFound(AppError):
    code = "not-found"


class Conflict(AppError):
    code = "conflict"


class ScoreLimitReached(Conflict):
    code = "score-limit-reached"


class RateLimited(AppError):
    code = "rate-limited"

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DayLimitReached(RateLimited):
    code = "day-limit-reached"


class GrantTooEarly(RateLimited):
    code = "grant-too-early"


class Unavailable(AppError):
    code = "unavailable"

    def __init__(self, message: str, *, retry_after_seconds: float = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Overloaded(Unavailable):
    code = "overloaded"


REFUSALS: dict[str, type[AppError]] = {
    error.code: error
    for error in (
        InvalidRequest,
        KeyReused,
        Unauthenticated,
        Forbidden,
        GrantRefused,
        ScoreLimitReached,
    )
}
"""Refusals that travel between services by their code, beside those with a time."""

TIMED: dict[str, type[RateLimited]] = {
    error.code: error for error in (RateLimited, DayLimitReached, GrantTooEarly)
}


def refusal(code: str, detail: str, retry_after_seconds: float) -> AppError:
    """The error that another service meant by `code`; an unknown code is `Unavailable`."""
    if code in TIMED:
        return TIMED[code](detail, retry_after_seconds=retry_after_seconds)
    if code in REFUSALS:
        return REFUSALS[code](detail)
    return Unavailable(detail, retry_after_seconds=retry_after_seconds or 1)


class BrokerTrouble(Exception):
    """Kafka did not do what it was asked; asking again is always safe."""


class PublishFailed(BrokerTrouble):
    """Not all records were acknowledged; some may be in the log. Send them all again."""


class LogGone(BrokerTrouble):
    """A position to read from is no longer (or not yet) in the log: the broker lost data."""


class BrokerUnavailable(BrokerTrouble):
    """No broker answers."""
