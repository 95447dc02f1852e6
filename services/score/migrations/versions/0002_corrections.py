"""Chained entries, daily bounds, fingerprints; holds, reversal cases, the audit."""

from pathlib import Path

from libs.common.migrate import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for part in ("0002_append.sql", "0002_corrections.sql"):
        run_sql(Path(__file__).with_name(part))
