"""Each fast path can still be taken out of the product, and is then used by nobody."""

import os
import subprocess
import sys

import pytest

from bench.ablations import arming, replacements, turns
from bench.ablations.catalogue import ABLATIONS
from bench.ablations.replacing import Gone, replace, replace_value
from bench.campaign import Run

PLACE = "bench.ablations.replacements:WITHOUT_MAXIMUM_AGE"
PRINT = """
import sys
sys.argv = ["uvicorn"]
from services.gateway.routes.express import Express
print(Express)
"""


def python(without: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python as a stack would start it: the service's name is among its arguments."""
    return subprocess.run(
        [sys.executable, "-c", PRINT, *arguments],
        env={**os.environ, **arming.environment_without(without)},  # noqa: TID251
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ABLATIONS)
def test_it_is_taken_out_of_all_its_services(name: str) -> None:
    arming.require(ABLATIONS[name])


@pytest.mark.parametrize("name", ABLATIONS)
def test_it_says_how_and_builds_on_others_that_exist(name: str) -> None:
    assert ABLATIONS[name].apply.__doc__
    assert set(ABLATIONS[name].without) <= set(ABLATIONS)


def test_only_the_services_that_are_meant_are_changed() -> None:
    assert "_nothing_ordinary" in python(["express"], "services.gateway.main:app").stdout
    assert "Express'" in python(["express"], "services.score.main:app").stdout
    assert "Express'" in python(["express"]).stdout
    assert "Express'" in python([], "services.gateway.main:app").stdout


def test_a_service_that_cannot_be_changed_does_not_start() -> None:
    ended = python(["nothing"], "services.gateway.main:app")

    assert ended.returncode == arming.EXIT_CONFIGURATION
    assert ended.stderr.startswith("ablation nothing: it is none of express, ")


def test_what_is_gone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Gone, match="no:such is no longer there"):
        replace("no:such", lambda old: old)
    with pytest.raises(Gone, match=r"is 0\.0 already"):
        replace_value(PLACE, replacements.WITHOUT_MAXIMUM_AGE)
    monkeypatch.setattr(arming, "__name__", "no_such_module")
    with pytest.raises(Gone, match=r"hop does not apply to gateway: .*no_such_module"):
        arming.require.__wrapped__(ABLATIONS["hop"])


def test_turns_are_taken_and_the_factor_is_that_of_the_cost() -> None:
    steps = turns.steps([ABLATIONS["hop"]], rounds=2, seconds=1.0)
    assert [step.contender for step in steps] == ["with", "without", "without", "with"]

    runs = [
        Run("ablation-hop", side, {"microseconds": cost}, 1.0, 0.0, 98.0)
        for side, cost in (("with", 100.0), ("without", 240.0), ("without", 260.0))
    ]
    assert next(iter(turns.factors(runs).columns[-1].cells)) == "× 2.50"
