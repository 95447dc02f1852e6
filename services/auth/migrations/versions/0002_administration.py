"""Bans, tombstones and the audit."""

from pathlib import Path

from libs.common.migrate import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql"))
