"""
Suspicion: what is measured of increments that count already, and what follows from it.

A rule says which signal, over which time, from which value on, and what then. The ladder:
`observe` counts, `tag` opens a review, `hold` takes the user off the board as well; points are only
ever taken by a person. A rule in shadow counts what it would have done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf

from libs.common.contracts.reviews import Rule

MAX_RULES = 32
MAX_WINDOW_SECONDS = 86_400

# At most this many of a user's fingerprints, and of a trace's users, are told apart.
MOST_FINGERPRINTS = 32
MOST_USERS_OF_A_TRACE = 32


class Signal(StrEnum):
    """What `signals.lua` measures, so that more is more suspicious; `window` is the rule's."""

    REGULARITY = "regularity"
    """1 - coefficient of variation of a rhythm's intervals (at least 50) that lasts the window."""

    RATE_SHARE = "rate_share"
    """Accepted in the window, as a share of what the rate limit lets through."""

    ACTIVE_HOURS = "active_hours"
    """In how many hours of the window (at most 24) there was an increment."""

    FINGERPRINTS_PER_USER = "fingerprints_per_user"
    """Different fingerprints in the window, up to 32."""

    USERS_PER_TRACE = "users_per_trace"
    """Users (up to 32) with the same eight steps of time and points, if these are no beat."""

    USERS_PER_FINGERPRINT = "users_per_fingerprint"
    """Users with the user's fingerprint in the window or the one before. Schools have many."""

    TIRELESS_PER_FINGERPRINT = "tireless_per_fingerprint"
    """Those of them who were active in 8 hours of the last 24, if they are the half; else 0."""


_LARGEST = {
    Signal.REGULARITY: 1,
    Signal.RATE_SHARE: 1,
    Signal.ACTIVE_HOURS: 24,
    Signal.FINGERPRINTS_PER_USER: MOST_FINGERPRINTS,
    Signal.USERS_PER_TRACE: MOST_USERS_OF_A_TRACE,
}

RULES = tuple(
    Rule(name=name, signal=signal, window_seconds=window, threshold=least, action=act, shadow=dark)
    for name, signal, window, least, act, dark in (
        # Games pay by the clock, too: for seconds or minutes. People keep a rough beat for half an
        # hour, but not for three.
        ("metronome", Signal.REGULARITY, 1800, 0.98, "tag", False),
        ("drummer", Signal.REGULARITY, 10_800, 0.6, "tag", False),
        ("flat-out", Signal.RATE_SHARE, 600, 0.8, "tag", False),
        ("sleepless", Signal.ACTIVE_HOURS, 86_400, 20, "tag", False),
        ("many-faces", Signal.FINGERPRINTS_PER_USER, 3600, 16, "tag", False),
        ("replay", Signal.USERS_PER_TRACE, 86_400, 12, "tag", False),
        ("farm", Signal.TIRELESS_PER_FINGERPRINT, 86_400, 12, "tag", False),
        ("crowd", Signal.USERS_PER_FINGERPRINT, 3600, 100, "observe", False),
        # A hold waits in shadow until an operator has seen on real traffic whom it would hit.
        ("many-faces-hold", Signal.FINGERPRINTS_PER_USER, 3600, 30, "hold", True),
        ("replay-hold", Signal.USERS_PER_TRACE, 86_400, 20, "hold", True),
    )
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """An increment that counts; `fingerprint` is hex, empty if the gateway sent none."""

    user_id: str
    fingerprint: str
    at: datetime
    points: int


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A user crossed a rule."""

    user_id: str
    rule: Rule
    value: float
    at: datetime

    @property
    def since(self) -> datetime:
        """When the rule's window began."""
        return self.at - timedelta(seconds=self.rule.window_seconds)

    @property
    def evidence(self) -> dict[str, object]:
        """What a person gets to see; nothing that leads to the client, the ledger has that."""
        return {
            "signal": self.rule.signal,
            "value": self.value,
            "threshold": self.rule.threshold,
            "window_seconds": self.rule.window_seconds,
        }

    @property
    def effect(self) -> str:
        """What the rule does: its action, or `shadow`."""
        return "shadow" if self.rule.shadow else self.rule.action

    @property
    def needs_review(self) -> bool:
        return self.effect in ("tag", "hold")


def rules_with(changes: Mapping[str, Mapping[str, object]]) -> tuple[Rule, ...]:
    """
    The default rules with `changes` by name; an unknown name is a rule of its own, and whole.

    Raises `ValueError` for what cannot be meant.
    """
    table = {rule.name: rule.model_dump() for rule in RULES}
    for name, change in changes.items():
        if foreign := change.keys() - (Rule.model_fields.keys() - {"name"}):
            raise ValueError(f"rule {name}: unknown {', '.join(sorted(foreign))}")
        table[name] = {**table.get(name, {}), **change, "name": name}
    if len(table) > MAX_RULES:
        raise ValueError(f"more than {MAX_RULES} rules")
    return tuple(map(_checked, table.values()))


def review_case(review_id: int) -> str:
    """The reversal case that follows a review."""
    return f"review-{review_id}"


def _checked(fields: Mapping[str, object]) -> Rule:
    try:
        rule = Rule.model_validate(fields)
        most = _LARGEST.get(Signal(rule.signal), inf)
        if not 1 <= rule.window_seconds <= MAX_WINDOW_SECONDS:
            raise ValueError(f"window_seconds must be from 1 to {MAX_WINDOW_SECONDS}")
        if not 0 < rule.threshold <= most:
            raise ValueError(f"the threshold must be above 0 and at most {most}")
    except ValueError as error:
        raise ValueError(f"rule {fields['name']}: {error}") from None
    return rule
