"""The topic `score-updates` as lists, and a reader of it that takes turns."""

from collections.abc import Mapping, Sequence
from typing import Literal
from zlib import crc32

from libs.common.contracts.scores import ScoreUpdated
from libs.common.errors import LogGone, PublishFailed
from libs.common.kafka import Message, Record
from libs.common.kafka.readers import Positions
from tests.model.actors import Actor

PARTITIONS = 3

Fate = Literal["acked", "twice", "unacked", "refused"]
"""What becomes of records: written (once or twice), written without an answer, or not at all."""


class Log:
    """What the broker keeps; `fate` is that of the next records, `away` that it does not answer."""

    def __init__(self) -> None:
        self.partitions: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.fate: Fate = "acked"
        self.away = False
        self._written: list[bytes] = []

    async def publish(self, records: Sequence[Record]) -> None:
        """As `libs.common.kafka.Publisher`."""
        for _ in range({"refused": 0, "twice": 2}.get(self.fate, 1)):
            for record in records:
                partition = crc32(record.key) % PARTITIONS
                self.partitions[partition].append(record.value)
                self._written.append(record.value)
        if self.fate in ("refused", "unacked"):
            raise PublishFailed(self.fate)

    async def ends(self) -> Mapping[int, int]:
        """As the scoreboard's `Log`."""
        return {} if self.away else {p: len(log) for p, log in enumerate(self.partitions)}

    def written(self) -> set[tuple[str, int]]:
        """Users and versions of all that was ever written, the lost included."""
        events = map(ScoreUpdated.model_validate_json, self._written)
        return {(event.user_id, event.version) for event in events}

    def lose_tail(self, records: int) -> None:
        """Forget the last records of each partition; their offsets are given again."""
        for log in self.partitions:
            del log[max(0, len(log) - records) :]


class Reader:
    """As `libs.common.kafka.GroupReader`, with all partitions; each batch is a turn of `actor`."""

    def __init__(
        self, log: Log, actor: "Actor[list[Message] | LogGone]", positions: Positions
    ) -> None:
        self._log = log
        self._actor = actor
        self._positions = positions
        self._at: dict[int, int] = {}
        self._failure: Exception | None = None
        self.assigned = frozenset(range(PARTITIONS))
        self.settled = True

    async def open(self) -> None:
        try:
            await self.locate()
        except Exception as error:  # noqa: BLE001 - raised by read(), as the real one does
            self._failure = error

    async def close(self) -> None: ...

    async def locate(self) -> None:
        known = await self._positions(self.assigned)
        self._at = {partition: known.get(partition) or 0 for partition in self.assigned}

    async def read(self, *, max_records: int, timeout_ms: int) -> list[Message]:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        brought = await self._actor.wait()
        if isinstance(brought, LogGone):
            raise brought
        return brought

    def fetch(self, first: int, count: int) -> list[Message] | LogGone:
        """The next records, beginning with those of one partition."""
        fetched: list[Message] = []
        for partition in sorted(self.assigned, key=lambda p: (p - first) % PARTITIONS):
            at, log = self._at[partition], self._log.partitions[partition]
            if at > len(log):
                return LogGone(f"{partition} ends at {len(log)}, before {at}")
            values = log[at : at + count - len(fetched)]
            self._at[partition] += len(values)
            fetched += [
                Message(partition, offset, None, value)
                for offset, value in enumerate(values, start=at)
            ]
        return fetched
