"""What the product itself tells of its guards, by its logs and its metrics."""

from collections.abc import Mapping
from typing import Any

from libs.common import metrics
from libs.common.contracts.streams import CloseCode
from services.scoreboard.consumer import Stuck
from services.scoreboard.publisher import TooManyParked
from tests.simulation.watch import Watch

# Reasons to rebuild that are there for bugs, and for nothing that happens to servers.
UNREACHABLE = ("rows-differ", "unknown-users")

SEEN_IN_LOGS = {
    "producer_replaced": "a producer was replaced",
    "commit_skipped": "a reader's commit was refused",
    "board_repaired": "an audit repaired the board",
    "rebuild_finished": "the board was rebuilt under load",
    "event_parked": "an unreadable record was parked",
    "log_gone": "the log was lost",
    "rate_limit_is_local": "the rate limit was local",
}

SEEN_IN_METRICS = {
    "a commit of unknown outcome was found committed": (metrics.UNKNOWN_COMMITS, "committed"),
    "a commit of unknown outcome was found absent": (metrics.UNKNOWN_COMMITS, "absent"),
    "a screen was slow, and dropped": (metrics.CLOSES, str(int(CloseCode.STALLED))),
}


def read(event: str, fields: Mapping[str, Any], watch: Watch) -> None:
    """What a log line says of the properties."""
    if event in SEEN_IN_LOGS:
        watch.sometimes(SEEN_IN_LOGS[event])
    elif event == "rebuild_started":
        why = fields["reason"]
        watch.always(why not in UNREACHABLE, "an audit finds no state that never was", why)
    elif event == "background_task_died":
        error = fields["exc_info"]
        stated = isinstance(error, Stuck | TooManyParked)
        watch.always(stated, "a process ends by itself for a stated reason only", repr(error))


def reason(fields: Mapping[str, Any]) -> str:
    """Why something was logged, for the trace."""
    named = (str(fields[name]) for name in ("error", "reason", "exc_info") if name in fields)
    return "".join(f" {value}" for value in named)


def counted() -> dict[str, float]:
    """Counters that tell which guards were needed, since this process began."""
    return {
        what: sum(
            sample.value
            for family in counter.collect()
            for sample in family.samples
            if sample.name.endswith("_total") and label in sample.labels.values()
        )
        for what, (counter, label) in SEEN_IN_METRICS.items()
    }
