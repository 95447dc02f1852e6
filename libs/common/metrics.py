"""
Every metric: its name, unit and labels.

Labels are bounded by the code (route templates, refusal codes), never by users. Buckets are
seconds or counts as the name says. `python -m libs.common.metrics` prints `docs/metrics.md`.
"""

import sys

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SIZES = (1, 2, 5, 10, 25, 50, 100, 200, 500)

# --- HTTP, every service
REQUESTS = Counter(
    "http_requests_total", "Requests answered", ["service", "method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds", "From request to answer", ["service", "route"], buckets=_FAST
)
LOOP_LAG_SECONDS = Gauge(
    "event_loop_lag_seconds", "How late the event loop woke, worst of the last seconds", ["service"]
)
LOOP_TASKS = Gauge("event_loop_tasks", "Tasks of the event loop", ["service"])

# --- gateway
VERDICTS = Counter(
    "gateway_verdicts_total", "Tokens judged, by where the verdict came from", ["source"]
)  # source: hit, miss, joined, renewed, refused
HOP_BATCH = Histogram("gateway_batch_size", "Increments in one call to score", buckets=_SIZES)

# --- score
ANSWERS = Counter(
    "score_answers_total",
    "Increments answered: accepted, replayed, or a refusal's code",
    ["result"],
)
COMMIT_BATCH = Histogram("score_commit_batch_size", "Increments in one commit", buckets=_SIZES)
COMMIT_SECONDS = Histogram("score_commit_duration_seconds", "One commit", buckets=_FAST)
UNKNOWN_COMMITS = Counter(
    "score_unknown_commits_total",
    "Commits whose answer was lost, by what the ledger said",
    ["found"],
)
LOCAL_LIMITER = Counter(
    "score_local_limiter_total", "Requests limited locally because Redis did not answer"
)
OUTBOX_DEPTH = Gauge("score_outbox_batches", "Committed batches not yet acknowledged by Kafka")
OUTBOX_AGE_SECONDS = Gauge("score_outbox_oldest_seconds", "Age of the oldest of them")
BOTS_SUSPICIONS = Counter(
    "score_bots_suspicions_total",
    "Users who crossed a rule, by what it did: observe, tag, hold, or shadow (nothing)",
    ["rule", "effect"],
)
BOTS_UNSEEN = Counter(
    "score_bots_unseen_total",
    "Increments that counted and were not watched: full (too many waited), failed, off",
    ["reason"],
)
REVIEWS_OPEN = Gauge("score_reviews_open", "Suspicions that wait for a person")
BOTS_SECONDS = Histogram("score_bots_duration_seconds", "One script call", buckets=_FAST)

# --- Kafka, where it is written or read
PRODUCE_SECONDS = Histogram(
    "kafka_produce_duration_seconds", "From send to all acks", ["topic"], buckets=_FAST
)
PRODUCERS_REPLACED = Counter(
    "kafka_producers_replaced_total", "Producers given up as wedged, and replaced", ["topic"]
)
CONSUMER_LAG = Gauge("kafka_consumer_lag_records", "Records not yet handled", ["topic"])

# --- scoreboard
EVENTS = Counter(
    "scoreboard_events_total", "Events read: applied, stale (skipped) or parked", ["result"]
)
APPLY_SECONDS = Histogram("scoreboard_apply_duration_seconds", "One script call", buckets=_FAST)
SNAPSHOTS = Counter(
    "scoreboard_snapshots_total",
    "Changes of the top ten: received, suppressed, emitted",
    ["result"],
)
DRIFT_USERS = Gauge("scoreboard_drift_users", "Users whose board row differed at the last audit")
DRIFT_POINTS = Gauge("scoreboard_drift_points", "Points by which they differed")
AUDITS = Counter("scoreboard_audits_total", "Audits of the board against the ledger", ["result"])
REBUILDS = Counter("scoreboard_rebuilds_total", "Boards built anew from the ledger", ["reason"])
REBUILD_SECONDS = Gauge("scoreboard_rebuild_duration_seconds", "The last rebuild")

# --- notification
SOCKETS = Gauge("notification_connections", "Open streams", ["transport"])
FRAMES = Counter(
    "notification_frames_total",
    "Frames per stream: sent at once, or conflated into a newer one",
    ["result"],
)
CLOSES = Counter("notification_closes_total", "Streams closed by us, by code", ["code"])
UNREADABLE_SNAPSHOTS = Counter(
    "notification_unreadable_snapshots_total", "Records that were no snapshot, and were skipped"
)
FRESHNESS_SECONDS = Histogram(
    "notification_freshness_seconds",
    "From the acceptance of an increment until its snapshot was handed to the sockets",
    buckets=(0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60),
)
FANOUT_SECONDS = Histogram("notification_fanout_duration_seconds", "One fan-out", buckets=_FAST)
FANOUT_WINDOW_SECONDS = Gauge(
    "notification_fanout_window_seconds",
    "From the beginning of a fan-out to the next, so that fan-outs take half of the CPU at most",
)


def page() -> str:
    """`docs/metrics.md`."""
    metrics = [m for m in globals().values() if isinstance(m, Counter | Gauge | Histogram)]
    rows = "\n".join(_row(metric) for metric in metrics)
    return (
        "# Metrics\n\n"
        "Printed by `python -m libs.common.metrics`; a test compares. "
        "Every service serves its own at `/metrics`; units are in the names.\n\n"
        "| name | type | labels | meaning |\n"
        "|---|---|---|---|\n"
        f"{rows}\n"
    )


def _row(metric: Counter | Gauge | Histogram) -> str:
    family = next(iter(metric.describe()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "–"
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


if __name__ == "__main__":
    sys.stdout.write(page())
