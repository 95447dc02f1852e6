"""Clusters for the tests of one module each; skipped with the reason where there is no Kafka."""

import os
from collections.abc import Iterator

import pytest

from tests.kafka.cluster import Cluster, cluster
from tests.kafka.installation import COMMAND, NoKafka

LONG = "TEST_KAFKA_LONG"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes is left to the explicit command."""
    if os.environ.get(LONG):  # noqa: TID251 - tests have no settings
        return
    skip = pytest.mark.skip(reason=f"takes a minute: `{COMMAND}`")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)


@pytest.fixture(scope="module")
def one_node() -> Iterator[Cluster]:
    yield from _cluster(1)


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[Cluster]:
    yield from _cluster(3)


def _cluster(nodes: int) -> Iterator[Cluster]:
    try:
        with cluster(nodes) as running:
            yield running
    except NoKafka as reason:
        pytest.skip(f"no Apache Kafka 4: {reason}")
