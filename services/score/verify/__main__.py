"""Verifies the ledger at `DATABASE_URL`. Exit code: 0 all holds, 1 violated, 2 not checked."""

import asyncio
import sys

import asyncpg
from pydantic import AwareDatetime, SecretStr, ValidationError
from rich.console import Console

from libs.common.settings import EnvSettings
from services.score.verify.ledger import NotSettled, verify
from services.score.verify.report import NOT_CHECKED, show


class Settings(EnvSettings):
    """`as_of`: up to when entries are in the ledger root, at least a minute ago."""

    database_url: SecretStr
    scoreboard_url: str = ""
    as_of: AwareDatetime | None = None


def main() -> int:
    console = Console()
    try:
        settings = Settings()
        report = asyncio.run(
            verify(
                settings.database_url.get_secret_value(),
                settings.scoreboard_url,
                console,
                as_of=settings.as_of,
            )
        )
    except ValidationError as error:
        wrong = ", ".join(str(problem["loc"][0]).upper() for problem in error.errors())
        return _complain(f"not set, or not as they should be: {wrong}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        return _complain(f"the ledger cannot be read: {error or type(error).__name__}")
    except NotSettled as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _complain("interrupted")
    show(report, console)
    return report.exit_code


def _complain(message: str) -> int:
    line = f"ledger verify: {' '.join(message.split())}"
    Console(stderr=True).print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    return NOT_CHECKED


if __name__ == "__main__":
    sys.exit(main())
