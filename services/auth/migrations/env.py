"""Alembic's entry point."""

from libs.common.migrate import run_env

run_env()
