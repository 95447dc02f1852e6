"""What a log line keeps of a field that is too long."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from libs.common import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """`configure` is for a whole process; other tests have their own handlers."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configured)


def _deep(depth: int) -> None:
    if depth == 0:
        raise ValueError("what happened")
    _deep(depth - 1)
    _deep(depth - 2)


def test_the_end_of_a_long_traceback_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test")
    try:
        _deep(80)
    except ValueError:
        logging.getLogger("test").exception("failed")
    line = json.loads(capsys.readouterr().out)
    assert line["exception"].endswith("ValueError: what happened")
    assert len(line["exception"]) <= logs.MAX_FIELD_CHARACTERS + 1


def test_the_beginning_of_any_other_long_field_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test")
    logging.getLogger("test").warning("x" * (logs.MAX_FIELD_CHARACTERS + 10))
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "x" * logs.MAX_FIELD_CHARACTERS + "…"
