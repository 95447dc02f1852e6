"""The rules of the board."""

from services.scoreboard.domain import Top, moves


def top(*users: str, rev: int = 1) -> Top:
    return Top(1, rev, tuple((user, 10) for user in users))


def test_moves_are_places_gained_or_lost() -> None:
    before, after = top("a", "b", "c"), top("c", "a", "b")
    assert moves(before, after) == {"c": 2, "a": -1, "b": -1}


def test_a_newcomer_comes_from_behind_the_last() -> None:
    assert moves(top("a", "b"), top("new", "a", "b")) == {"new": 2, "a": -1, "b": -1}


def test_nothing_moved_before_the_first() -> None:
    assert moves(None, top("a")) == {}
