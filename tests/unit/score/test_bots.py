"""The rules of suspicion, and the ladder."""

from datetime import UTC, datetime

import pytest

from services.score.domain.bots import (
    MAX_WINDOW_SECONDS,
    RULES,
    Signal,
    Suspicion,
    review_case,
    rules_with,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
WHOLE = {
    "signal": "rate_share",
    "window_seconds": 60,
    "threshold": 0.5,
    "action": "hold",
    "shadow": True,
}


def test_every_default_rule_can_be_meant_and_has_a_name_of_its_own() -> None:
    assert rules_with({}) == RULES
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_no_default_rule_holds_anybody_before_an_operator_says_so() -> None:
    assert all(rule.shadow for rule in RULES if rule.action == "hold")


def test_shared_networks_alone_never_open_a_review() -> None:
    alone = [rule for rule in RULES if rule.signal == Signal.USERS_PER_FINGERPRINT]

    assert alone
    assert all(rule.action == "observe" for rule in alone)


def test_every_signal_has_a_rule() -> None:
    assert {rule.signal for rule in RULES} == set(Signal)


def test_a_rule_is_changed_by_name_and_the_others_stay() -> None:
    changed = rules_with({"metronome": {"shadow": True, "threshold": 0.99}})

    assert [rule.name for rule in changed] == [rule.name for rule in RULES]
    metronome = next(rule for rule in changed if rule.name == "metronome")
    assert (metronome.shadow, metronome.threshold, metronome.action) == (True, 0.99, "tag")
    assert [r for r in changed if r.name != "metronome"] == [
        r for r in RULES if r.name != "metronome"
    ]


def test_a_new_name_is_a_new_rule() -> None:
    (new,) = [rule for rule in rules_with({"mine": WHOLE}) if rule.name == "mine"]

    assert (new.signal, new.action, new.shadow) == ("rate_share", "hold", True)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"mine": {}}, "mine"),
        ({"mine": WHOLE | {"signal": "mood"}}, "mood"),
        ({"mine": WHOLE | {"action": "ban"}}, "action"),
        ({"mine": WHOLE | {"window_seconds": 0}}, "window_seconds"),
        ({"mine": WHOLE | {"window_seconds": MAX_WINDOW_SECONDS + 1}}, "window_seconds"),
        ({"mine": WHOLE | {"threshold": 0}}, "threshold"),
        ({"mine": WHOLE | {"threshold": float("nan")}}, "threshold"),
        ({"mine": WHOLE | {"threshold": 1.5}}, "threshold"),
        ({"metronome": {"treshold": 0.5}}, "treshold"),
        ({"metronome": {"name": "other"}}, "name"),
        ({"many-faces": {"threshold": 33}}, "at most 32"),
        ({str(n): WHOLE for n in range(40)}, "rules"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    change: dict[str, dict[str, object]], what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        rules_with(change)


@pytest.mark.parametrize(
    ("action", "shadow", "effect", "needs_review"),
    [
        ("observe", False, "observe", False),
        ("tag", False, "tag", True),
        ("hold", False, "hold", True),
        ("observe", True, "shadow", False),
        ("tag", True, "shadow", False),
        ("hold", True, "shadow", False),
    ],
)
def test_the_ladder(action: str, shadow: bool, effect: str, needs_review: bool) -> None:
    rules = rules_with({"mine": WHOLE | {"action": action, "shadow": shadow}})
    suspicion = Suspicion("alice", rules[-1], 0.7, NOW)

    assert (suspicion.effect, suspicion.needs_review) == (effect, needs_review)


def test_the_evidence_says_what_was_seen_and_leads_to_no_client() -> None:
    suspicion = Suspicion("alice", rules_with({"mine": WHOLE})[-1], 0.7, NOW)

    assert suspicion.evidence == {
        "signal": "rate_share",
        "value": 0.7,
        "threshold": 0.5,
        "window_seconds": 60,
    }
    assert (NOW - suspicion.since).total_seconds() == 60


def test_a_case_is_named_for_its_review() -> None:
    assert review_case(12) == "review-12"
