"""The servers that tests talk to, as containers; used when a Docker engine answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer

POSTGRES_IMAGE = "postgres:18"
VALKEY_IMAGE = "valkey/valkey:9"
KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"


@contextmanager
def postgres() -> Iterator[str]:
    """The administrator's URL."""
    with PostgresContainer(POSTGRES_IMAGE, driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def valkey() -> Iterator[str]:
    """The URL."""
    with RedisContainer(VALKEY_IMAGE) as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
        yield f"redis://{host}:{port}/0"


@contextmanager
def kafka() -> Iterator[str]:
    """The address of a broker."""
    with KafkaContainer(KAFKA_IMAGE).with_kraft() as container:
        yield container.get_bootstrap_server()
