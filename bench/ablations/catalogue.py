"""The fast paths, where each is, and what shows its worth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.ablations import replacements
from libs.devstack.stack import SERVICES


@dataclass(frozen=True)
class Ablation:
    """
    A fast path taken out of some services' processes by `apply`, whose docstring says how.

    `without` names others that are out on both sides, since with them in there is nothing to see.
    """

    name: str
    fast_path: str
    services: tuple[str, ...]
    workload: Literal["increments", "deliveries", "storm"]
    apply: Callable[[], None]
    without: tuple[str, ...] = ()


ABLATIONS = {
    each.name: each
    for each in (
        Ablation(
            "express",
            "ordinary increments are read and answered past uvicorn, ASGI and the framework",
            ("gateway",),
            "increments",
            replacements.express,
        ),
        Ablation(
            "express-batches",
            "the gateway's batches are answered past the framework",
            ("score",),
            "increments",
            replacements.express_batches,
        ),
        Ablation(
            "express-streams",
            "WebSockets without a ticket are opened past uvicorn, ASGI and the framework",
            ("notification",),
            "storm",
            replacements.express_streams,
        ),
        Ablation(
            "hop",
            "one call to score for all increments of a moment",
            ("gateway",),
            "increments",
            replacements.hop,
        ),
        Ablation(
            "verdicts",
            "auth's verdicts are remembered",
            ("gateway",),
            "increments",
            replacements.verdicts,
            # It takes no request whose verdict is not remembered.
            without=("express",),
        ),
        Ablation(
            "group-commit",
            "one transaction for all increments of a moment",
            ("score",),
            "increments",
            replacements.group_commit,
        ),
        Ablation(
            "produce",
            "records are given to Kafka by the batch",
            ("score",),
            "increments",
            replacements.produce,
        ),
        Ablation(
            "gather",
            "commits of some milliseconds are published together",
            ("score",),
            "increments",
            replacements.gather,
        ),
        Ablation(
            "fetch",
            "records of some milliseconds are fetched together",
            ("scoreboard", "notification"),
            "increments",
            replacements.fetch,
        ),
        Ablation(
            "apply",
            "one script in Redis for a batch of records",
            ("scoreboard",),
            "increments",
            replacements.apply,
        ),
        Ablation(
            "frames",
            "frames are encoded once and shared",
            ("notification",),
            "deliveries",
            replacements.frames,
        ),
        Ablation(
            "garbage",
            "the collector leaves alone what lives for ever",
            SERVICES,
            "increments",
            replacements.garbage,
        ),
    )
}

NOT_ABLATED = {
    "takeover of the transport": "a stream's route ends when its transport is taken over, so "
    "nothing of ASGI is left to fall back to; `competent` in `deliveries` is such a server",
}
