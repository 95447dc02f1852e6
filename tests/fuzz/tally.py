"""What was asked, what was answered, and which checks failed."""

from collections import Counter
from dataclasses import dataclass, field

from schemathesis.engine.recorder import ScenarioRecorder

SHOWN_CHARACTERS = 600


@dataclass
class Tally:
    """Counts that add up; `failures` are by check, and one example is kept of each kind."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    overload: int = 0
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def server_errors(self) -> int:
        """Answers of 5xx, but for those that say when to come back."""
        return sum(n for status, n in self.statuses.items() if status >= 500) - self.overload

    def add(self, recorder: ScenarioRecorder, who: str) -> None:
        """One scenario: a request, or several that follow from each other."""
        for interaction in recorder.interactions.values():
            self.cases += 1
            if interaction.response is None:
                self.broke(who, f"{recorder.label}: no answer")
                continue
            self.statuses[interaction.response.status_code] += 1
            if interaction.response.status_code == 503:
                self.overload += "retry-after" in interaction.response.headers
        for case_id, nodes in recorder.checks.items():
            for node in nodes:
                self.checks[node.name] += 1
                if node.failure_info is not None:
                    label = recorder.cases[case_id].value.operation.label
                    failure = node.failure_info.failure
                    told = f"{failure.message}\n{node.failure_info.code_sample}"
                    self._failed(node.name, f"{label}: {node.name}: {failure.title}", who, told)

    def broke(self, who: str, told: str) -> None:
        """The fuzzer itself could not go on, which proves nothing and must not pass for a proof."""
        self._failed("fuzzer", told, who, "")

    def __iadd__(self, other: "Tally") -> "Tally":
        self.cases += other.cases
        self.overload += other.overload
        for name in ("statuses", "failures", "checks"):
            getattr(self, name).update(getattr(other, name))
        self.examples = other.examples | self.examples
        return self

    def _failed(self, check: str, kind: str, who: str, told: str) -> None:
        self.failures[check] += 1
        self.examples.setdefault(kind, f"as {who}: {told[:SHOWN_CHARACTERS]}")
