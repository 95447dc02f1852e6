"""How much a role may add: per request, per day, and whether only with an action grant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta


@dataclass(frozen=True, slots=True)
class Bounds:
    """`per_day` counts from midnight UTC; None: as much as a total can hold."""

    per_request: int
    per_day: int | None = None
    grant_required: bool = False


def bounds_of(roles: Iterable[str], table: Mapping[str, Bounds], default: Bounds) -> Bounds:
    """The widest that any of the roles allows; a role that is not in the table has the default."""
    held = [table.get(role, default) for role in roles] or [default]
    days = [bounds.per_day for bounds in held]
    return Bounds(
        per_request=max(bounds.per_request for bounds in held),
        per_day=None if None in days else max(day for day in days if day is not None),
        grant_required=all(bounds.grant_required for bounds in held),
    )


def seconds_to_midnight(now: datetime) -> float:
    """How long the UTC day that `now` is in goes on."""
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    return (datetime.combine(tomorrow, time(), UTC) - now).total_seconds()
