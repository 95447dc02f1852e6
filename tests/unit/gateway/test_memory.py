"""Verdicts are used until their time, and not one too many is kept."""

import pytest

from services.gateway.domain import memory
from services.gateway.domain.memory import Memory
from tests.unit.gateway.fakes import FakeClock, a_verdict

MOST = 10


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_VERDICTS", MOST)


def test_a_verdict_is_known_until_its_time() -> None:
    clock = FakeClock()
    kept = Memory(clock)
    kept.put("token", a_verdict("alice"), 5)

    clock.seconds = 4.9
    assert kept.get("token") == a_verdict("alice")
    assert kept.get("another") is None
    clock.seconds = 5
    assert kept.get("token") is None


def test_a_second_verdict_on_a_token_holds_instead_of_the_first() -> None:
    clock = FakeClock()
    kept = Memory(clock)
    kept.put("token", a_verdict("alice"), 5)
    clock.seconds += 3
    kept.put("token", a_verdict("bob"), 5)

    clock.seconds += 4
    assert kept.get("token") == a_verdict("bob")
    assert len(kept) == 1


def test_beyond_the_most_the_oldest_is_forgotten() -> None:
    clock = FakeClock()
    kept = Memory(clock)
    for n in range(MOST):
        kept.put(f"{n}", a_verdict("alice"), 5)
    kept.put("0", a_verdict("alice"), 5)
    kept.put("one more", a_verdict("alice"), 5)

    assert len(kept) == MOST
    assert kept.get("1") is None
    assert kept.get("0") is not None


def test_what_is_past_its_time_goes_when_others_come() -> None:
    clock = FakeClock()
    kept = Memory(clock)
    for n in range(MOST):
        kept.put(f"{n}", a_verdict("alice"), 5)
    clock.seconds += 5
    for n in range(MOST // 2):
        kept.put(f"new {n}", a_verdict("alice"), 5)

    assert len(kept) == MOST // 2
