"""The schema of users, sessions, keys, bans and the audit, one file of SQL per version."""
