"""Metrics that exist are measured, described, and the only ones that alerts speak of."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from libs.common import metrics

ROOT = Path(__file__).parents[2]
CODE = "\n".join(
    path.read_text("utf-8")
    for folder in ("libs", "services")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
NAMES = [
    name for name, value in vars(metrics).items() if isinstance(value, Counter | Gauge | Histogram)
]
ALERTS = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
PROMETHEUS_OWN = {"up"}


def exported() -> dict[str, set[str]]:
    """Every name that can be asked for, with its labels."""
    names: dict[str, set[str]] = {}
    for name in NAMES:
        metric = getattr(metrics, name)
        family = next(iter(metric.describe()))
        suffixes = {"counter": ["_total"], "gauge": [""]}.get(
            family.type, ["_bucket", "_sum", "_count"]
        )
        names |= {family.name + suffix: set(metric._labelnames) for suffix in suffixes}
    return names


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_measured_somewhere(name: str) -> None:
    assert re.search(rf"\bmetrics\.{name}\b", CODE)


def test_the_page_lists_every_metric() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")

    assert page == metrics.page()
    assert page.count("\n| `") == len(NAMES)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is(rule: dict[str, str]) -> None:
    known = exported()
    asked = re.findall(r"\b([a-z]+_[a-z_]+|up)(?:\{([^}]*)\})?", without_functions(rule["expr"]))

    assert asked
    for name, labels in asked:
        assert name in known or name in PROMETHEUS_OWN, name
        if name in known:
            assert set(re.findall(r"(\w+)\s*[=!]", labels)) <= known[name]


def without_functions(expression: str) -> str:
    """PromQL without what is called, and without the labels to sum by."""
    return re.sub(r"\bby \([^)]*\)|\b\w+(?=\()", "", expression)


def test_the_operators_page_says_what_to_do_about_every_alert() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")

    for rule in ALERTS:
        assert f"| `{rule['alert']}` |" in page
