"""Builds the gateway: `uvicorn services.gateway.main:app`."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from libs.common.app import create_service
from libs.common.at_once import AT_ONCE
from libs.common.batching import Lane, Lanes
from libs.common.contracts.identities import MAX_QUERY_TOKENS
from libs.common.health import Readiness
from libs.common.identity import ServiceIdentity, open_session
from libs.common.revocations import Revocations, follow
from libs.common.tasks import background
from services.gateway.domain.fingerprints import Fingerprinter
from services.gateway.domain.headers import Quota
from services.gateway.routes import accounts, boards, grants, pages, scores, streams
from services.gateway.routes.access import permissions
from services.gateway.routes.admin import ledgers, reversals, reviews, sessions, status, users
from services.gateway.routes.edge import Admission, ApiHeaders
from services.gateway.routes.express import Express
from services.gateway.routes.openapi import DocumentedApi
from services.gateway.routes.parts import Parts
from services.gateway.settings import Settings
from services.gateway.upstream.auth import AccountsClient, AuthClient
from services.gateway.upstream.notification import NotificationClient
from services.gateway.upstream.peer import Peer
from services.gateway.upstream.score import ScoreClient
from services.gateway.upstream.scoreboard import ScoreboardClient
from services.gateway.upstream.vitals import OwnVitals, ServiceVitals
from services.gateway.usecases.names import ReadNames
from services.gateway.usecases.people import ErasePerson, ExportPerson
from services.gateway.usecases.scores import MAX_BATCH, MAX_WAITING, AddScore
from services.gateway.usecases.seats import Seats
from services.gateway.usecases.status import ReadStatus
from services.gateway.usecases.verdicts import (
    MAX_QUESTIONS,
    RENEWAL_GATHER_SECONDS,
    Judged,
    JudgeToken,
)

NAME = "gateway"
DESCRIPTION = (
    "Post score increments, read the board, and watch it move. Every error is a problem "
    "(RFC 9457). `x-permission` says who may call what. Events and streams: [AsyncAPI](/asyncapi)."
)


@asynccontextmanager
async def lifespan(app: FastAPI, ready: Readiness) -> AsyncGenerator[dict[str, Any], None]:
    permissions(app)
    settings = Settings()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        identity = ServiceIdentity(session, settings.auth_url, NAME, settings.service_secret)

        async def peer(name: str, url: str, identity: ServiceIdentity | None = None) -> Peer:
            return Peer(name, await stack.enter_async_context(open_session()), url, identity)

        auth = await peer("auth", settings.auth_url, identity)
        people = AccountsClient(await peer("accounts", settings.auth_url))
        score = await peer("score", settings.score_url, identity)
        scoreboard = await peer("scoreboard", settings.scoreboard_url)
        notification = await peer("notification", settings.notification_url, identity)
        # Apart from the increments: a long look at the ledger must not take their connections.
        corrections = await peer("corrections", settings.score_url, identity)
        for name, needed in (("auth", auth), ("score", score), ("scoreboard", scoreboard)):
            ready.add(name, needed.check)

        revocations = Revocations()
        await stack.enter_async_context(
            background(
                follow(session, settings.auth_url, identity, revocations.replace),
                name="revocations",
            )
        )
        ledger = ScoreClient(score)
        lanes = await stack.enter_async_context(
            Lanes([ledger.add] * settings.lanes, max_batch=MAX_BATCH, max_waiting=MAX_WAITING)
        )
        judge = AuthClient(auth)
        familiar, strange, renewals = (
            Lane[str, Judged](
                judge.judge,
                max_batch=MAX_QUERY_TOKENS,
                max_waiting=MAX_QUESTIONS,
                gather_seconds=gather_seconds,
            )
            for gather_seconds in (0.0, 0.0, RENEWAL_GATHER_SECONDS)
        )
        for lane in (familiar, strange, renewals):
            await stack.enter_async_context(background(lane.run(), name="verdicts"))
        watched = {
            "auth": settings.auth_url,
            "score": settings.score_url,
            "scoreboard": settings.scoreboard_url,
            "notification": settings.notification_url,
        }
        vitals = {name: ServiceVitals(session, url) for name, url in watched.items()}
        parts = Parts(
            judge=JudgeToken(familiar, strange, renewals, revocations),
            add_score=AddScore(lanes),
            fingerprint=Fingerprinter(
                settings.fingerprint_secret.get_secret_value(),
                ja4_header=settings.fingerprint_ja4_header,
            ),
            read_names=ReadNames(judge),
            board=ScoreboardClient(scoreboard),
            history=ledger,
            accounts=people,
            tickets=NotificationClient(notification),
            corrections=corrections,
            sessions=notification,
            export_person=ExportPerson(people, corrections),
            erase_person=ErasePerson(people, corrections),
            read_status=ReadStatus({NAME: OwnVitals(ready), **vitals}),
            quota=Quota(settings.rate_limit_per_second, settings.rate_limit_burst),
            max_increment=settings.max_increment,
            seats=Seats(settings.max_requests),
            stream_url=settings.stream_url,
            allowed_origins=frozenset(settings.allowed_origins),
        )
        yield {"parts": parts, AT_ONCE: Express(parts)}


_PARTS_OF_THE_API = (
    *(scores, grants, boards, streams, accounts),
    *(reversals, ledgers, reviews, users, sessions, status),
    pages,
)

app = create_service(
    NAME,
    lifespan,
    [part.router for part in _PARTS_OF_THE_API],
    larger_bodies={reversals.PATH: reversals.MAX_BODY_BYTES},
    app_class=DocumentedApi,
    edge=lambda app: Admission(ApiHeaders(app)),
    description=DESCRIPTION,
    openapi_url=None,
    docs_url=None,
)
