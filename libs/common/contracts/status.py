"""What the gateway says about the whole product, for `/ops`: who answers, and chosen figures."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from libs.common.contracts.values import Contract

Health = Literal["ok", "unavailable", "down"]


class ProcessStatus(Contract):
    """
    One process. `unavailable`: it answers, but something that it needs does not; `down`: it does
    not answer.
    """

    address: str = Field(
        description="host:port; empty: the gateway that answers this", examples=[""]
    )
    health: Health
    checks: dict[str, str] = Field(
        description="what it needs: `ok`, or the kind of failure", examples=[{"postgresql": "ok"}]
    )
    loop_lag_seconds: float | None = Field(
        default=None, description="how late its event loop woke, worst of the last 5 s"
    )


class ServiceStatus(Contract):
    """A service; it is as well as the worst of its processes."""

    name: str = Field(examples=["score"])
    health: Health
    processes: list[ProcessStatus]


class Freshness(Contract):
    """From the acceptance of an increment until its snapshot was handed to the sockets."""

    mean_seconds: float
    p99_seconds: float = Field(description="an upper bound: the edge of a histogram's bucket")


class Figures(Contract):
    """
    What the processes that answer count, taken together; null: nobody answers who counts it.

    Those named `_total` only grow, until a process starts anew: a page derives rates from them.
    """

    accepted_total: int | None = Field(default=None, description="increments counted")
    refused_total: int | None = Field(default=None, description="increments refused")
    outbox_batches: int | None = Field(default=None, description="committed, not yet in Kafka")
    outbox_oldest_seconds: float | None = None
    consumer_lag_records: int | None = Field(default=None, description="not yet on the board")
    drift_users: int | None = Field(default=None, description="at the last audit of the board")
    drift_points: int | None = None
    streams: dict[str, int] | None = Field(
        default=None,
        description="open streams by transport",
        examples=[{"websocket": 120, "sse": 3}],
    )
    freshness: Freshness | None = Field(
        default=None,
        description="of the last minute, or longer if nobody looked; null: nothing was sent in it",
    )
    open_reviews: int | None = Field(default=None, description="suspicions that wait for a person")


class StatusReport(Contract):
    """The whole product at a moment, at most a second old."""

    at: datetime
    services: list[ServiceStatus]
    figures: Figures
