"""How long it takes after a fault until all is well again, as clients and screens see it."""

import asyncio
from collections.abc import Awaitable, Sequence
from statistics import median
from typing import NamedTuple

from tests.oracle.history import Request
from tests.oracle.screens import Screen
from tests.oracle.trial import Trial

POLL_SECONDS = 0.05


class Recovery(NamedTuple):
    """Seconds from a fault until …"""

    repaired: float
    """what was broken is there again"""
    writes: float
    """an increment that was sent after the fault has been accepted"""
    screens: float
    """every screen has shown such an increment"""

    def __str__(self) -> str:
        repaired, writes, screens = (f"{seconds:.1f} s" for seconds in self)
        return f"process {repaired}, writes {writes}, screens {screens}"


async def recovery(work: Trial, repaired: Awaitable[object]) -> Recovery:
    """Wait for all three, from now on."""
    now = asyncio.get_running_loop().time
    fault, first = now(), len(work.history.requests)

    def accepted() -> list[Request]:
        return [request for request in work.history.requests[first:] if request.acked]

    async def repair() -> float:
        await repaired
        return now() - fault

    async def writes() -> float:
        while not (news := accepted()):
            await asyncio.sleep(POLL_SECONDS)
        return min(request.ended for request in news) - fault

    async def screens() -> float:
        while not all(_shows_one_of(accepted(), screen) for screen in work.screens):
            await asyncio.sleep(POLL_SECONDS)
        return now() - fault

    return Recovery(*await asyncio.gather(repair(), writes(), screens()))


def summary(seen: Sequence[Recovery]) -> str:
    """The middle and the worst."""
    names = ("process", "writes", "screens")
    columns = zip(names, zip(*seen, strict=True), strict=True)
    again = (f"{name} {median(column):.1f}/{max(column):.1f} s" for name, column in columns)
    return f"again after (p50/max): {', '.join(again)}"


def _shows_one_of(news: Sequence[Request], screen: Screen) -> bool:
    """A user's score as it was after one of these increments, or a later one."""
    scores: dict[str, int] = {}
    for request in news:
        scores[request.user] = min(request.score, scores.get(request.user, request.score))
    return any(user in scores and score >= scores[user] for user, score in screen.top)
