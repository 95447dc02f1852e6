"""What auth remembers: PostgreSQL, schema `auth`; and the counts of attempts, in Redis."""
