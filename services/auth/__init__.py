"""
auth: who a caller is, and what they may do.

Owns users, sessions, signing keys and revocations (PostgreSQL, schema `auth`). Promises: a token
it did not sign is never accepted; a used refresh token ends its session; a revocation is in force
here at once, and everywhere within a second.
"""
