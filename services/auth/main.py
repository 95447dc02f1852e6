"""Builds the auth service: `uvicorn services.auth.main:app`."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from fastapi import FastAPI

from libs.common.app import create_service
from libs.common.clock import system_clock
from libs.common.contracts.identities import MAX_QUERY_TOKENS
from libs.common.health import Readiness
from libs.common.identity import ISSUER, ServiceDoor, open_session
from libs.common.tasks import background, on_stop
from libs.common.tokens import MAX_TOKEN_CHARACTERS, Audience, KeySet, TokenType, Verifier
from services.auth.credentials.clients import ServiceClients
from services.auth.credentials.keys import KeyRing, KeySeal
from services.auth.credentials.passwords import Argon2Passwords
from services.auth.hub import RevocationHub
from services.auth.routes import accounts, administration, internal
from services.auth.routes.parts import Parts
from services.auth.settings import Settings
from services.auth.store.database import Database
from services.auth.store.expired import PostgresExpired
from services.auth.store.keys import PostgresKeyStore
from services.auth.store.people import PostgresPeople
from services.auth.store.revocations import PostgresRevocationStore
from services.auth.store.sessions import PostgresSessionStore
from services.auth.store.throttle import RedisThrottle
from services.auth.store.users import PostgresUserStore
from services.auth.upstream import foreign_keys
from services.auth.usecases.accounts import Accounts
from services.auth.usecases.administration import Administration
from services.auth.usecases.revocations import Revoke
from services.auth.usecases.sessions import Sessions
from services.auth.usecases.signing import IssueTokens
from services.auth.usecases.upkeep import KeepKeys, purge_expired
from services.auth.usecases.verdicts import ForeignIssuer, Identify, Judge

# A password of 512 characters, each of them escaped, and what else an account has.
MAX_BODY_BYTES = 16_384
# As many tokens as a query may have, each with its quotes and comma, and JSON around them.
MAX_VERDICTS_BYTES = MAX_QUERY_TOKENS * (MAX_TOKEN_CHARACTERS + 3) + 64


@asynccontextmanager
async def lifespan(app: FastAPI, ready: Readiness) -> AsyncGenerator[dict[str, Any]]:
    settings = Settings()
    clock = system_clock
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url.get_secret_value())
        stack.push_async_callback(database.close)
        ready.add("postgresql", database.ping)
        throttle = RedisThrottle(settings.redis_url.get_secret_value())
        stack.push_async_callback(throttle.close)
        session = await stack.enter_async_context(open_session())

        seal = KeySeal(settings.key_encryption_secret)
        ring = KeyRing(seal, issuer=ISSUER)
        keys = KeepKeys(
            PostgresKeyStore(database),
            seal.make,
            ring.adopt,
            clock,
            max_age_seconds=settings.key_rotation_seconds,
        )
        await keys.once()

        revoked = PostgresRevocationStore(database)
        hub = RevocationHub(revoked)
        await hub.look()
        stack.enter_context(on_stop(hub.close))

        users = PostgresUserStore(database)
        sessions = Sessions(
            PostgresSessionStore(database, clock),
            users,
            ring.sign,
            throttle,
            clock,
            access_seconds=settings.access_token_seconds,
            refresh_seconds=settings.refresh_token_seconds,
        )
        own_keys = KeySet(ring.published)
        identify = Identify(
            Verifier(
                own_keys, issuer=ISSUER, audience=Audience.PUBLIC, token_type=TokenType.ACCESS
            ),
            _foreign_issuer(settings, session),
            revoked,
        )

        for name, work in {
            "keys": keys.run(),
            "revocations": hub.run(),
            "purge": purge_expired(PostgresExpired(database), clock),
        }.items():
            await stack.enter_async_context(background(work, name=name))
        yield {
            "parts": Parts(
                accounts=Accounts(
                    users,
                    sessions,
                    Argon2Passwords(),
                    throttle,
                    registration=settings.registration_enabled,
                ),
                administration=Administration(PostgresPeople(database, clock)),
                sessions=sessions,
                identify=identify,
                judge=Judge(identify.each, ring.sign, clock),
                revoke=Revoke(revoked, sessions, clock),
                issue=IssueTokens(ring.sign, ServiceClients(settings.service_clients).check, clock),
                keys=keys,
                published_keys=ring.published,
                revocations=hub,
                gateway_door=ServiceDoor(own_keys, callers=frozenset({"gateway"})),
                listener_door=ServiceDoor(own_keys, callers=frozenset({"gateway", "notification"})),
                operator_door=ServiceDoor(own_keys, callers=frozenset({"operator"})),
            )
        }


def _foreign_issuer(settings: Settings, session: aiohttp.ClientSession) -> ForeignIssuer | None:
    if not settings.external_issuer:
        return None
    verifier = Verifier(
        foreign_keys(session, settings.external_jwks_url),
        issuer=settings.external_issuer,
        audience=settings.external_audience,
        token_type=None,
        algorithm=settings.external_algorithm,
    )
    return ForeignIssuer(verifier, settings.external_roles_claim)


app = create_service(
    "auth",
    lifespan,
    [
        accounts.accounts,
        accounts.keys,
        administration.users,
        administration.audit,
        administration.grants,
        internal.services,
        internal.gateway,
        internal.listeners,
        internal.operator,
    ],
    max_body_bytes=MAX_BODY_BYTES,
    larger_bodies={internal.VERDICTS_PATH: MAX_VERDICTS_BYTES},
)
