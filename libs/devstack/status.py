"""`live-scoreboard status`: what the supervisor wrote down, and what answers right now."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.table import Table

from libs.devstack import probes, state
from libs.devstack.ports import HOST
from libs.devstack.stack import SERVICES

HEALTH_STYLES = {"ok": "green", "down": "red"}


async def status(data_dir: Path) -> dict[str, Any]:
    """The state of the running stack with each process's `health`. Raises `StackError`."""
    found = state.running(data_dir)
    health = await asyncio.gather(*(_health(process) for process in found.processes))
    report = found.model_dump(mode="json")
    for process, answer in zip(report["processes"], health, strict=True):
        process["health"] = answer
    return report


def table(report: dict[str, Any]) -> Table:
    """For people; passwords are left out."""
    rows = Table("name", "pid", "port", "health", "restarts", box=None)
    rows.add_column("url", overflow="fold")
    for process in report["processes"]:
        health = process["health"]
        rows.add_row(
            process["name"],
            str(process["pid"] or "–"),
            str(process["port"] or "–"),
            f"[{HEALTH_STYLES.get(health, 'yellow')}]{health}",
            str(process["restarts"]),
            without_password(process["url"]),
        )
    return rows


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    login, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login.partition(':')[0]}:…@{place}").geturl()


async def _health(process: state.ProcessState) -> str:
    """`ok`, `not ready` (runs, but says no), or `down`."""
    if process.pid is None:
        return "down"
    if process.port is None:
        return "ok"
    try:
        if process.name in SERVICES:
            await probes.http_ok(f"{process.url}/readyz")
        else:
            await probes.tcp_open(HOST, process.port)
    except probes.NotReady:
        return "not ready"
    except (OSError, TimeoutError):
        return "down"
    return "ok"
