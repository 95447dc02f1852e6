"""
The documents made from the contracts: AsyncAPI 3.0, and the table of topics in `docs/events.md`.

Nothing in them is written twice: names, schemas and settings come from the classes and the table.
`python -m libs.common.contracts.asyncapi` prints the table.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from libs.common.contracts import streams
from libs.common.contracts.topics import TOPICS, Topic

EXAMPLES = Path(__file__).parent / "examples"
STREAM_ADDRESSES = {"ws": "/api/stream", "sse": "/api/stream/sse"}

_FRAMES: tuple[type[BaseModel], ...] = (
    streams.Snapshot,
    streams.Heartbeat,
    streams.Current,
    streams.StandingFrame,
    streams.Reconnect,
)
_WS_ONLY: tuple[type[BaseModel], ...] = (streams.Pong, streams.Ping)
_STREAM_QUERY = {
    "since": {"type": "string", "description": "epoch:rev of the newest snapshot known"},
    "ticket": {"type": "string", "description": "from POST /api/stream/ticket; used once"},
}

Json = dict[str, Any]


def example(event: type[BaseModel]) -> bytes:
    """The example file of an event's current version, as it would be on the wire."""
    version = event.model_fields["schema_"].default
    return (EXAMPLES / f"{_snake(event.__name__)}.v{version}.json").read_bytes()


def document(*, version: str) -> Json:
    """The AsyncAPI 3.0 document of all topics and streams, as JSON-ready values."""
    events = list(dict.fromkeys(topic.event for topic in TOPICS))
    models = [*events, *_FRAMES, *_WS_ONLY]
    _, schemas = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Live Scoreboard: events and streams",
            "version": version,
            "description": _paragraph(streams),
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": "localhost:9092", "protocol": "kafka"},
            "streams": {"host": "localhost:8004", "protocol": "ws"},
            "sse": {"host": "localhost:8004", "protocol": "http"},
        },
        "channels": {topic.name: _topic_channel(topic) for topic in TOPICS} | _stream_channels(),
        "operations": _topic_operations() | _stream_operations(),
        "components": {
            "messages": {model.__name__: _message(model) for model in models},
            "schemas": schemas["$defs"],
        },
    }


def events_page() -> str:
    """`docs/events.md`."""
    rows = "\n".join(
        f"| `{t.name}` | `{t.event.__name__}` | `{t.key}` | {t.partitions} | {t.producer} "
        f"| {', '.join(t.consumers) or '–'} | {_settings(t)} |"
        for t in TOPICS
    )
    events = "\n".join(_event_section(e) for e in dict.fromkeys(t.event for t in TOPICS))
    return (
        "# Events\n\n"
        "Printed by `python -m libs.common.contracts.asyncapi`; a test compares. "
        "The gateway serves the same as AsyncAPI 3.0 at `/asyncapi`.\n\n"
        "| topic | event | key | partitions | written by | read by | settings |\n"
        "|---|---|---|---|---|---|---|\n"
        f"{rows}\n\n{events}"
    )


def _event_section(event: type[BaseModel]) -> str:
    text = example(event).decode().strip()
    return f"## {event.__name__}\n\n{_paragraph(event)}\n\n```json\n{text}\n```\n"


def _settings(topic: Topic) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in topic.config.items())


def _message(model: type[BaseModel]) -> Json:
    message: Json = {
        "name": model.__name__,
        "summary": _paragraph(model).splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }
    keys = {topic.key for topic in TOPICS if topic.event is model}
    if keys:
        message["examples"] = [{"payload": json.loads(example(model))}]
        message["bindings"] = {
            "kafka": {"key": {"type": "string", "description": ", ".join(sorted(keys))}}
        }
    return message


def _topic_channel(topic: Topic) -> Json:
    retention = {k: int(v) for k, v in topic.config.items() if k == "retention.ms"}
    cleanup = topic.config["cleanup.policy"].split(",")
    return {
        "address": topic.name,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": _message_refs([topic.event]),
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": cleanup, **retention},
            }
        },
    }


def _stream_channels() -> Json:
    codes = ", ".join(f"{code.value} {code.name}" for code in streams.CloseCode)
    return {
        "stream": {
            "address": STREAM_ADDRESSES["ws"],
            "servers": [{"$ref": "#/servers/streams"}],
            "description": f"{_paragraph(streams.CloseCode)} {codes}.",
            "messages": _message_refs([*_FRAMES, *_WS_ONLY]),
            "bindings": {
                "ws": {"method": "GET", "query": {"type": "object", "properties": _STREAM_QUERY}}
            },
        },
        "stream-sse": {
            "address": STREAM_ADDRESSES["sse"],
            "servers": [{"$ref": "#/servers/sse"}],
            "description": "`event:` is the frame's type, `id:` is epoch:rev; resume by "
            "`Last-Event-ID`.",
            "messages": _message_refs(_FRAMES),
        },
    }


def _topic_operations() -> Json:
    operations: Json = {}
    for topic in TOPICS:
        operations[f"{topic.producer}.send.{topic.name}"] = _operation(
            "send", topic.name, [topic.event]
        )
        for consumer in topic.consumers:
            operations[f"{consumer}.receive.{topic.name}"] = _operation(
                "receive", topic.name, [topic.event]
            )
    return operations


def _stream_operations() -> Json:
    return {
        "notification.send.stream": _operation("send", "stream", [*_FRAMES, streams.Pong]),
        "notification.receive.stream": _operation("receive", "stream", [streams.Ping]),
        "notification.send.stream-sse": _operation("send", "stream-sse", _FRAMES),
    }


def _operation(action: str, channel: str, models: Iterable[type[BaseModel]]) -> Json:
    path = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": path},
        "messages": [{"$ref": f"{path}/messages/{model.__name__}"} for model in models],
    }


def _message_refs(models: Iterable[type[BaseModel]]) -> Json:
    return {m.__name__: {"$ref": f"#/components/messages/{m.__name__}"} for m in models}


def _paragraph(documented: object) -> str:
    return inspect.cleandoc(documented.__doc__ or "")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    sys.stdout.write(events_page())
