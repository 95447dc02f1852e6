"""Apache Kafka as the brokers of other tests are: killed, it comes back knowing nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.kafka.cluster import Cluster, cluster


class ForgetfulBroker:
    """A node whose data are deleted with its life (`tests.servers.Broker`)."""

    def __init__(self, kafka: Cluster) -> None:
        self._kafka = kafka

    @property
    def address(self) -> str:
        return self._kafka.bootstrap

    def start(self) -> None:
        self._kafka.forget()
        self._kafka.begin()

    def kill(self) -> None:
        self._kafka.kill(1)

    def stop(self) -> None:
        self._kafka.stop(1)


@contextmanager
def mortal_kafka() -> Iterator[ForgetfulBroker]:
    """A broker of one's own."""
    with cluster() as kafka:
        yield ForgetfulBroker(kafka)
