"""
score: what players earned.

Owns the ledger (PostgreSQL, schema `score`) and the rate limit. Writes topic `score-updates`.
Promises: an increment is answered only when it is on disk; the same key never counts twice; every
change of a total reaches Kafka at least once, however often this process dies.
"""
