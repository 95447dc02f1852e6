"""What clients may be told while something is broken: the answer, or 503 and when to come again."""

from collections import Counter

from tests.oracle.checks import Violation
from tests.oracle.history import History

# 401 and 429 are for the visitor who guesses a password, 404 is for who has no score yet.
EXPECTED = {"200", "401", "404", "429", "503"}


def undecided(history: History) -> list[Violation]:
    """Increments of which nobody ever learned whether they counted."""
    return [
        Violation("undecided", f"{request} got no verdict")
        for request in history.requests
        if not request.verdict
    ]


def improper(answers: Counter[str]) -> list[Violation]:
    """
    Anything else, as `History` counts it: a 500, a 503 without `Retry-After`, a refusal that is no
    problem, a connection that broke, no answer within 10 s.
    """
    return [
        Violation("improper", f"{count} × {answer}")
        for answer, count in answers.items()
        if answer not in EXPECTED
    ]
