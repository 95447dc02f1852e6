"""
A development broker that speaks Kafka's protocol: `noida-db --only kafka`.

It forgets everything when it is killed, and makes a missing topic with one partition for whoever
asks first. So it counts as ready only when all topics are as they should be, after each start.
"""

import signal
from pathlib import Path

from libs.common.kafka import EMBEDDED_CONFIG, ensure_topics
from libs.devstack import wheels
from libs.devstack.ports import HOST
from libs.devstack.programs import Program


def program(data: Path, *, port: int) -> Program:
    """The broker on a loopback port; a clean stop saves its log in `data`."""
    data.mkdir(parents=True, exist_ok=True)
    bootstrap = f"{HOST}:{port}"

    async def ready() -> None:
        await ensure_topics(bootstrap, replication=1, extra=EMBEDDED_CONFIG)

    return Program(
        name="kafka",
        command=(
            str(wheels.executable("noida_db", "noida-db")),
            *("start", "--only", "kafka", "--kafka-port", str(port)),
            *("--data-dir", str(data), "--host", HOST),
        ),
        directory=data,
        environment={"LC_ALL": "C"},
        ready=ready,
        port=port,
        url=bootstrap,
        death_signal=signal.SIGTERM,
        quiet=True,
        noise="weak version",  # the loader, about a newer libc that is not needed
    )
