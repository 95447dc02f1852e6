"""Bodies that are contracts: read strictly here, and written anew for whoever carries them out."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from libs.common.contracts.corrections import Order
from libs.common.errors import InvalidRequest
from services.gateway.domain.bodies import parse_object
from services.gateway.routes.parts import body, require_json


class Sent:
    """
    The body as a `model`; no body at all is `{}`.

    The model is part of what is enforced, so the documentation (`requestBody`) cannot disagree.
    """

    def __init__(self, model: type[Order], example: Mapping[str, Any]) -> None:
        self.model = model
        self.example = example

    async def __call__(self, request: Request) -> Order:
        """Raises `InvalidRequest` that names the field; 408, 413 or 415 as `HTTPException`."""
        sent = await body(request)
        if sent:
            require_json(request)
        fields = parse_object(sent or b"{}")
        try:
            # Strict: "1" is no number and 1 is no date. As JSON: dates are strings there.
            return self.model.model_validate_json(json.dumps(fields), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, ("body", *first["loc"])))
            raise InvalidRequest(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None


def written(order: Order) -> bytes:
    """An order as JSON of our own."""
    return order.model_dump_json(by_alias=True, exclude_none=True).encode()
