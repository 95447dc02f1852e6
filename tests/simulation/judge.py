"""
The verdict on a world: the nine checks of the oracle, and what only a simulation can see.

`settled` asks what must become true soon after the faults; `judge` what must be true of everything
that ever happened.
"""

from collections.abc import Iterator
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from services.scoreboard.domain import in_order
from tests.oracle import checks
from tests.oracle.checks import TOP_SIZE
from tests.oracle.truth import Entry

if TYPE_CHECKING:
    from tests.simulation.world import World


def settled(world: "World") -> str:
    """What is not yet as the ledger says; empty if nothing is."""
    truth = world.truth()
    rows = world.board.rows_of(world.board.shown)
    top = tuple(truth[:TOP_SIZE])
    if world.ledger.outbox:
        return f"{len(world.ledger.outbox)} batches wait in the outbox"
    if [(row.user_id, row.score) for row in in_order(rows.values())] != truth:
        return "the board is not the ledger"
    for screen in world.screens:
        if screen.top != top:
            return f"{screen.url} does not show the top ten"
    newest = max(screen.position for screen in world.screens)
    for node in world.nodes:  # whoever opens a stream there, sees it at once
        if node.parts is None or node.parts.hub.position != newest:
            return f"{node.name} does not have the newest snapshot"
    return ""


def judge(world: "World") -> Iterator[str]:
    """Every promise that was broken, in words."""
    requests = world.history.requests
    increments = {
        user: [
            Entry(line.version, line.key, line.delta, line.balance)
            for line in lines
            if line.kind == "increment"
        ]
        for user, lines in world.ledger.lines.items()
    }
    found = chain(
        checks.lost(requests, increments),
        checks.phantom(requests, increments),
        checks.doubled(increments),
        checks.disordered(requests),
        checks.miscounted(requests, increments),
        checks.misshown(world.screens, world.wall, world.watch.pairs),
    )
    yield from (f"{violation.promise}: {violation.what}" for violation in found)
    yield from _unsummed(world)
    yield from _unpublished(world)
    if wrong := settled(world):
        yield f"not converged: {wrong}"
    truth = world.truth()
    if len(truth) > TOP_SIZE and truth[TOP_SIZE - 1][1] == truth[TOP_SIZE][1]:
        world.sometimes("a tie at rank 10 and 11")


def _unsummed(world: "World") -> Iterator[str]:
    """The ledger adds up: no gap in seq, each balance the sum so far, nothing reversed twice."""
    for user, lines in world.ledger.lines.items():
        total = 0
        for number, line in enumerate(lines, start=1):
            total += line.delta
            if (line.seq, line.balance) != (number, total) or total < 0:
                yield f"unsummed: {line}, and the sum is {total}"
        for before, after in pairwise(lines):
            if after.version <= before.version:
                yield f"unsummed: {user} went from version {before.version} to {after.version}"
        targets = [line.reverses for line in lines if line.reverses]
        if len(set(targets)) < len(targets):
            yield f"unsummed: an entry of {user} was reversed twice"
        if world.ledger.rows[user].score != total:
            yield f"unsummed: {user} has {world.ledger.rows[user].score}, not {total}"


def _unpublished(world: "World") -> Iterator[str]:
    """Every change was written to Kafka at least once."""
    for change in world.watch.changes:
        event_id = f"{change.user_id}:{world.ledger.ledger_epoch}:{change.version}"
        if event_id not in world.broker.published:
            yield f"unpublished: {event_id}"
