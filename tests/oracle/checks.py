"""
Nine questions to what was logged and what is held; each answers with what it found wrong.

After them a run has proved for its requests and frames that each accepted increment counted exactly
once, that what was acknowledged was durable, and that every screen converged and showed nothing
that never was. Pure: everything they look at has been read before.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from tests.oracle.history import Request
from tests.oracle.screens import Screen, Wall
from tests.oracle.truth import Entry, Total

TOP_SIZE = 10

Ledger = Mapping[str, Sequence[Entry]]
"""By user: the increments in the order of their seq."""


@dataclass(frozen=True)
class Violation:
    """A promise broken: which, and by whom."""

    promise: str
    what: str


def lost(requests: Iterable[Request], ledger: Ledger) -> Iterator[Violation]:
    """1: what was acknowledged is in the ledger, with the very answer that was given."""
    kept = {(user, entry.key): entry for user, entries in ledger.items() for entry in entries}
    for request in requests:
        entry = kept.get((request.user, request.key))
        if request.acked and (
            entry is None or (request.seq, request.score) != (entry.seq, entry.balance)
        ):
            yield Violation("lost", f"{request} was acknowledged, the ledger has {entry}")


def phantom(requests: Iterable[Request], ledger: Ledger) -> Iterator[Violation]:
    """2: the ledger has nothing that was not sent, and nothing that was refused."""
    sent = {(r.user, r.key, r.points) for r in requests if r.verdict != "refused"}
    for user, entries in ledger.items():
        for entry in entries:
            if (user, entry.key, entry.delta) not in sent:
                yield Violation("phantom", f"{user} has {entry}, which nobody sent")


def doubled(ledger: Ledger) -> Iterator[Violation]:
    """3: no key counted twice."""
    for user, entries in ledger.items():
        for key, count in Counter(entry.key for entry in entries).items():
            if count > 1:
                yield Violation("doubled", f"{user}'s {key} counted {count} times")


def disordered(requests: Iterable[Request]) -> Iterator[Violation]:
    """
    4: if one request had ended before another began, it has the smaller seq.

    With distinct seqs that is what makes each user's total a linearizable counter (Herlihy and
    Wing, 1990): sorted by seq, no request may end before an earlier one has begun.
    """
    by_user: dict[str, list[Request]] = {}
    for request in requests:
        if request.acked:
            by_user.setdefault(request.user, []).append(request)
    for user, acked in by_user.items():
        acked.sort(key=lambda request: request.seq)
        latest_start = float("-inf")
        for request in acked:
            if request.ended < latest_start:
                yield Violation("disordered", f"{user}: {request} ended before an earlier began")
            latest_start = max(latest_start, request.started)
        for first, second in pairwise(acked):
            if first.seq == second.seq:
                yield Violation("disordered", f"{user}: two answers with seq {first.seq}")


def miscounted(requests: Iterable[Request], ledger: Ledger) -> Iterator[Violation]:
    """5: each user's increments are what was acknowledged, and perhaps what had no verdict."""
    acked: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for request in requests:
        if request.verdict != "refused":
            (acked if request.acked else unknown)[request.user] += request.points
    for user, entries in ledger.items():
        points = sum(entry.delta for entry in entries)
        if not acked[user] <= points <= acked[user] + unknown[user]:
            yield Violation("miscounted", f"{user}: {points} counted, {acked[user]} acknowledged")


def drifted(
    totals: Iterable[Total], rows: Mapping[str, tuple[int, int, bool]]
) -> Iterator[Violation]:
    """6: Redis has every user as the ledger has it."""
    for total in totals:
        held = rows.get(total.user)
        if held != (total.score, total.version, total.held):
            yield Violation("drifted", f"{total}, Redis has {held}")


def misranked(
    expected: Sequence[tuple[str, int]], board: Sequence[tuple[str, int]], screens: Iterable[Screen]
) -> Iterator[Violation]:
    """7: the board, read to its end, is the ledger in order, and every screen shows its top."""
    for rank, (right, shown) in enumerate(zip_longest(expected, board), start=1):
        if right != shown:
            yield Violation("misranked", f"rank {rank}: the board has {shown}, the ledger {right}")
            break
    for number, screen in enumerate(screens):
        if screen.top != tuple(expected[:TOP_SIZE]):
            yield Violation("misranked", f"screen {number} shows {screen.top}")


def misshown(
    screens: Iterable[Screen], wall: Wall, balances: set[tuple[str, int]]
) -> Iterator[Violation]:
    """8: no screen went back, no (epoch, rev) had two contents, every pair was held once."""
    for number, screen in enumerate(screens):
        for before, after in pairwise(screen.positions):
            if after <= before:
                yield Violation("misshown", f"screen {number} went from {before} back to {after}")
    for position, one, other in wall.torn:
        yield Violation("misshown", f"{position} was {one} and {other}")
    shown = {pair for top in wall.contents.values() for pair in top}
    for pair in sorted(shown - balances):
        yield Violation("misshown", f"{pair} was shown, but never held")


def left_over(*, outbox: int, parked: int, drift: float) -> Iterator[Violation]:
    """9: nothing waits, nothing was parked, and the product's own audit is content."""
    if outbox:
        yield Violation("left over", f"{outbox} batches in the outbox")
    if parked:
        yield Violation("left over", f"{parked} messages parked")
    if drift:
        yield Violation("left over", f"{drift:.0f} users drifted at the last audit")
