"""Builds the notification service: `uvicorn services.notification.main:app`."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from secrets import token_hex
from socket import gethostname
from typing import Any

from fastapi import FastAPI

from libs.common.app import create_service
from libs.common.at_once import AT_ONCE
from libs.common.batching import Lane
from libs.common.clock import system_clock
from libs.common.contracts.identities import RevocationList
from libs.common.health import Readiness
from libs.common.identity import (
    ServiceDoor,
    ServiceIdentity,
    auth_keys,
    context_verifier,
    open_session,
)
from libs.common.revocations import Revocations, follow
from libs.common.tasks import background
from libs.common.tokens import Audience
from services.notification.connections.takeover import Connections, Reachable
from services.notification.consumer import BoardConsumer
from services.notification.hub import Hub
from services.notification.routes.admin import admin
from services.notification.routes.express import Express
from services.notification.routes.parts import Parts
from services.notification.routes.streams import public
from services.notification.routes.tickets import internal
from services.notification.settings import Settings
from services.notification.store.connection import open_redis
from services.notification.store.nodes import RedisNodes
from services.notification.store.sessions import RedisSessions
from services.notification.store.tickets import RedisTickets
from services.notification.upstream import ScoreboardRanks
from services.notification.usecases.duty import Duty
from services.notification.usecases.oversight import Oversight
from services.notification.usecases.ports import Limits, Over, Session
from services.notification.usecases.standings import Standings
from services.notification.usecases.streams import Streams
from services.notification.usecases.tickets import Tickets

NODE_BYTES = 4
SESSIONS_PER_CALL = 200
MAX_WAITING = 10_000
MAX_BODY_BYTES = 16 * 1024  # a signed context

NAME = "notification"


@asynccontextmanager
async def lifespan(app: FastAPI, ready: Readiness) -> AsyncGenerator[dict[str, Any], None]:
    settings = Settings()
    # A restarted process is another node: an order to its predecessor is not meant for it.
    node = f"{gethostname()}-{token_hex(NODE_BYTES)}"
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_session())
        identity = ServiceIdentity(http, settings.auth_url, NAME, settings.service_secret)
        keys = auth_keys(http, settings.auth_url)
        ready.add("auth", keys.check)
        revocations = Revocations()

        redis = open_redis(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis.aclose)
        limits = Limits(settings.max_connections_per_user, settings.max_connections_per_address)
        sessions = RedisSessions(redis, limits, ttl_seconds=settings.session_ttl_seconds)
        ready.add("redis", sessions.check)
        # A storm of connections costs a few calls, not one each.
        opening: Lane[Session, Over] = Lane(
            sessions.open, max_batch=SESSIONS_PER_CALL, max_waiting=MAX_WAITING
        )
        await stack.enter_async_context(background(opening.run(), name="opening"))

        hub = Hub(system_clock, stall_seconds=settings.stall_seconds)
        contexts = context_verifier(keys, Audience.NOTIFICATION)
        tickets = Tickets(contexts, RedisTickets(redis), revocations)
        streams = Streams(
            hub, tickets, sessions, opening.submit, revocations, system_clock,
            limits=limits, node=node, ttl_seconds=settings.session_ttl_seconds,
        )  # fmt: skip
        stack.push_async_callback(streams.flush)

        connections = Connections()
        nodes = RedisNodes(redis)
        duty = Duty(node, nodes, streams, connections.shutdown)
        ready.add("accepting", duty.check)

        def heard(news: RevocationList) -> None:
            revocations.replace(news)
            streams.enforce()

        consumer = BoardConsumer(
            settings.kafka_bootstrap_servers, settings.region, hub, system_clock, node=node
        )
        ready.add("kafka", consumer.check)
        standings = Standings(ScoreboardRanks(http, settings.scoreboard_url), streams.viewers)
        for name, work in {
            "consumer": consumer.run(),
            "heartbeats": hub.beat(),
            "streams": streams.watch(),
            "duty": duty.watch(),
            "standings": standings.watch(),
            "revocations": follow(http, settings.auth_url, identity, heard),
        }.items():
            await stack.enter_async_context(background(work, name=name))
        parts = Parts(
            streams=streams,
            connections=connections,
            tickets=tickets,
            oversight=Oversight(sessions, nodes),
            contexts=contexts,
            gateway_door=ServiceDoor(keys, callers=frozenset({"gateway"})),
            origins=frozenset(settings.allowed_origins),
            address_secret=settings.service_secret.get_secret_value().encode(),
        )
        yield {"parts": parts, AT_ONCE: Express(parts)}


app = create_service(
    NAME,
    lifespan,
    [public, internal, admin],
    edge=Reachable,
    max_body_bytes=MAX_BODY_BYTES,
    docs_url=None,
)
