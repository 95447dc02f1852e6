"""
One user's entries replayed: what the ledger claims must follow from what it holds.

Written from the rules, without the SQL that made the ledger, so that a mistake of either shows.
Keeps 24 bytes of each entry of the user at hand, and a little more of each reversal.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from libs.common.contracts.values import MAX_TOTAL
from services.score.domain.casebook import Case, Choice, Violation

FROM_1970_TO_2000_US = 946_684_800_000_000

Row = Sequence[Any]
"""
An entry: user_id, seq, version, delta, balance_after, kind, idem_key, request_hash, reverses_seq,
case_id, actor, created_at, reason, hash. Times are microseconds since 2000 (UTC), everywhere here.
"""

_SEQ, _VERSION, _DELTA, _BALANCE, _HASH = 1, 2, 3, 4, 13
_BEGINNING: Row = ("", 0, 0, 0, 0, "", None, None, None, None, "", 0, None, b"")


@dataclass(frozen=True, slots=True)
class Total:
    """What is kept of a user beside the entries; `holds` counts the audited holds and releases."""

    score: int
    version: int
    entries: int
    reached_at: int
    head: bytes
    held: bool
    holds: int
    last_hold: str | None


class Replay:
    """
    Replays a user's entries, in the order of their seqs.

    `root` is the hash of the last entry made before `until`: it stands for all up to it.
    """

    def __init__(self, user_id: str, cases: Mapping[str, Case], *, until: int) -> None:
        self.user_id = user_id
        self.root = b""
        self._cases = cases
        self._until = until
        self._last = _BEGINNING
        self._sum = 0
        self._seqs, self._deltas, self._times = array("q"), array("q"), array("q")
        self._forked_at, self._fork = 0, b""
        self._reversals: dict[int, tuple[int, str | None]] = {}
        self._reversed: set[int] = set()
        self._roots: dict[int, int] = {}  # of a reversal: the increment it is about in the end
        self._taken: set[int] = set()  # the increments that do not count right now
        self._by_case: Counter[str | None] = Counter()

    @property
    def corrected(self) -> bool:
        """Whether anything was ever taken from this user."""
        return bool(self._reversals)

    def add(self, rows: Sequence[Row]) -> list[Violation]:
        """Replay the next entries; what is wrong with them."""
        found: list[Violation] = []
        user_id, total, until, before = self.user_id, self._sum, self._until, self._last
        _, seq_before, version_before, _, balance_before, *_, head = before
        keep_seq, keep_delta = self._seqs.append, self._deltas.append
        keep_time = self._times.append
        # A million rows a run: everything that is not wrong is done right here.
        for row in rows:
            (
                _,
                seq,
                version,
                delta,
                balance,
                kind,
                key,
                body,
                target,
                case_id,
                actor,
                at,
                reason,
                stored,
            ) = row
            text = (
                f"{user_id}\x1f{seq}\x1f{version}\x1f{delta}\x1f{balance}\x1f{kind}\x1f{key or ''}"
                f"\x1f{body.hex() if body else ''}\x1f{target or 0}\x1f{case_id or ''}"
                f"\x1f{actor}\x1f{at + FROM_1970_TO_2000_US}\x1f{reason or ''}"
            ).encode()
            total += delta
            if (
                sha256(head + text).digest() != stored
                or balance != balance_before + delta
                or seq != seq_before + 1
                or version <= version_before
                or not 0 <= balance <= MAX_TOTAL
            ):
                found += self._misfits(before, row, total, text)
            if kind == "reversal":
                found += self._correct(row)
            elif kind == "increment" and not target is case_id is reason is None:
                found.append(self._violation("L8", seq, "has what only a reversal has"))
            keep_seq(seq)
            keep_delta(delta)
            keep_time(at)
            if at < until:
                self.root = stored
            before, seq_before, version_before = row, seq, version
            balance_before, head = balance, stored
        self._last, self._sum = before, total
        return found

    def finish(self, total: Total | None, choices: Sequence[Choice]) -> list[Violation]:
        """What is wrong with the user as a whole, once all entries were added."""
        return [
            *self._unbalanced(total),
            *self._unlike_recomputed(total),
            *self._unreturned(),
            *self._unchosen(choices),
        ]

    def _misfits(self, before: Row, row: Row, total: int, text: bytes) -> Iterator[Violation]:
        """What an entry that does not fit to the one before it breaks."""
        seq, delta, balance = row[_SEQ], row[_DELTA], row[_BALANCE]
        if seq != before[_SEQ] + 1:
            yield self._violation("L2", seq, f"comes after seq {before[_SEQ]}")
        if balance != before[_BALANCE] + delta:
            words = f"says {balance} after {before[_BALANCE]} {delta:+}"
            yield self._violation("L3", seq, words)
        if not 0 <= balance <= MAX_TOTAL:
            yield self._violation("L6", seq, f"the balance is {balance}")
        # Once it is off by something, it stays so: only a change of that is news.
        if balance - total not in (0, before[_BALANCE] - total + delta):
            words = f"the entries so far add up to {total}, it answered {balance}"
            yield self._violation("L9", seq, words)
        if row[_VERSION] <= before[_VERSION]:
            words = f"version {row[_VERSION]} comes after {before[_VERSION]}"
            yield self._violation("L9", seq, words)
        yield from self._broken_link(before, row, text)

    def _broken_link(self, before: Row, row: Row, text: bytes) -> Iterator[Violation]:
        seq, digest = row[_SEQ], sha256(before[_HASH] + text).digest()
        if digest == row[_HASH]:
            return
        # If only the hash of the entry before was changed, this one fits to what it should be.
        forked = self._forked_at == before[_SEQ] and self._forked_at > 0
        if not (forked and sha256(self._fork + text).digest() == row[_HASH]):
            yield self._violation("L8", seq, "its hash is not that of it and those before it")
        self._forked_at, self._fork = seq, digest

    def _correct(self, row: Row) -> Iterator[Violation]:
        """Judge a reversal, and remember it."""
        _, seq, _, delta, _, _, key, body, target, case_id, actor, _, reason, _ = row
        if not key is body is None:
            yield self._violation("L8", seq, "has what only an increment has")
        if target in self._reversed:
            yield self._violation("L4", seq, f"reverses entry {target}, which is reversed already")
        original = self._delta(target)
        if original is None:
            yield self._violation("L5", seq, f"reverses entry {target}, which is not before it")
        elif delta != -original:
            yield self._violation(
                "L5", seq, f"reverses {original:+} of entry {target} by {delta:+}"
            )
        case = self._cases.get(case_id)
        if case is None:
            yield self._violation("L11", seq, f"there is no case {case_id}")
        elif not case.signs(delta, actor, reason):
            yield self._violation("L11", seq, f"actor or reason is not that of case {case_id}")
        self._reversals[seq] = target, case.case_id if case else case_id
        self._reversed.add(target)
        self._by_case[case_id] += delta
        root: int = self._roots.get(target) or target
        self._roots[seq] = root
        self._taken ^= {root}

    def _unbalanced(self, total: Total | None) -> Iterator[Violation]:
        seq, balance, head = self._last[_SEQ], self._last[_BALANCE], self._last[_HASH]
        if total is None:
            yield self._violation("L1", seq, "there are entries, but no total")
            return
        if not total.score == self._sum == balance:
            words = f"score {total.score}, sum of the entries {self._sum}, last balance {balance}"
            yield self._violation("L1", seq, words)
        if total.entries != seq:
            yield self._violation("L1", seq, f"there should be {total.entries} entries")
        if total.head != head:
            yield self._violation("L1", seq, "the last entry is not the one that the total names")

    def _unlike_recomputed(self, total: Total | None) -> Iterator[Violation]:
        if total is None:
            return
        seq = self._last[_SEQ]
        if total.version != seq + total.holds:
            words = f"{total.version}, with {seq} entries and {total.holds} holds and releases"
            yield self._violation("L9", 0, f"the total's version is {words}")
        if total.held != (total.last_hold == "user.held"):
            words = f"held: {total.held}, though the audit's last act is {total.last_hold}"
            yield self._violation("L9", 0, words)
        if seq and total.reached_at != (since := self._standing_since()):
            words = f"{total.reached_at - since:+} µs from when it was"
            yield self._violation("L9", 0, f"the total says it was reached {words}")

    def _unreturned(self) -> Iterator[Violation]:
        seq = self._last[_SEQ]
        for case_id, points in self._by_case.items():
            case = self._cases.get(case_id or "")
            if case and case.state == "reverted" and points:
                words = f"case {case_id} was reverted, but leaves {points:+}"
                yield self._violation("L7", seq, words)
        increments = len(self._seqs) - len(self._reversals)
        if self._reversals and len(self._taken) == increments and self._last[_BALANCE]:
            yield self._violation("L7", seq, f"everything is reversed, but {self._last[_BALANCE]}")

    def _unchosen(self, choices: Sequence[Choice]) -> Iterator[Violation]:
        """Reversals that no case chose, and choices without the entries that they name."""
        unclaimed = dict(self._reversals)
        for choice in choices:
            if case := self._cases.get(choice.case_id):
                case.see(choice)
            right = self._delta(choice.seq) is not None
            right &= choice.seq == self._roots.get(choice.target_seq, choice.target_seq)
            if choice.reversal_seq is not None:
                made = unclaimed.pop(choice.reversal_seq, None)
                right &= made == (choice.target_seq, choice.case_id)
            if choice.revert_seq is not None:
                made = unclaimed.pop(choice.revert_seq, None)
                right &= made == (choice.reversal_seq, choice.case_id)
            if not right:
                words = f"case {choice.case_id} names entries that are not its own: {choice}"
                yield self._violation("L11", choice.seq, words)
        for seq, (_, case_id) in unclaimed.items():
            yield self._violation("L11", seq, f"case {case_id} does not name this reversal")

    def _standing_since(self) -> int:
        """When the newest increment that counts was made; without any, the first entry."""
        for seq, at in zip(reversed(self._seqs), reversed(self._times), strict=True):
            if seq not in self._reversals and seq not in self._taken:
                return at
        return self._times[0]

    def _delta(self, seq: int | None) -> int | None:
        """Of an entry that was added already."""
        if seq is None:
            return None
        place = bisect_left(self._seqs, seq)
        known = place < len(self._seqs) and self._seqs[place] == seq
        return self._deltas[place] if known else None

    def _violation(self, check: str, seq: int, what: str) -> Violation:
        return Violation(check, self.user_id, seq, what)
