"""
Takes fast paths out of the services of a stack that was started with `environment_without`.

A folder on the path has a `sitecustomize`, which every Python of the stack runs before its program.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path

from bench.ablations.catalogue import ABLATIONS, Ablation
from bench.ablations.replacing import Gone, still_used

VARIABLE = "WITHOUT_FAST_PATHS"
EXIT_CONFIGURATION = 78  # as sysexits.h has it
CHECK_SECONDS = 60

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[1]
_SERVICE = re.compile(r"services\.(\w+)\.main:app")


def environment_without(names: Iterable[str]) -> dict[str, str]:
    """For the stack: what takes these out of its services."""
    return {
        VARIABLE: ",".join(names),
        "PYTHONPATH": os.pathsep.join(map(str, (_HERE / "armed", _REPOSITORY))),
    }


def install() -> None:
    """The service's side; a process that cannot be changed as ordered ends."""
    ordered = os.environ.get(VARIABLE, "")  # noqa: TID251 - before there are settings
    services = {found[1] for word in sys.orig_argv if (found := _SERVICE.fullmatch(word))}
    for name in filter(None, ordered.split(",") if services else ()):
        try:
            if name not in ABLATIONS:
                raise Gone(f"it is none of {', '.join(ABLATIONS)}")
            if services & set(ABLATIONS[name].services):
                ABLATIONS[name].apply()
        except Gone as error:
            # An exception would only be printed: Python starts without its sitecustomize.
            print(f"ablation {name}: {error}", file=sys.stderr, flush=True)
            os._exit(EXIT_CONFIGURATION)


@cache
def require(ablation: Ablation) -> None:
    """Raises `Gone` unless it changes all of its services as they are now; looked at once."""
    for service in ablation.services:
        command = [sys.executable, "-m", __name__, ablation.name, service]
        tried = subprocess.run(
            command,
            cwd=_REPOSITORY,
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
        if tried.returncode:
            last = (tried.stderr.strip() or "no word").splitlines()[-1]
            raise Gone(f"ablation {ablation.name} does not apply to {service}: {last}")


def _try(name: str, service: str) -> None:
    """In a process of its own: apply it, import the service, and see that nobody has the old."""
    try:
        ABLATIONS[name].apply()
    except Gone as error:
        sys.exit(str(error))
    import_module(f"services.{service}.main")
    if holders := still_used():
        sys.exit(f"still used by {', '.join(holders)}")


if __name__ == "__main__":
    _try(*sys.argv[1:])
