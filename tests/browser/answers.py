"""An ordinary day for an operator, as the contracts say it; each value may be varied by field."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from libs.common.contracts.accounts import ManagedAccount
from libs.common.contracts.boards import TopEntry
from libs.common.contracts.corrections import (
    Act,
    AuditLine,
    AuditPage,
    HoldState,
    LedgerLine,
    LedgerView,
    ReversalCase,
    ReversalList,
    ReversalPreview,
    Selector,
    UserChange,
)
from libs.common.contracts.reviews import Detector, Review, ReviewList, Rule
from libs.common.contracts.sessions import (
    Closing,
    Node,
    NodeList,
    StreamSession,
    StreamSessionList,
)
from libs.common.contracts.status import (
    Figures,
    Freshness,
    ProcessStatus,
    ServiceStatus,
    StatusReport,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def report(*, accepted: int) -> StatusReport:
    names = ("gateway", "auth", "score", "scoreboard", "notification")
    needs = {"score": {"postgresql": "ok", "redis": "ok"}, "scoreboard": {"redis": "ok"}}
    return StatusReport(
        at=datetime.now(UTC),  # noqa: TID251 - the page draws it on its own clock
        services=[
            ServiceStatus(
                name=name,
                health="ok",
                processes=[
                    ProcessStatus(
                        address="", health="ok", checks=needs.get(name, {}), loop_lag_seconds=0.002
                    )
                ],
            )
            for name in names
        ],
        figures=Figures(
            accepted_total=accepted,
            refused_total=3,
            outbox_batches=1,
            outbox_oldest_seconds=0.004,
            consumer_lag_records=12,
            drift_users=0,
            drift_points=0,
            streams={"websocket": 120, "sse": 3},
            freshness=Freshness(mean_seconds=0.021, p99_seconds=0.05),
            open_reviews=2,
        ),
    )


def preview(**more: Any) -> ReversalPreview:
    """What taking back mallory's increments does."""
    before = [("mallory", 9000), ("alice", 900), ("bob", 500)]
    fields: dict[str, Any] = {
        "users": 1,
        "entries": 20,
        "points": 8800,
        "already_reversed": 2,
        "needs_approval": False,
        "changes": [UserChange(user_id="mallory", entries=20, score_before=9000, score_after=200)],
        "top_10_before": [TopEntry(user_id=who, score=score) for who, score in before],
        "top_10_after": [
            TopEntry(user_id=who, score=score)
            for who, score in [("alice", 900), ("bob", 500), ("mallory", 200)]
        ],
    }
    return ReversalPreview(**fields | more)


def case(case_id: str = "fraud-1", **more: Any) -> ReversalCase:
    fields: dict[str, Any] = {
        "state": "applied",
        "selector": Selector(user_id="mallory"),
        "preview": preview(),
        "entries": 20,
        "done": 20,
        "requested": Act(by="mod", at=NOON, reason="bought points"),
    }
    return ReversalCase(case_id=case_id, **fields | more)


def review(**more: Any) -> Review:
    fields: dict[str, Any] = {
        "review_id": 7,
        "user_id": "mallory",
        "rule": "metronome",
        "action": "hold",
        "evidence": {"interval_deviation_ms": 1.2, "increments": 412},
        "state": "open",
        "held": True,
        "opened_at": NOON,
    }
    return Review(**fields | more)


def account(**more: Any) -> ManagedAccount:
    fields: dict[str, Any] = {"display_name": "Mallory", "roles": ["player"], "banned": False}
    return ManagedAccount(user_id="mallory", created_at=NOON, **fields | more)


def line(seq: int, **more: Any) -> LedgerLine:
    fields: dict[str, Any] = {
        "seq": seq,
        "delta": 10,
        "balance_after": seq * 10,
        "kind": "increment",
        "idempotency_key": f"key-{seq}",
        "fingerprint": "00112233445566778899aabbccddeeff",
        "reverses_seq": None,
        "case_id": None,
        "actor": "mallory",
        "reason": None,
        "created_at": NOON,
    }
    return LedgerLine(**fields | more)


def act(**more: Any) -> AuditLine:
    fields: dict[str, Any] = {"id": 1, "at": NOON, "actor": "mod", "action": "reversal.requested"}
    return AuditLine(**fields | more)


def usual() -> dict[str, BaseModel]:
    """An ordinary day, with one suspect."""
    user = "/api/admin/users/mallory"
    stream = StreamSession(
        session_id="s-1",
        user_id="mallory",
        node="node-a",
        since=NOON,
        transport="websocket",
        address="5f1d",
    )
    node = Node(node="node-a", sessions=123, draining=False, seen_at=NOON)
    rule = Rule(
        name="metronome",
        signal="interval_deviation_ms",
        window_seconds=600,
        threshold=5,
        action="hold",
        shadow=True,
    )
    return {
        "GET /api/admin/reviews": ReviewList(reviews=[review()]),
        "POST /api/admin/reviews/7": review(state="held", decided_by="ops", decided_at=NOON),
        "GET /api/admin/reversals": ReversalList(cases=[case()]),
        "POST /api/admin/reversals": preview(),
        "GET /api/admin/reversals/fraud-1": case(),
        "POST /api/admin/reversals/fraud-1/revert": case(state="reverting", done=0),
        f"GET {user}": account(),
        f"POST {user}/ban": account(banned=True),
        f"GET {user}/ledger": LedgerView(
            user_id="mallory", score=20, version=2, held=False, entries=[line(2), line(1)]
        ),
        f"POST {user}/hold": HoldState(user_id="mallory", held=True, score=20, version=3),
        f"DELETE {user}/sessions": Closing(sessions=1),
        "GET /api/admin/sessions": StreamSessionList(total=1, sessions=[stream]),
        "DELETE /api/admin/sessions/s-1": Closing(sessions=1),
        "GET /api/admin/nodes": NodeList(nodes=[node]),
        "POST /api/admin/nodes/node-a/drain": node.model_copy(update={"draining": True}),
        "GET /api/admin/bots": Detector(enabled=True, rules=[rule]),
        "PUT /api/admin/bots": Detector(enabled=False, rules=[rule]),
        "GET /api/admin/audit": AuditPage(acts=[act(case_id="fraud-1", user_id="mallory")]),
        "GET /api/admin/audit/accounts": AuditPage(acts=[act(action="user.banned")]),
    }
