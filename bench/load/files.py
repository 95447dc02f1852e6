"""How many files this process may have open: a socket each."""

import resource
import sys

SPARE_FILES = 100  # what Python, the loop and the rest of the work need


class TooFewFiles(RuntimeError):
    """In one line: what is needed, and what is allowed."""


def most() -> int:
    """The most sockets that this process could have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard - SPARE_FILES


def allow(sockets: int) -> None:
    """Raise `RLIMIT_NOFILE` as far as needed. Raises `TooFewFiles` where that is forbidden."""
    needed = sockets + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    for limit in ((needed, hard), (needed, needed), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        except (ValueError, OSError):  # beyond the hard limit, where only root may go
            continue
        break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        raise TooFewFiles(f"{sockets} sockets need {needed} open files, and {soft} are allowed")
