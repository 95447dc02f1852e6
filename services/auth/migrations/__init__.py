"""The schema of users, sessions, keys and revocations, one file of SQL per version."""
