"""The stack's secrets: made once, kept in the data folder, readable by their owner only."""

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

FILE = "secrets.json"
ENTROPY_BYTES = 32


def load(data_dir: Path, names: Iterable[str] = ()) -> dict[str, str]:
    """The secrets by name; those of `names` that are missing are made and kept."""
    path = data_dir / FILE
    known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    missing = {name: secrets.token_urlsafe(ENTROPY_BYTES) for name in names if name not in known}
    if missing:
        known |= missing
        write_private(path, json.dumps(known, indent=1))
    return known


def write_private(path: Path, text: str) -> None:
    """Replace a file at once (readers see the old text or the new), for its owner only."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text, "utf-8")
    fresh.replace(path)
