"""What is remembered is used until its time, and not one too many is kept."""

from libs.common.memory import Memory
from tests.notification_fakes import ManualClock

MOST = 10


def test_a_value_is_known_until_its_time() -> None:
    clock = ManualClock()
    kept = Memory[str](MOST, clock)
    kept.put("token", "alice", 5)

    clock.seconds = 4.9
    assert kept.get("token") == "alice"
    assert kept.get("another") is None
    clock.seconds = 5
    assert kept.get("token") is None


def test_a_second_value_holds_instead_of_the_first() -> None:
    clock = ManualClock()
    kept = Memory[str](MOST, clock)
    kept.put("token", "alice", 5)
    clock.seconds += 3
    kept.put("token", "bob", 5)

    clock.seconds += 4
    assert kept.get("token") == "bob"
    assert len(kept) == 1


def test_beyond_the_most_the_oldest_is_forgotten() -> None:
    clock = ManualClock()
    kept = Memory[str](MOST, clock)
    for n in range(MOST):
        kept.put(f"{n}", "alice", 5)
    kept.put("0", "alice", 5)
    kept.put("one more", "alice", 5)

    assert len(kept) == MOST
    assert kept.get("1") is None
    assert kept.get("0") is not None


def test_what_is_past_its_time_goes_when_others_come() -> None:
    clock = ManualClock()
    kept = Memory[str](MOST, clock)
    for n in range(MOST):
        kept.put(f"{n}", "alice", 5)
    clock.seconds += 5
    for n in range(MOST // 2):
        kept.put(f"new {n}", "alice", 5)

    assert len(kept) == MOST // 2
