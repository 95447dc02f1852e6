"""Contracts keep their promises: examples parse, documents are current and hold together."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter

from libs.common.contracts import asyncapi, streams
from libs.common.contracts.topics import TOPICS, Topic

ROOT = Path(__file__).parents[3]
EVENTS = list(dict.fromkeys(topic.event for topic in TOPICS))


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_parses_with_todays_class_and_comes_back_the_same(
    event: type[BaseModel],
) -> None:
    text = asyncapi.example(event)

    parsed = event.model_validate_json(text)

    assert json.loads(parsed.model_dump_json(by_alias=True)) == json.loads(text)


def test_every_example_file_belongs_to_an_event() -> None:
    texts = {asyncapi.example(event) for event in EVENTS}

    assert {path.read_bytes() for path in asyncapi.EXAMPLES.iterdir()} == texts


def test_a_reader_ignores_what_it_does_not_know() -> None:
    for event in EVENTS:
        text = {**json.loads(asyncapi.example(event)), "a_field_of_tomorrow": 1}

        event.model_validate_json(json.dumps(text))


def test_a_frame_is_told_by_its_type() -> None:
    frames: TypeAdapter[streams.ServerFrame] = TypeAdapter(streams.ServerFrame)

    parsed = frames.validate_json('{"type":"standing","rank":1,"score":5,"user_id":"alice"}')

    assert parsed == streams.StandingFrame(rank=1, score=5, user_id="alice")


def test_the_page_of_events_is_current() -> None:
    assert (ROOT / "docs" / "events.md").read_text() == asyncapi.events_page()


def test_the_asyncapi_document_has_what_version_3_requires() -> None:
    document = asyncapi.document(version="1.2.3")

    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"]
    assert document["info"]["version"] == "1.2.3"
    for channel in document["channels"].values():
        assert channel["address"]
        assert channel["messages"]
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = _resolve(document, operation["channel"]["$ref"])
        for message in operation["messages"]:
            name = message["$ref"].rsplit("/", 1)[1]
            assert message["$ref"] == f"{operation['channel']['$ref']}/messages/{name}"
            assert name in channel["messages"]


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    document = asyncapi.document(version="1")

    for reference in _references(document):
        assert _resolve(document, reference)


def test_examples_satisfy_the_schemas_of_the_asyncapi_document() -> None:
    document = asyncapi.document(version="1")

    for message in document["components"]["messages"].values():
        schema = {**document, **message["payload"]}
        for shown in message.get("examples", ()):
            Draft202012Validator(schema).validate(shown["payload"])


def test_topics_are_written_and_read_by_whom_the_table_says() -> None:
    for topic in TOPICS:
        users = {service for service, names in _imports().items() if _constant(topic) in names}

        assert users == {topic.producer, *topic.consumers}, topic.name


def _constant(topic: Topic) -> str:
    return topic.name.upper().replace("-", "_").replace(".", "_")


def _imports() -> dict[str, set[str]]:
    """What each service imports by name from the table of topics."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "services").rglob("*.py"):
        service = path.relative_to(ROOT / "services").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "libs.common.contracts.topics":
                found.setdefault(service, set()).update(alias.name for alias in node.names)
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def _resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document
