"""The application class: its OpenAPI document says who may call an operation, and with what."""

from typing import Any

from fastapi.routing import iter_route_contexts
from pydantic.json_schema import models_json_schema

from libs.common.openapi import EdgedApi
from libs.common.problems import Problem
from services.gateway.routes.access import dependencies, permissions
from services.gateway.routes.orders import Sent
from services.gateway.routes.parts import JSON
from services.gateway.routes.problems import refusals

_TOO_LONG = {str(status): refusal for status, refusal in refusals(431).items()}


class DocumentedApi(EdgedApi):
    """FastAPI with `x-permission`, bodies, and the one schema of all problems in its document."""

    def openapi(self) -> dict[str, Any]:
        known = self.openapi_schema
        document = super().openapi()
        if document is not known:
            self._complete(document)
        return document

    def _complete(self, document: dict[str, Any]) -> None:
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas[Problem.__name__] = Problem.model_json_schema()
        for (method, path), permission in permissions(self).items():
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                operation["x-permission"] = permission
        for operation in (o for path in document["paths"].values() for o in path.values()):
            if "parameters" in operation:
                operation["responses"] |= _TOO_LONG
        for (method, path), sent in self._bodies().items():
            schema, definitions = _schema(sent)
            schemas |= {name: d for name, d in definitions.items() if name not in schemas}
            document["paths"][path][method.lower()]["requestBody"] = {
                "required": any(f.is_required() for f in sent.model.model_fields.values()),
                "content": {JSON: {"schema": schema, "example": sent.example}},
            }

    def _bodies(self) -> dict[tuple[str, str], Sent]:
        return {
            (method, str(route.path_format)): sent
            for route in iter_route_contexts(self.routes)
            for sent in dependencies(route, Sent)
            for method in route.methods or ()
        }


def _schema(sent: Sent) -> tuple[dict[str, Any], dict[str, Any]]:
    """A reference to the model, and the definitions that it needs."""
    references, schemas = models_json_schema(
        [(sent.model, "validation")], ref_template="#/components/schemas/{model}"
    )
    return references[sent.model, "validation"], schemas["$defs"]
