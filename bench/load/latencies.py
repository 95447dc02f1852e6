"""
A histogram of latencies: ranges that double, each of 1024 equal buckets, as HdrHistogram has it.

True to three significant digits from 1 µs to 60 s; what took longer counts as 60 s, and `longest`
still says how long. Written here because recording is on the way of every request: the
`hdrhistogram` package is pure Python there, goes through several calls, and has no types.
"""

from collections import Counter

from pydantic import BaseModel, Field, computed_field

LONGEST_US = 60_000_000
_EXACT_BITS = 11  # below 2048 µs every microsecond has a bucket
_RANGE_BITS = _EXACT_BITS - 1


class Latencies(BaseModel):
    """How often each latency was seen; only buckets that were met take space."""

    counts: Counter[int] = Field(default_factory=Counter)
    longest_us: int = 0

    def record(self, nanoseconds: int) -> None:
        """Count one."""
        microseconds = nanoseconds // 1000
        if microseconds > self.longest_us:
            self.longest_us = microseconds
        self.counts[_bucket(min(microseconds, LONGEST_US))] += 1

    def merge(self, other: "Latencies") -> None:
        """Add what another histogram has counted."""
        self.counts.update(other.counts)
        self.longest_us = max(self.longest_us, other.longest_us)

    def percentile(self, percent: float) -> float:
        """The milliseconds within which `percent` of them ended; 0 if there are none."""
        wanted = percent / 100 * self.count
        passed = 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            if passed >= wanted:
                return min(_highest(bucket), self.longest_us) / 1000
        return 0.0

    def over(self, milliseconds: float) -> int:
        """How many took longer."""
        edge = _bucket(int(milliseconds * 1000))
        return sum(count for bucket, count in self.counts.items() if bucket > edge)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        return self.counts.total()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def milliseconds(self) -> dict[str, float]:
        """The usual figures, for those who read the JSON."""
        named = {f"p{percent:g}": self.percentile(percent) for percent in (50, 90, 99, 99.9)}
        return named | {"longest": self.longest_us / 1000}


def _bucket(microseconds: int) -> int:
    shift = max(microseconds.bit_length() - _EXACT_BITS, 0)
    return (shift << _RANGE_BITS) + (microseconds >> shift)


def _highest(bucket: int) -> int:
    """The largest number of microseconds that falls into a bucket."""
    shift = max((bucket >> _RANGE_BITS) - 1, 0)
    return ((bucket - (shift << _RANGE_BITS) + 1) << shift) - 1
