"""Any honest ledger holds; whatever is changed in one, the right check names the right entry."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from libs.common.contracts.values import MAX_TOTAL
from services.score.domain.casebook import Case, Choice, Violation
from services.score.domain.replay import FROM_1970_TO_2000_US, Replay, Total

COLUMNS = (
    *("user_id", "seq", "version", "delta", "balance_after", "kind", "idem_key", "request_hash"),
    *("reverses_seq", "case_id", "actor", "created_at", "reason", "hash"),
)
HASHED = COLUMNS[1:-1]
FOR_EVER = 2**62

any_ledger = settings(max_examples=25, deadline=None)

Entry = dict[str, Any]


@dataclass
class Ledger:
    """One user's, written as score writes it, but by other code."""

    entries: list[Entry] = field(default_factory=list)
    cases: dict[str, Case] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    holds: int = 0

    def increment(self, delta: int) -> None:
        number = len(self.entries) + 1
        key = {"idem_key": f"key-{number}", "request_hash": bytes([number % 256]) * 16}
        self._append(delta, kind="increment", actor="alice", **key)

    def reverse(self, seqs: Iterable[int], *, approved: bool) -> None:
        """A case of its own, applied."""
        case_id = f"case-{len(self.cases)}"
        targets = {seq: self._standing(seq) for seq in seqs}
        case = Case(
            *(case_id, "applied", len(targets), len(targets), approved, "mona", "cheated"),
            *("otto" if approved else None, None, None, None),
        )
        self.cases[case_id] = case
        for seq, target in targets.items():
            self._compensate(target, case_id, "mona", "cheated")
            self.choices.append(Choice(case_id, seq, target, len(self.entries), None))

    def revert(self, case_id: str) -> None:
        case = self.cases[case_id]
        self.cases[case_id] = replace(
            case,
            state="reverted",
            revert_requested_by="otto",
            revert_reason="a mistake",
            revert_approved_by="mona" if case.needs_approval else None,
        )
        for place, choice in reversed(list(enumerate(self.choices))):
            if choice.case_id == case_id:
                assert choice.reversal_seq
                self._compensate(choice.reversal_seq, case_id, "otto", "a mistake")
                self.choices[place] = replace(choice, revert_seq=len(self.entries))

    def hold(self) -> None:
        self.holds += 1

    def standing(self) -> list[int]:
        """The increments that count."""
        taken = {c.seq for c in self.choices if c.revert_seq is None}
        return [
            e["seq"] for e in self.entries if e["kind"] == "increment" and e["seq"] not in taken
        ]

    def applied(self) -> list[str]:
        return [case.case_id for case in self.cases.values() if case.state == "applied"]

    def rehash(self) -> None:
        """Make the chain fit to whatever the entries say now."""
        head = b""
        for entry in self.entries:
            head = entry["hash"] = sha256(head + text_of(entry).encode()).digest()

    def total(self) -> Total:
        last = self.entries[-1] if self.entries else None
        seqs = self.standing()
        reached = self.entries[(seqs[-1] if seqs else 1) - 1]["created_at"] if last else 0
        return Total(
            score=last["balance_after"] if last else 0,
            version=len(self.entries) + self.holds,
            entries=len(self.entries),
            reached_at=reached,
            head=last["hash"] if last else b"",
            held=self.holds % 2 == 1,
            holds=self.holds,
            last_hold=("user.released", "user.held")[self.holds % 2] if self.holds else None,
        )

    def violations(self, total: Total | None = None) -> list[Violation]:
        cases = {case_id: replace(case) for case_id, case in self.cases.items()}
        replay = Replay("alice", cases, until=FOR_EVER)
        rows = [tuple(entry[column] for column in COLUMNS) for entry in self.entries]
        half = len(rows) // 2
        found = [*replay.add(rows[:half]), *replay.add(rows[half:])]
        found += replay.finish(total or self.total(), self.choices)
        return found + [v for case in cases.values() for v in case.violations()]

    def checks(self, total: Total | None = None) -> set[tuple[str, int]]:
        return {(v.check, v.seq) for v in self.violations(total)}

    def _standing(self, seq: int) -> int:
        """The entry by which an increment counts."""
        reverts = (c.revert_seq or 0 for c in self.choices if c.seq == seq)
        return max(reverts, default=0) or seq

    def _compensate(self, target: int, case_id: str, actor: str, reason: str) -> None:
        what = {"kind": "reversal", "reverses_seq": target, "case_id": case_id}
        self._append(-self.entries[target - 1]["delta"], **what, actor=actor, reason=reason)

    def _append(self, delta: int, **fields: Any) -> None:
        last = self.entries[-1] if self.entries else None
        seq = len(self.entries) + 1
        entry: Entry = dict.fromkeys(COLUMNS) | {
            "user_id": "alice",
            "seq": seq,
            "version": seq + self.holds,
            "delta": delta,
            "balance_after": (last["balance_after"] if last else 0) + delta,
            "created_at": 800_000_000_000_000 + seq * 1_000_001,
            **fields,
        }
        head = last["hash"] if last else b""
        entry["hash"] = sha256(head + text_of(entry).encode()).digest()
        self.entries.append(entry)


