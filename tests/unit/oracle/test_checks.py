"""The judge is judged: each check names what was planted, and nothing in a run that is right."""

from collections.abc import Iterable

from tests.oracle import checks
from tests.oracle.checks import Violation
from tests.oracle.history import Request
from tests.oracle.screens import Screen, Top, Wall
from tests.oracle.truth import Entry, Total

ANN = [Entry(1, "a", 5, 5), Entry(2, "b", 2, 7)]
LEDGER = {"ann": ANN}
TOP = (("ann", 7),)


def request(key: str, points: int, seq: int, score: int, at: float = 0, **more: object) -> Request:
    sent = Request("ann", key, points, started=at, ended=at + 1, verdict="acked")
    sent.seq, sent.score = seq, score
    for name, value in more.items():
        setattr(sent, name, value)
    return sent


REQUESTS = [request("a", 5, 1, 5, at=0), request("b", 2, 2, 7, at=2)]


def screen(*tops: tuple[tuple[int, int], Top]) -> Screen:
    shown = Screen("ws://nowhere", Wall())
    for position, top in tops:
        shown.wall.note(position, top)
        shown.positions.append(position)
    return shown


def promises(found: Iterable[Violation]) -> list[str]:
    return [violation.promise for violation in found]


def test_a_run_that_is_right_has_no_violation() -> None:
    shown = screen(((1, 1), (("ann", 5),)), ((1, 2), TOP))
    assert not [
        *checks.lost(REQUESTS, LEDGER),
        *checks.phantom(REQUESTS, LEDGER),
        *checks.doubled(LEDGER),
        *checks.disordered(REQUESTS),
        *checks.miscounted(REQUESTS, LEDGER),
        *checks.drifted([Total("ann", 7, 2, False)], {"ann": (7, 2, False)}),
        *checks.misranked([*TOP], [*TOP], [shown]),
        *checks.misshown([shown], shown.wall, {("ann", 5), ("ann", 7)}),
        *checks.left_over(outbox=0, parked=0, drift=0),
    ]


def test_an_answer_that_the_ledger_does_not_have_is_lost() -> None:
    assert promises(checks.lost([request("c", 1, 3, 8)], LEDGER)) == ["lost"]
    assert promises(checks.lost([request("b", 2, 2, 8)], LEDGER)) == ["lost"]


def test_an_entry_that_nobody_sent_or_that_was_refused_is_a_phantom() -> None:
    assert promises(checks.phantom(REQUESTS[:1], LEDGER)) == ["phantom"]
    refused = request("b", 2, 0, 0, verdict="refused")
    assert promises(checks.phantom([REQUESTS[0], refused], LEDGER)) == ["phantom"]
    other_points = request("b", 3, 2, 7)
    assert promises(checks.phantom([REQUESTS[0], other_points], LEDGER)) == ["phantom"]


def test_an_unknown_outcome_may_be_either() -> None:
    unknown = request("b", 2, 0, 0, verdict="")
    for ledger in (LEDGER, {"ann": ANN[:1]}):
        assert not [*checks.phantom([REQUESTS[0], unknown], ledger)]
        assert not [*checks.miscounted([REQUESTS[0], unknown], ledger)]


def test_a_key_that_counted_twice_is_doubled() -> None:
    twice = {"ann": [*ANN, Entry(3, "b", 2, 9)]}
    assert promises(checks.doubled(twice)) == ["doubled"]
    assert promises(checks.miscounted(REQUESTS, twice)) == ["miscounted"]


def test_seqs_follow_real_time() -> None:
    late = [request("a", 5, 2, 5, at=0), request("b", 2, 1, 7, at=2)]
    assert promises(checks.disordered(late)) == ["disordered"]
    overlapping = [request("a", 5, 2, 5, at=0), request("b", 2, 1, 7, at=0.5)]
    assert not [*checks.disordered(overlapping)]
    same = [request("a", 5, 1, 5, at=0), request("b", 2, 1, 5, at=2)]
    assert promises(checks.disordered(same)) == ["disordered"]


def test_redis_that_differs_has_drifted() -> None:
    totals = [Total("ann", 7, 2, False)]
    for rows in ({}, {"ann": (7, 1, False)}, {"ann": (6, 2, False)}, {"ann": (7, 2, True)}):
        assert promises(checks.drifted(totals, rows)) == ["drifted"]


def test_boards_and_screens_follow_the_ledgers_order() -> None:
    right, shown = [("ann", 7), ("bob", 7)], screen(((1, 1), (("ann", 7), ("bob", 7))))
    assert not [*checks.misranked(right, right, [shown])]
    for wrong in ([("bob", 7), ("ann", 7)], right[:1], [*right, ("eve", 1)]):
        assert promises(checks.misranked(right, wrong, [])) == ["misranked"]
    assert promises(checks.misranked(right, right, [screen(((1, 1), TOP))])) == ["misranked"]


def test_a_screen_never_goes_back_nor_shows_what_never_was() -> None:
    back = screen(((1, 2), TOP), ((1, 1), TOP))
    assert promises(checks.misshown([back], back.wall, {*TOP})) == ["misshown"]
    torn = screen(((1, 1), TOP))
    torn.wall.note((1, 1), ())
    assert promises(checks.misshown([torn], torn.wall, {*TOP})) == ["misshown"]
    assert promises(checks.misshown([torn], Wall({(1, 1): TOP}), set())) == ["misshown"]


def test_nothing_may_be_left_over() -> None:
    assert len([*checks.left_over(outbox=1, parked=1, drift=1)]) == 3
