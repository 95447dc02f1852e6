"""The corpus through the real script and the real rules, in the corpus' own time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bench.bots.actors import HOUR, Actor
from bench.bots.clients import START
from services.score.domain.bots import Sighting, Suspicion
from services.score.store.signals import RedisSignals
from services.score.usecases.suspicion import MAX_SIGHTINGS_PER_CALL


@dataclass
class Finding:
    """What happened to one account: rules by effect, and when it was first to be reviewed."""

    rules: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    reviewed_at: float | None = None

    def note(self, suspicion: Suspicion) -> None:
        self.rules[suspicion.effect].add(suspicion.rule.name)
        if suspicion.needs_review and self.reviewed_at is None:
            self.reviewed_at = (suspicion.at - START).total_seconds()


@dataclass(frozen=True)
class Outcome:
    """One kind of account."""

    kind: str
    accounts: int
    increments: int
    reviewed: int
    would_hold: int
    observed: int
    hours_until_reviewed: float | None
    rules: Sequence[str]


def timeline(actors: Iterable[Actor]) -> list[Sighting]:
    """All that is sent, in order."""
    found = [
        (at, actor.name, points, fingerprint)
        for actor in actors
        for at, points, fingerprint in actor.steps
    ]
    found.sort()
    return [
        Sighting(name, fingerprint, START + timedelta(seconds=at), points)
        for at, name, points, fingerprint in found
    ]


def batches(sightings: Sequence[Sighting]) -> Iterable[Sequence[Sighting]]:
    """As the service sends them."""
    for start in range(0, len(sightings), MAX_SIGHTINGS_PER_CALL):
        yield sightings[start : start + MAX_SIGHTINGS_PER_CALL]


async def watch(
    signals: RedisSignals, batch: Sequence[Sighting], findings: dict[str, Finding]
) -> None:
    """One batch; what is found is added to `findings` by account."""
    for suspicion in await signals.measure(batch) or []:
        findings.setdefault(suspicion.user_id, Finding()).note(suspicion)


def outcome(actors: Sequence[Actor], findings: dict[str, Finding]) -> Outcome:
    """What became of accounts of one kind."""
    found = [findings.get(actor.name, Finding()) for actor in actors]
    delays = sorted(
        (finding.reviewed_at - actor.steps[0][0]) / HOUR
        for actor, finding in zip(actors, found, strict=True)
        if finding.reviewed_at is not None
    )
    return Outcome(
        kind=actors[0].kind,
        accounts=len(actors),
        increments=sum(len(actor.steps) for actor in actors),
        reviewed=len(delays),
        would_hold=sum(bool(f.rules["shadow"] or f.rules["hold"]) for f in found),
        observed=sum(bool(f.rules["observe"]) for f in found),
        hours_until_reviewed=delays[len(delays) // 2] if delays else None,
        rules=sorted({name for f in found for names in f.rules.values() for name in names}),
    )
