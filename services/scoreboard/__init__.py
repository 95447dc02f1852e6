"""
scoreboard: who leads.

Owns the board (Redis sorted sets). Reads topic `score-updates`, and score's pages to rebuild;
writes topic `leaderboard_updated`. Promises: the board converges to the ledger, whatever is lost
or repeated on the way; a pair (epoch, rev) never names two different top tens.
"""
