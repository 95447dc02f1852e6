"""The application class: its OpenAPI document says for each operation who may call it."""

from typing import Any

from fastapi import FastAPI

from libs.common.problems import Problem
from services.gateway.routes.access import permissions


class DocumentedApi(FastAPI):
    """FastAPI with `x-permission` and the one schema of all problems in its document."""

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