def text_of(entry: Entry) -> str:
    words = dict(entry, created_at=entry["created_at"] + FROM_1970_TO_2000_US)
    words["request_hash"] = (entry["request_hash"] or b"").hex()
    words["reverses_seq"] = entry["reverses_seq"] or 0
    return "\x1f".join(str("" if words[c] is None else words[c]) for c in COLUMNS[:-1])


@st.composite
def ledgers(draw: st.DrawFn, *, corrected: bool = False) -> Ledger:
    ledger = Ledger()
    ledger.increment(draw(st.integers(1, 1000)))
    steps = draw(st.lists(st.sampled_from(["add", "add", "add", "reverse", "revert", "hold"])))
    for step in [*steps, *(["add", "reverse", "add"] if corrected else [])]:
        match step:
            case "add":
                ledger.increment(draw(st.integers(1, 1000)))
            case "reverse" if seqs := ledger.standing():
                chosen = draw(st.sets(st.sampled_from(seqs), min_size=1, max_size=4))
                ledger.reverse(sorted(chosen), approved=draw(st.booleans()))
            case "revert" if cases := ledger.applied():
                ledger.revert(draw(st.sampled_from(cases)))
            case "hold":
                ledger.hold()
            case _:
                pass
    return ledger


def entry_of(ledger: Ledger, data: st.DataObject, *, kind: str = "") -> Entry:
    found = [entry for entry in ledger.entries if kind in ("", entry["kind"])]
    return data.draw(st.sampled_from(found))


@any_ledger
@given(ledger=ledgers())
def test_an_honest_ledger_holds(ledger: Ledger) -> None:
    assert ledger.violations() == []


def test_a_user_without_entries_holds() -> None:
    assert Ledger().violations() == []


@any_ledger
@given(ledger=ledgers())
def test_it_does_not_matter_in_how_many_parts_entries_come(ledger: Ledger) -> None:
    rows = [tuple(entry[column] for column in COLUMNS) for entry in ledger.entries]
    replay = Replay("alice", ledger.cases, until=FOR_EVER)
    assert [v for row in rows for v in replay.add([row])] == []
    assert replay.finish(ledger.total(), ledger.choices) == []
    assert replay.root == rows[-1][-1]


@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_the_root_of_a_time_stays_what_it_was(ledger: Ledger, data: st.DataObject) -> None:
    rows = [tuple(entry[column] for column in COLUMNS) for entry in ledger.entries]
    last = data.draw(st.integers(1, len(rows)))
    replay = Replay("alice", ledger.cases, until=ledger.entries[last - 1]["created_at"] + 1)
    replay.add(rows)
    assert replay.root == rows[last - 1][-1]


OTHER_VALUES: dict[str, Callable[[Any], Any]] = {
    "kind": lambda kind: {"increment": "adjustment", "reversal": "increment"}[kind],
    "idem_key": lambda key: None if key else "",
    "request_hash": lambda value: None if value else b"",
    "reverses_seq": lambda seq: seq + 1 if seq else 0,
    "case_id": lambda case: f"{case}-" if case else "",
    "reason": lambda reason: f"{reason}!" if reason else "",
    "actor": lambda actor: f"{actor}!",
    "hash": lambda value: value[:-1] + bytes([value[-1] ^ 1]),
}


@pytest.mark.parametrize("column", [*HASHED, "hash"])
@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_a_change_of_any_column_is_found_at_its_entry(
    column: str, ledger: Ledger, data: st.DataObject
) -> None:
    entry = entry_of(ledger, data)
    total = ledger.total()
    seq = entry["seq"]
    entry[column] = OTHER_VALUES.get(column, lambda number: number + 1)(entry[column])

    broken = {at for check, at in ledger.checks(total) if check == "L8"}

    if column == "seq":  # the next, if there is one, comes after another entry, but fits to it
        assert broken == {seq + 1}
    else:
        assert broken == {seq}


@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_two_swapped_entries_are_both_found(ledger: Ledger, data: st.DataObject) -> None:
    assume(len(ledger.entries) > 1)
    first = data.draw(st.integers(0, len(ledger.entries) - 2))
    second = data.draw(st.integers(first + 1, len(ledger.entries) - 1))
    one, other = ledger.entries[first], ledger.entries[second]
    for column in COLUMNS[2:]:
        one[column], other[column] = other[column], one[column]
    assert {("L8", first + 1), ("L8", second + 1)} <= ledger.checks()


