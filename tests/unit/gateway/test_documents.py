"""The gateway's own documents: OpenAPI holds together, vendored files are what they claim."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from services.gateway.main import app
from services.gateway.routes.pages import WEB, page_policy

SWAGGER = WEB / "vendor" / "swagger-ui"


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_every_reference_of_the_openapi_document_resolves() -> None:
    document = app.openapi()

    for reference in set(references(document)):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_refusal_is_documented_as_a_problem() -> None:
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    media_types = list(response["content"])
                    assert media_types == ["application/problem+json"], (method, path, status)


def test_an_increment_is_documented_with_all_its_refusals_and_headers() -> None:
    operation = app.openapi()["paths"]["/api/scores"]["post"]

    assert set(operation["responses"]) == {
        "200", "401", "403", "408", "409", "413", "415", "422", "429", "431", "503"
    }  # fmt: skip
    assert "Idempotency-Key" in operation["responses"]["200"]["headers"]
    assert [p["name"] for p in operation["parameters"]] == ["Idempotency-Key", "Action-Grant"]


def test_every_body_is_documented_with_an_example_that_its_schema_takes() -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/admin/") and method in ("post", "put"):
                assert "requestBody" in operation, (method, path)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = {**content["schema"], "components": document["components"]}
                jsonschema.validate(content["example"], schema)


def test_a_body_with_an_unknown_field_is_against_its_schema() -> None:
    document = app.openapi()
    content = document["paths"]["/api/admin/reversals"]["post"]["requestBody"]["content"]
    ((_, order),) = content.items()
    schema = {**order["schema"], "components": document["components"]}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**order["example"], "undo": True}, schema)


def test_vendored_files_are_the_published_ones() -> None:
    manifest = json.loads((SWAGGER / "MANIFEST.json").read_text())
    files = {path.name for path in SWAGGER.iterdir()} - {"MANIFEST.json"}

    assert files == set(manifest["sha256"])
    for name, expected in manifest["sha256"].items():
        assert hashlib.sha256((SWAGGER / name).read_bytes()).hexdigest() == expected


def test_the_documentation_page_has_no_inline_script() -> None:
    page = (WEB / "docs" / "index.html").read_text()

    assert page.count("<script") == page.count("<script src=") == 2


@pytest.mark.parametrize(
    ("stream_url", "connect"),
    [
        ("", "connect-src 'self';"),
        ("http://localhost:8004", "connect-src 'self' http://localhost:8004 ws://localhost:8004;"),
        ("https://s.example/x", "connect-src 'self' https://s.example wss://s.example;"),
    ],
)
def test_a_page_may_connect_to_us_and_to_the_streams(stream_url: str, connect: str) -> None:
    assert connect in page_policy(stream_url)
