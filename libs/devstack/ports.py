"""Loopback ports: the usual one if it is free, else the next."""

import socket

from libs.devstack.errors import StackError

HOST = "127.0.0.1"
SEARCHED_PORTS = 500


def choose(wanted: dict[str, int]) -> dict[str, int]:
    """A free port for each name; nobody gets a port that another one wanted."""
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        others = {p for n, p in wanted.items() if n != name} | set(chosen.values())
        chosen[name] = _next_free(port, others)
    return chosen


def moved(wanted: dict[str, int], chosen: dict[str, int]) -> str:
    """One line about the ports that are not the usual ones; empty if all are."""
    changes = [f"{n} {wanted[n]} → {p}" for n, p in chosen.items() if p != wanted[n]]
    return f"ports in use by others, moved: {', '.join(changes)}" if changes else ""


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: a connection that only waits out its end (TIME_WAIT) is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _next_free(wanted: int, others: set[int]) -> int:
    for port in range(wanted, min(wanted + SEARCHED_PORTS, 65536)):
        if port not in others and is_free(port):
            return port
    raise StackError(f"no free port from {wanted} on; choose others with --port-base")
