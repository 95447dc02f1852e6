"""
auth: who a caller is, and what they may do.

Owns users, sessions, signing keys, revocations, bans and the audit of what was done to accounts
(PostgreSQL, schema `auth`). Promises: a token it did not sign is never accepted; a used refresh
token ends its session; a revocation is in force here at once, and everywhere within a second; a
ban binds whoever vouches for the user; of a person who was erased nothing is left but their id.
"""
