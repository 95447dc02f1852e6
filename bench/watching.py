"""The measurements with watchers, as steps of a campaign."""

from functools import partial

from bench.campaign import Step
from bench.plan import Contenders, watched
from bench.workloads import deliveries as reads
from bench.workloads import idle as waiting
from bench.workloads import screen as screens
from bench.workloads import storm as storms
from bench.workloads import stuck as holdups

RATE_PER_SECOND = 10.0
FLOOR_SECONDS = 8.0
STORM_SECONDS = 12.0


def deliveries(
    those: Contenders,
    *,
    watchers: int = reads.WATCHERS,
    seconds: float = reads.SECONDS,
    rounds: int = 1,
    events: bool = False,
    name: str = "",
) -> list[Step]:
    """What a frame costs notification, and beside it the C loop."""
    measure = partial(reads.measure, seconds=seconds, events=events)
    name = name or ("events" if events else "deliveries")
    lasts = reads.WARM_SECONDS + seconds + FLOOR_SECONDS
    return watched(name, those, measure, watchers=watchers, seconds=lasts, rounds=rounds)


def screen(
    those: Contenders,
    *,
    watchers: int = screens.WATCHERS,
    seconds: float = screens.SECONDS,
    rounds: int = 1,
    rate: float = RATE_PER_SECOND,
    name: str = "",
) -> list[Step]:
    """How long an update takes from POST to screen."""
    measure = partial(screens.measure, rate=rate, seconds=seconds)
    usual = "screen" if rate <= screens.MOST_TIMED_PER_SECOND else "screen-busy"
    lasts = screens.WARM_SECONDS + seconds
    return watched(name or usual, those, measure, watchers=watchers, seconds=lasts, rounds=rounds)


def idle(
    those: Contenders,
    *,
    watchers: int = waiting.WATCHERS,
    seconds: float = waiting.SECONDS,
    rounds: int = 1,
) -> list[Step]:
    """What a WebSocket costs on which nothing happens."""
    measure = partial(waiting.measure, seconds=seconds)
    lasts = 2 * waiting.QUIET_SECONDS + seconds
    return watched("idle", those, measure, watchers=watchers, seconds=lasts, rounds=rounds)


def stuck(
    those: Contenders,
    *,
    watchers: int = holdups.WATCHERS,
    seconds: float = holdups.TURN_SECONDS,
    rounds: int = 1,
) -> list[Step]:
    """What those who read nothing do to the others."""
    measure = partial(holdups.measure, seconds=seconds)
    lasts = len(holdups.TURNS) * (holdups.FILL_SECONDS + seconds)
    return watched("stuck", those, measure, watchers=watchers, seconds=lasts, rounds=rounds)


def storm(those: Contenders, *, watchers: int = storms.WATCHERS, rounds: int = 1) -> list[Step]:
    """How long until all are current again that were cut off at once."""
    lasts = STORM_SECONDS
    return watched("storm", those, storms.measure, watchers=watchers, seconds=lasts, rounds=rounds)
