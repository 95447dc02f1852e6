"""
The whole product on one machine: embedded servers, the five services, one supervisor, one command.

`stack` is the map of what runs with which environment; `cli` is `live-scoreboard`. For development
and trial: production runs the same services beside servers of its own (`deploy/`).
"""
