"""What score keeps: the ledger in PostgreSQL, the rate limit in Redis."""
