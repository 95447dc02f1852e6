"""
Increments by `POST`, in a closed or an open loop.

A closed loop finds what a server can do, and hides its pauses: while the server stands still,
nobody asks. An open loop asks by the clock, and what then has to wait is in the latencies
(no coordinated omission). Run it below the capacity that the closed loop found.
"""

from collections.abc import Mapping, Sequence

from bench.load.heads import Address
from bench.load.posted import Posted
from bench.load.requests import Mix, Requests
from bench.load.run import Accepted, Run

MAX_RUN_SECONDS = 600.0


async def closed(
    url: str,
    tokens: Mapping[str, str],
    *,
    connections: int,
    seconds: float = MAX_RUN_SECONDS,
    requests: int | None = None,
    mix: Mix = Mix.UNIFORM,
    seed: int = 1,
    on_accepted: Accepted | None = None,
) -> Posted:
    """As fast as the answers come, until the time is over or so many requests are sent."""
    run = Run(
        Address.of(url),
        Requests(url).many(list(tokens.values()), mix, seed),
        connections=connections,
        rate=None,
        limit=requests,
        on_accepted=on_accepted,
    )
    return await run.run(seconds)


async def open_loop(
    url: str,
    tokens: Mapping[str, str],
    *,
    connections: int,
    rate: float,
    seconds: float,
    mix: Mix = Mix.UNIFORM,
    seed: int = 1,
    on_accepted: Accepted | None = None,
) -> Posted:
    """`rate` requests in each second, come what may."""
    run = Run(
        Address.of(url),
        Requests(url).many(list(tokens.values()), mix, seed),
        connections=connections,
        rate=rate,
        limit=max(1, round(rate * seconds)),
        on_accepted=on_accepted,
    )
    return await run.run(seconds)


async def each(url: str, posts: Sequence[tuple[str, int]]) -> Posted:
    """Post these one after the other (token, points). Raises `ConnectionError`."""
    requests = Requests(url)
    run = Run(
        Address.of(url),
        (requests.one(token.encode(), points) for token, points in posts),
        connections=1,
        rate=None,
        limit=len(posts),
        on_accepted=None,
    )
    posted = await run.run(MAX_RUN_SECONDS)
    if not posted.clean:
        raise ConnectionError(f"not all were accepted: {dict(posted.statuses)}")
    return posted
