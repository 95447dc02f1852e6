"""`python -m libs.devstack` is `live-scoreboard`."""

from libs.devstack.cli import app

app()
