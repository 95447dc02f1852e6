"""Calls to the other services: deadlines, identities, and no word of theirs that is not meant."""
