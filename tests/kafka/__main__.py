"""
Run all tests that touch Kafka on a real one: `python -m tests.kafka [--nodes 3] [-- -k wedge]`.

Arguments after `--` are pytest's; with a path among them, only that is run.
`--serve` starts the cluster only, and tells where it is. Kafka is fetched first where it is not.
"""

import argparse
import os
import signal
import subprocess
import sys

from tests.kafka import installation
from tests.kafka.cluster import Cluster, cluster
from tests.kafka.conftest import LONG
from tests.servers import APACHE, docker_answers

SUITES = (
    "tests/kafka",
    "tests/traps",
    "tests/integration/test_kafka.py",
    "tests/integration/test_group_reader.py",
    "tests/integration/test_regions.py",
    "tests/integration/test_score.py",
    "tests/integration/test_scoreboard.py",
    "tests/integration/test_notification.py",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kafka", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3))
    parser.add_argument("--serve", action="store_true", help="start the cluster and wait")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest's, after --")
    asked = parser.parse_args()
    try:
        if not docker_answers():
            installation.fetch()
        with cluster(asked.nodes) as running:
            return serve(running) if asked.serve else run(running, asked.pytest)
    except installation.NoKafka as reason:
        print(f"no Apache Kafka 4: {reason}")
        return 1


def run(kafka: Cluster, arguments: list[str]) -> int:
    """Pytest's exit code."""
    print(f"Apache Kafka {installation.release()} at {kafka.bootstrap}", flush=True)
    inherited = dict(os.environ)  # noqa: TID251 - handed on, not read
    given = {"TEST_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, APACHE: "1", LONG: "1"}
    suites = () if any(word.startswith("tests/") for word in arguments) else SUITES
    command = [sys.executable, "-m", "pytest", "-rs", *suites, *arguments]
    return subprocess.run(command, env=inherited | given, check=False).returncode


def serve(kafka: Cluster) -> int:
    """Wait until it is told to stop."""
    print(f"export KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap}")
    print(f"processes {kafka.pids}; Ctrl-C ends them", flush=True)
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    signal.sigwait(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
