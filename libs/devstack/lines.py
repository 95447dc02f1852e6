"""Log lines for people: a service's JSON object becomes one readable line."""

import json
from dataclasses import dataclass
from typing import Any

HIDDEN_FIELDS = frozenset({"timestamp", "level", "event", "service", "logger", "exception"})
MAX_CHARACTERS = 2000
TIME_SLICE = slice(11, 19)  # hours to seconds of an ISO 8601 timestamp


@dataclass(frozen=True)
class Line:
    """What to show; `time` is UTC and empty where the program did not say it."""

    text: str
    time: str = ""
    level: str = ""
    traceback: str = ""


def readable(raw: str) -> Line:
    """A structured line taken apart, any other line as it is; cut at 2,000 characters."""
    record = _record(raw)
    if record is None:
        return Line(raw[:MAX_CHARACTERS])
    fields = [f"{name}={value}" for name, value in record.items() if name not in HIDDEN_FIELDS]
    event, _, rest = str(record["event"]).partition("\n")
    return Line(
        text=" ".join([event, *fields])[:MAX_CHARACTERS],
        time=str(record.get("timestamp", ""))[TIME_SLICE],
        level=str(record.get("level", "")),
        traceback=str(record.get("exception", rest)),
    )


def _record(raw: str) -> dict[str, Any] | None:
    if not raw.startswith("{"):
        return None
    try:
        record = json.loads(raw)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "event" in record else None