@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_l1_a_total_that_says_something_else(ledger: Ledger, data: st.DataObject) -> None:
    change: dict[str, Any] = data.draw(CHANGED_TOTAL)
    changed = replace(ledger.total(), **change)
    assert ledger.checks(changed) == {("L1", len(ledger.entries))}


CHANGED_TOTAL: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{"score": 10**12}, {"entries": 10**6}, {"head": b"another"}]
)


@any_ledger
@given(ledger=ledgers())
def test_l1_a_missing_last_entry(ledger: Ledger) -> None:
    total = ledger.total()
    ledger.entries.pop()
    assert ("L1", len(ledger.entries)) in ledger.checks(total)


def test_l1_entries_without_a_total() -> None:
    ledger = Ledger()
    ledger.increment(10)
    replay = Replay("alice", {}, until=FOR_EVER)
    replay.add([tuple(entry[column] for column in COLUMNS) for entry in ledger.entries])
    assert [(v.check, v.seq) for v in replay.finish(None, [])] == [("L1", 1)]


# From here on the chain is made to fit again, as somebody with all rights could do.


@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_l2_a_gap(ledger: Ledger, data: st.DataObject) -> None:
    gone = data.draw(st.integers(1, len(ledger.entries)))
    ledger.increment(5)
    total = ledger.total()
    del ledger.entries[gone - 1]
    ledger.rehash()
    assert ("L2", gone + 1) in ledger.checks(total)


@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_l2_a_number_left_out(ledger: Ledger, data: st.DataObject) -> None:
    total = ledger.total()
    seq = data.draw(st.integers(1, len(ledger.entries)))
    for entry in ledger.entries[seq - 1 :]:
        entry["seq"] += 1
    ledger.rehash()
    assert ("L2", seq + 1) in ledger.checks(total)


@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_l3_a_balance_that_does_not_follow(ledger: Ledger, data: st.DataObject) -> None:
    entry = entry_of(ledger, data)
    ledger.increment(5)
    entry["balance_after"] += 1
    ledger.rehash()
    seq = entry["seq"]
    assert ledger.checks() == {("L3", seq), ("L3", seq + 1), ("L9", seq)}


@any_ledger
@given(ledger=ledgers(corrected=True), data=st.data())
def test_l4_an_entry_reversed_twice(ledger: Ledger, data: st.DataObject) -> None:
    twice = entry_of(ledger, data, kind="reversal")
    ledger.reverse([], approved=False)
    ledger._compensate(twice["reverses_seq"], f"case-{len(ledger.cases) - 1}", "mona", "cheated")
    assert ("L4", len(ledger.entries)) in ledger.checks()


@any_ledger
@given(ledger=ledgers(corrected=True), data=st.data())
def test_l5_a_reversal_of_another_amount(ledger: Ledger, data: st.DataObject) -> None:
    entry = entry_of(ledger, data, kind="reversal")
    seq, by = entry["seq"], 1 if entry["delta"] > 0 else -1
    entry["delta"] += by
    for later in ledger.entries[seq - 1 :]:
        later["balance_after"] += by
    ledger.rehash()
    assert ("L5", seq) in ledger.checks()


@any_ledger
@given(ledger=ledgers(corrected=True), data=st.data(), ahead=st.integers(0, 3))
def test_l5_a_reversal_of_what_is_not_before_it(
    ledger: Ledger, data: st.DataObject, ahead: int
) -> None:
    entry = entry_of(ledger, data, kind="reversal")
    entry["reverses_seq"] = entry["seq"] + ahead
    ledger.rehash()
    assert ("L5", entry["seq"]) in ledger.checks()


@pytest.mark.parametrize("delta", [MAX_TOTAL, -MAX_TOTAL])
@any_ledger
@given(ledger=ledgers())
def test_l6_a_balance_beyond_the_bounds(ledger: Ledger, delta: int) -> None:
    ledger.increment(delta)
    balance = ledger.entries[-1]["balance_after"]
    assume(not 0 <= balance <= MAX_TOTAL)
    assert ledger.checks() == {("L6", len(ledger.entries))}


@any_ledger
@given(ledger=ledgers(corrected=True))
def test_l7_a_reverted_case_that_gave_nothing_back(ledger: Ledger) -> None:
    case = ledger.cases[ledger.applied()[-1]]
    case.state = "reverted"
    case.revert_requested_by, case.revert_reason = "otto", "a mistake"
    assert ("L7", len(ledger.entries)) in ledger.checks()


def test_l7_everything_reversed_but_points_left() -> None:
    ledger = Ledger()
    ledger.increment(10)
    ledger.reverse([1], approved=False)
    ledger.entries[-1] |= {"delta": -9, "balance_after": 1}
    ledger.rehash()
    assert {("L5", 2), ("L7", 2)} <= ledger.checks()


