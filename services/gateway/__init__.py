"""
gateway: the public door.

Owns nothing: it judges tokens (auth), checks permissions, hands increments to score in batches,
reads boards from scoreboard, and hands what moderators and operators ask to whoever owns the
answer. Promises: a route without a declared permission stops start-up;
every error is a problem (RFC 9457); a 503 on an increment may be sent again with the same key.
"""
