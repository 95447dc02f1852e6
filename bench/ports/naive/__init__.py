"""
The specification, word for word, in the code that FastAPI's documentation teaches.

One await after the other: each request is a call to auth, a call to score, a transaction of the
ORM and an acknowledged message; each message two commands to Redis; each board one send after the
other. No batches, no keys against repetition, no cache. Where a default would only make it look
bad (httpx's pool, SQLAlchemy's, a broker that never waits), it has the better choice.
"""
