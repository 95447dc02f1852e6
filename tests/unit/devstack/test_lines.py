"""How log lines look at the terminal."""

import json

from libs.devstack.lines import MAX_CHARACTERS, Line, readable


def test_a_structured_line_shows_time_level_event_and_fields() -> None:
    raw = json.dumps(
        {
            "timestamp": "2026-03-01T12:34:56.123456Z",
            "level": "warning",
            "event": "producer_replaced",
            "service": "score",
            "logger": "libs.common.kafka",
            "topic": "score-updates",
        }
    )

    assert readable(raw) == Line(
        "producer_replaced topic=score-updates", time="12:34:56", level="warning"
    )


def test_a_traceback_is_kept_apart() -> None:
    raw = json.dumps({"event": "failed", "exception": "Traceback\n  boom"})

    assert readable(raw).traceback == "Traceback\n  boom"
    assert readable(json.dumps({"event": "Traceback\n  boom"})) == Line(
        "Traceback", traceback="  boom"
    )


def test_other_lines_stay_as_they_are() -> None:
    for raw in ("LOG:  ready", "{not json", '{"no": "event"}', '["a list"]'):
        assert readable(raw) == Line(raw)


def test_a_line_has_a_limit() -> None:
    assert len(readable("x" * 10_000).text) == MAX_CHARACTERS