@any_ledger
@given(ledger=ledgers(), data=st.data())
def test_l9_a_version_that_does_not_grow(ledger: Ledger, data: st.DataObject) -> None:
    ledger.increment(5)
    entry = entry_of(ledger, data)
    entry["version"] = data.draw(st.integers(-5, ledger.entries[entry["seq"] - 2]["version"]))
    assume(entry["seq"] > 1)
    ledger.rehash()
    assert ("L9", entry["seq"]) in ledger.checks()


@pytest.mark.parametrize("change", [{"version": 1000}, {"reached_at": 1}, {"holds": 1000}])
@any_ledger
@given(ledger=ledgers())
def test_l9_a_total_that_cannot_be_recomputed(ledger: Ledger, change: dict[str, Any]) -> None:
    assert ledger.checks(replace(ledger.total(), **change)) == {("L9", 0)}


@any_ledger
@given(ledger=ledgers())
def test_l9_a_hold_that_nobody_made(ledger: Ledger) -> None:
    total = ledger.total()
    assert ledger.checks(replace(total, held=not total.held)) == {("L9", 0)}


@any_ledger
@given(ledger=ledgers(corrected=True), data=st.data())
@pytest.mark.parametrize(
    ("column", "value"),
    [("actor", "eve"), ("reason", "because"), ("reason", ""), ("case_id", "case-99")],
)
def test_l11_a_reversal_that_its_case_does_not_explain(
    column: str, value: str, ledger: Ledger, data: st.DataObject
) -> None:
    entry = entry_of(ledger, data, kind="reversal")
    entry[column] = value
    ledger.rehash()
    assert ("L11", entry["seq"]) in ledger.checks()


@any_ledger
@given(ledger=ledgers(corrected=True), data=st.data())
def test_l11_a_reversal_that_no_case_chose(ledger: Ledger, data: st.DataObject) -> None:
    choice = data.draw(st.sampled_from(ledger.choices))
    ledger.choices.remove(choice)
    assert {("L11", choice.reversal_seq), ("L11", 0)} <= ledger.checks()


@any_ledger
@given(ledger=ledgers(corrected=True), data=st.data())
@pytest.mark.parametrize("column", ["seq", "target_seq", "reversal_seq", "revert_seq", "case_id"])
def test_l11_a_choice_that_names_what_is_not_its_own(
    column: str, ledger: Ledger, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(ledger.choices) - 1))
    choice = ledger.choices[place]
    value: Any = "case-99" if column == "case_id" else (getattr(choice, column) or 1) + 1000
    ledger.choices[place] = changed = replace(choice, **{column: value})
    assert ("L11", changed.seq) in ledger.checks()


def test_l11_a_choice_of_what_does_not_exist() -> None:
    ledger = Ledger()
    ledger.increment(10)
    ledger.cases["case-0"] = Case(
        *("case-0", "awaiting_approval", 1, 0, True, "mona", "cheated", None, None, None, None)
    )
    ledger.choices = [Choice("case-0", 1, 1, None, None)]
    assert ledger.violations(total := replace(ledger.total(), reached_at=800_000_001_000_001)) == []
    ledger.choices = [Choice("case-0", 2, 2, None, None)]
    assert ledger.checks(total) == {("L11", 2)}


def test_l11_a_choice_of_another_increment() -> None:
    ledger = Ledger()
    ledger.increment(10)
    ledger.increment(10)
    ledger.reverse([1], approved=False)
    total = ledger.total()
    ledger.choices[0] = replace(ledger.choices[0], seq=2)
    assert ledger.checks(total) == {("L11", 2)}


@pytest.mark.parametrize(
    "change",
    [
        {"approved_by": None},
        {"approved_by": "mona"},
        {"requested_by": ""},
        {"reason": ""},
        {"done": 7},
        {"entries": 7},
        {"state": "withdrawn"},
        {"state": "applying", "done": 0},
        {"state": "reverting", "done": 0},
    ],
)
def test_l11_a_case_that_contradicts_itself(change: dict[str, Any]) -> None:
    ledger = Ledger()
    ledger.increment(10)
    ledger.reverse([1], approved=True)
    assert ledger.violations() == []
    ledger.cases["case-0"] = replace(ledger.cases["case-0"], **change)
    assert ("L11", 0) in ledger.checks()


@pytest.mark.parametrize(
    "change",
    [
        {"revert_approved_by": None},
        {"revert_approved_by": "otto"},
        {"revert_requested_by": None},
        {"revert_reason": None},
    ],
)
def test_l11_a_revert_that_contradicts_itself(change: dict[str, Any]) -> None:
    ledger = Ledger()
    ledger.increment(10)
    ledger.reverse([1], approved=True)
    ledger.revert("case-0")
    assert ledger.violations() == []
    ledger.cases["case-0"] = replace(ledger.cases["case-0"], **change)
    assert ("L11", 0) in ledger.checks()
