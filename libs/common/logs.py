"""
Logs: one JSON object per line on stdout, with the service and the request's id.

Never a token, a body or an address: log lines outlive the request and travel far.
"""

import logging
import sys

import structlog

MAX_FIELD_CHARACTERS = 2000


def configure(service: str) -> None:
    """Send every logger of this process, uvicorn's and the libraries' too, through one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_service(service),
        structlog.processors.format_exc_info,
        _bound_fields,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # aiokafka reports every refused connection while a broker is down, many a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class Trouble:
    """A condition that lasts: one line when it begins or changes, one when it is over."""

    def __init__(self, event: str, **fields: str) -> None:
        self._event = event
        self._log = structlog.get_logger().bind(**fields)
        self._kind = ""

    def met(self, error: Exception | str) -> None:
        """It is there (still); `error` says what it is."""
        kind = error if isinstance(error, str) else type(error).__name__
        if kind != self._kind:
            self._kind = kind
            self._log.warning(self._event, error=kind, detail=str(error))

    def over(self) -> None:
        """All is well (again)."""
        if self._kind:
            self._kind = ""
            self._log.info(f"{self._event}_over")


def _name_service(service: str) -> structlog.typing.Processor:
    def add(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    return add


def _bound_fields(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for name, value in event.items():
        if isinstance(value, str) and len(value) > MAX_FIELD_CHARACTERS:
            # A traceback says at its end what happened.
            event[name] = (
                "…" + value[-MAX_FIELD_CHARACTERS:]
                if name == "exception"
                else value[:MAX_FIELD_CHARACTERS] + "…"
            )
    return event
